"""What the core does as log lines; where Heartbeat's test suites search for words, in its words.

Enters: an effect of the core. Leaves: level and text; the adapter adds time, host and process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.haresources.effects import GroupMoved, ResourceActed
from everbeat.journal.timeline import EventRecorded
from everbeat.model.fencing import FenceAction, RunFencing
from everbeat.model.groups import GroupState
from everbeat.model.membership import Broadcast
from everbeat.model.operations import Action
from everbeat.model.quorum import ConfirmOff
from everbeat.model.reports import Severity
from everbeat.node.fencing_gate import NO_DEVICE
from everbeat.node.log_lines import LogLevel

if TYPE_CHECKING:
    from everbeat.model.journal import ClusterEvent
    from everbeat.model.operations import OperationDone
    from everbeat.node.core_node import CoreEffect
    from everbeat.node.log_lines import LogLine

_LEVELS = {
    Severity.INFO: LogLevel.INFO,
    Severity.WARNING: LogLevel.WARN,
    Severity.ERROR: LogLevel.ERROR,
}


def lines_of_effect(effect: CoreEffect) -> tuple[LogLine, ...]:
    """Return what an effect puts into the log."""
    match effect:
        case EventRecorded(event):
            return _event_lines(event)
        case GroupMoved() if effect.new is GroupState.STUCK:
            return ((LogLevel.CRIT, f"Resource group {effect.key}: {effect.why}"),)
        case GroupMoved():
            return ((LogLevel.DEBUG, f"group {effect.key}: {effect.new.value} ({effect.why})"),)
        case ResourceActed(done):
            return _operation_lines(done)
        case RunFencing() if effect.action in {FenceAction.OFF, FenceAction.REBOOT}:
            return ((LogLevel.INFO, f"Resetting node {effect.node} with [{effect.device.name}]"),)
        case ConfirmOff(node):
            return ((LogLevel.INFO, f"node {node} now reset."),)
        case Broadcast(message) if message.text("result") == NO_DEVICE:
            unprotected = "Shared disks are not protected."
            return (
                (LogLevel.WARN, "No STONITH device configured."),
                (LogLevel.WARN, unprotected),
            )
        case _:
            return ()


def _operation_lines(done: OperationDone) -> tuple[LogLine, ...]:
    took = f"{done.resource.text} {done.action.value} by {done.served_by or 'nothing'}"
    if done.action is Action.STATUS:
        return ()
    if done.is_success:
        return ((LogLevel.INFO, f"{took}: done in {done.ended_ms - done.started_ms} ms"),)
    output = done.output.strip().replace("\n", " | ")
    text = f"{took}: {done.outcome.value}, exit {done.exit_code}. {output}"
    return ((LogLevel.ERROR, text),)


def _event_lines(event: ClusterEvent) -> tuple[LogLine, ...]:
    if event.kind == "fencing-held-up":
        retrying = (LogLevel.ERROR, f"STONITH of {event.node} failed.  Retrying...")
        return ((_LEVELS[event.severity], event.text), retrying)
    if not event.is_finished:
        return ((_LEVELS[event.severity], event.text),)
    lines = [(_LEVELS[event.severity], f"{event.text}: {_phases(event)}")]
    match event.kind:
        case "takeover":
            text = f"mach_down takeover complete for node {event.node}."
            lines.append((LogLevel.INFO, text))
        case "acquire" | "joined":
            lines.append((LogLevel.INFO, "Initial resource acquisition complete"))
            lines.append((LogLevel.INFO, "Local Resource acquisition completed."))
            lines.append((LogLevel.INFO, "local resource transition completed."))
        case "take":
            lines.append((LogLevel.INFO, "Standby resource acquisition done"))
        case "standby" | "failback":
            lines.append((LogLevel.INFO, "Local standby process completed"))
        case _:
            pass
    return tuple(lines)


def _phases(event: ClusterEvent) -> str:
    if not event.phases:
        return "done"
    first_ms = event.phases[0].at_ms
    return ", ".join(f"{phase.name} +{phase.at_ms - first_ms} ms" for phase in event.phases)
