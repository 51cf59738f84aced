"""Fence agents (fence-agents and a site's own): options as NAME=VALUE lines on standard input.

Exit status 0: done; of a status 0 on, 2 off; anything else is a failure. Unknown options are
passed over with a warning (measured on fence-agents 4.12), so the host is given under both names
that agents have had for it. Options that only say which hosts a device controls (pcmk_*, as
administrators write them for Pacemaker) are ours and not passed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.agents.fence_call import (
    DONE,
    FAILED,
    MISSING_EXITS,
    NOT_FOUND,
    FenceCall,
    FenceReading,
)
from everbeat.model.fencing import HOST_OPTIONS, FenceAction, FenceOutcome

if TYPE_CHECKING:
    from everbeat.model.fencing import FenceDevice
    from everbeat.model.names import NodeName

PORT_OPTIONS: Final = ("plug", "port")
OFF_EXIT: Final = 2


def fence_call(device: FenceDevice, action: FenceAction, node: NodeName) -> FenceCall:
    """Return the command line and its input."""
    given = [word for word in device.parameters if word.partition("=")[0] not in HOST_OPTIONS]
    names = {word.partition("=")[0] for word in given}
    lines = [f"action={action.value}", *(word for word in given if not word.startswith("action="))]
    if node and names.isdisjoint(PORT_OPTIONS):
        lines += [f"{name}={device.port(node)}" for name in PORT_OPTIONS]
    return FenceCall(command=(device.type,), input="\n".join(lines) + "\n")


def fence_reading(action: FenceAction, exit_code: int) -> FenceReading:
    """Return what an exit status means."""
    if exit_code in MISSING_EXITS:
        return NOT_FOUND
    if action is FenceAction.STATUS and exit_code in {0, OFF_EXIT}:
        return FenceReading(FenceOutcome.DONE, is_on=exit_code == 0)
    return DONE if exit_code == 0 else FAILED
