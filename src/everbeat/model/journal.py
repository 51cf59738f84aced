"""Events for `everbeat events`: what happened, and when each step of it was reached."""

from __future__ import annotations

from dataclasses import dataclass

from everbeat.model.names import NodeName
from everbeat.model.reports import Severity


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of an event: what was reached when, e.g. `last-heard`, `started IPaddr::…`."""

    name: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterEvent:
    """Something that happened, for `everbeat events`. A takeover carries its phases."""

    id: int
    kind: str  # kebab-case: node-dead, takeover, give-up, standby, failback, start-failed …
    severity: Severity
    node: NodeName
    text: str
    at_ms: int
    wall_ms: int  # CLOCK_REALTIME at the same moment
    phases: tuple[Phase, ...] = ()
    is_finished: bool = True
    details: tuple[str, ...] = ()  # lines for people: the flight record of what hung
