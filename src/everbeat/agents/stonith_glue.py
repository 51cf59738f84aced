"""cluster-glue's `stonith` program: built-in plug-ins and external/* ones.

    stonith -t TYPE -F FILE|/dev/stdin | -E   -T reset|off|on HOST    -l list of hosts   -S works?

Measured on cluster-glue 1.0.12: -F reads values in the order of `stonith -n`, separated by blanks
or lines, for external plug-ins as well; -E takes the names from the environment; `null` says
success for a host that it does not control, so the list must be asked before; exit status 8: no
such plug-in.
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
from everbeat.model.fencing import FenceAction, FenceOutcome

if TYPE_CHECKING:
    from everbeat.model.fencing import FenceDevice
    from everbeat.model.names import NodeName

UNKNOWN_TYPE_EXIT: Final = 8
_RESET_WORDS: Final = {
    FenceAction.OFF: "off",
    FenceAction.REBOOT: "reset",
    FenceAction.ON: "on",
}


def glue_call(device: FenceDevice, action: FenceAction, node: NodeName) -> FenceCall:
    """Return the command line; there is no question for the power of a host: it is the list."""
    words: tuple[str, ...]
    match action:
        case FenceAction.OFF | FenceAction.REBOOT | FenceAction.ON:
            words = ("-T", _RESET_WORDS[action], device.port(node))
        case FenceAction.LIST | FenceAction.STATUS:
            words = ("-l",)
        case FenceAction.MONITOR:
            words = ("-S",)
    begin = ("stonith", "-s", "-t", device.type)
    if device.file:
        return FenceCall(command=(*begin, "-F", device.file, *words))
    if are_named(device.parameters):
        named = tuple(_named(word) for word in device.parameters)
        return FenceCall(command=(*begin, "-E", *words), environment=named)
    values = " ".join(device.parameters)
    return FenceCall(command=(*begin, "-F", "/dev/stdin", *words), input=f"{values}\n")


def glue_reading(action: FenceAction, exit_code: int, words: str) -> FenceReading:
    """Return what exit status and standard output mean."""
    if exit_code == UNKNOWN_TYPE_EXIT or exit_code in MISSING_EXITS:
        return NOT_FOUND
    if exit_code != 0:
        return FAILED
    if action is FenceAction.LIST:
        return FenceReading(FenceOutcome.DONE, hosts=tuple(words.split()))
    return DONE


def are_named(parameters: tuple[str, ...]) -> bool:
    """Whether all parameters are NAME=VALUE rather than values in the plug-in's order."""
    return bool(parameters) and all("=" in word.strip("=") for word in parameters)


def _named(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value
