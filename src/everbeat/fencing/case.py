"""One node that is to be off: which device is asked next, and when it counts as fenced.

            delay over           a whole level says done
    DELAYED ---------> ASKING ---------------------------> CONFIRMED
                       |  ^ no level left: back-off            ^
                       v  |                                    | a person, or a node that did it
                      WAITING        PERSON -------------------'
                                      (no device at all)
    every open state -- heard again --> CANCELLED

Invariant: CONFIRMED needs FenceOutcome.DONE of off or reboot by every device of one level, asked
in this case, or the word of a person or of another node. Nothing else leads there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.fencing import OPEN_STATES, FenceAction, FenceOutcome, FencingState, NodeFencing

if TYPE_CHECKING:
    from everbeat.fencing.registry import Level, Registry
    from everbeat.model.fencing import FenceDevice
    from everbeat.model.names import NodeName

DEVICE_TRIES: Final = 2
"""How often a device that fails is asked in one round."""

BACK_OFF_MS: Final = (5_000, 10_000, 20_000, 40_000, 60_000)
"""Pauses between rounds; the last one for ever."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next thing to ask."""

    device: FenceDevice
    action: FenceAction


@dataclass(slots=True)
class Case:
    """State of one node's fencing. Owned by the fencer."""

    node: NodeName
    action: FenceAction
    why: str
    requested_ms: int
    due_ms: int | None  # of the next round
    state: FencingState = FencingState.DELAYED
    levels: tuple[Level, ...] = ()
    level: int = 0
    position: int = 0
    tries: int = 0
    rounds: int = 0
    device: str = ""
    detail: str = ""

    @property
    def is_open(self) -> bool:
        """Whether what the node held must not be taken."""
        return self.state in OPEN_STATES

    def begin_round(self, registry: Registry) -> None:
        """Start with the first device again."""
        self.state, self.due_ms = FencingState.ASKING, None
        self.levels = registry.levels(self.node)
        self.level = self.position = self.tries = 0

    def next_step(self, registry: Registry) -> Step | None:
        """Return what to ask now; None: no level is left in this round."""
        while self.level < len(self.levels):
            level = self.levels[self.level]
            device = level[self.position]
            hosts = registry.hosts(device.name)
            if hosts is None:
                return Step(device, FenceAction.LIST)
            if self.node in hosts:
                return Step(device, _action_in(level, self.action))
            self.detail = f"{device.name} does not control {self.node}"
            self._next_level()
        return None

    def on_outcome(self, action: FenceAction, outcome: FenceOutcome) -> bool:
        """Take the answer of the device asked; return whether the node is fenced by it."""
        match outcome:
            case FenceOutcome.DONE if action is FenceAction.LIST:
                pass  # the list is known now: next_step tells
            case FenceOutcome.DONE:
                self.tries = 0
                self.position += 1
                return self.position == len(self.levels[self.level])
            case FenceOutcome.LOST:
                pass  # asked again: nobody knows what came of it
            case FenceOutcome.NOT_FOUND:
                self._next_level()
            case FenceOutcome.FAILED | FenceOutcome.TIMEOUT:
                self.tries += 1
                if self.tries >= DEVICE_TRIES:
                    self._next_level()
        return False

    def hold_up(self, now_ms: int) -> None:
        """No level helped: wait for the next round, or for a person if there is no device."""
        if not self.levels:
            self.state, self.due_ms = FencingState.PERSON, None
            return
        pause_ms = BACK_OFF_MS[min(self.rounds, len(BACK_OFF_MS) - 1)]
        self.rounds += 1
        self.state, self.due_ms = FencingState.WAITING, now_ms + pause_ms

    def close(self, state: FencingState, detail: str) -> None:
        """End the case."""
        self.state, self.due_ms, self.detail = state, None, detail

    def fenced_level(self) -> Level:
        """Return the level that is being asked."""
        return self.levels[self.level]

    def view(self) -> NodeFencing:
        """Return the case for people."""
        return NodeFencing(
            node=self.node,
            state=self.state,
            action=self.action,
            why=self.why,
            since_ms=self.requested_ms,
            until_ms=self.due_ms,
            rounds=self.rounds,
            device=self.device,
            detail=self.detail,
            devices=tuple(" + ".join(d.name for d in level) for level in self.levels),
        )

    def _next_level(self) -> None:
        self.level += 1
        self.position = self.tries = 0


def _action_in(level: Level, action: FenceAction) -> FenceAction:
    """Return what each device of a level is asked: two supplies are never rebooted one by one."""
    if len(level) > 1 and action is FenceAction.REBOOT:
        return FenceAction.OFF
    return action
