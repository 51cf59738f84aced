"""Fences nodes: asks devices in order, for ever if it must, until a node is known to be off.

    on_request ──► case (fencing.case) ──► RunFencing ──► on_done ──► NodeFenced
    on_confirm, on_word (a person, another node) ───────────────────────┘
    on_start, hourly ──► checks of all devices ──► DeviceChecked

In:  requests of a resource manager, answers of devices, words of people and nodes, time.
Out: FencingEffect. Unknown, timeout and failure never count as fenced. One case for each node.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.fencing.case import Case
from everbeat.fencing.facts import (
    DeviceAnswered,
    DeviceAsked,
    DeviceChecked,
    FencingCancelled,
    FencingHeldUp,
    FencingRequested,
    NodeFenced,
)
from everbeat.fencing.registry import Registry
from everbeat.model.fencing import (
    FenceAction,
    FenceOutcome,
    FencingState,
    FencingView,
    RunFencing,
)
from everbeat.model.names import NodeName, node_name_from_text
from everbeat.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.fencing.facts import FencingEffect
    from everbeat.fencing.registry import Topology
    from everbeat.model.fencing import FenceDevice, FencingDone

CHECK_EVERY_MS: Final = 3_600_000
CHECK_AGAIN_MS: Final = 60_000  # a device that failed is looked at again
CHECK_TIMEOUT_MS: Final = 20_000
DETAIL_CHARACTERS_MAX: Final = 300
NOBODY: Final = NodeName("")


@dataclass(slots=True)
class _Check:
    """Questions to one device about itself, asked one after the other."""

    device: FenceDevice
    questions: deque[FenceAction]
    node: NodeName


class Fencer:
    """All fencing of one node. `first_operation_id` differs from life to life."""

    def __init__(
        self,
        devices: Iterable[FenceDevice],
        *,
        timeout_ms: int,
        topology: Topology | None = None,
        first_operation_id: int = 1,
    ) -> None:
        self._registry = Registry(devices, topology)
        self._timeout_ms = timeout_ms
        self._next_id = first_operation_id
        self._cases: dict[NodeName, Case] = {}
        self._asked: dict[int, tuple[Case, FenceDevice, FenceAction]] = {}
        self._checks: dict[int, tuple[_Check, FenceAction]] = {}
        self._check_due_ms: int | None = None

    # --- inputs ------------------------------------------------------------------------------

    def on_start(self, now_ms: int) -> list[FencingEffect]:
        """Begin to look after the devices."""
        if not self._registry.devices():
            return []
        self._check_due_ms = now_ms
        return self.on_tick(now_ms)

    def on_request(
        self, node: NodeName, action: FenceAction, why: str, now_ms: int, *, delay_ms: int = 0
    ) -> list[FencingEffect]:
        """Have a node fenced; one that is being fenced stays under its first request."""
        assert action in {FenceAction.OFF, FenceAction.REBOOT}
        known = self._cases.get(node)
        if known is not None and known.is_open:
            return []
        begin_ms = now_ms + delay_ms
        case = Case(node, action, why, now_ms, begin_ms, levels=self._registry.levels(node))
        self._cases[node] = case
        requested = FencingRequested(
            node=node,
            action=action,
            why=why,
            devices=case.view().devices,
            begin_ms=begin_ms,
            at_ms=now_ms,
        )
        return [requested, *self._go_on(case, now_ms)]

    def on_done(self, done: FencingDone, now_ms: int) -> list[FencingEffect]:
        """Take a device's answer."""
        if done.id in self._checks:
            return self._after_check(self._checks.pop(done.id)[0], done, now_ms)
        if done.id not in self._asked:
            return []  # an answer to an earlier life
        case, device, action = self._asked.pop(done.id)
        detail = _last_line(done.output) or done.outcome.value
        self._registry.on_answer(device.name, done.outcome, detail, now_ms)
        if action is FenceAction.LIST and done.outcome is FenceOutcome.DONE:
            self._registry.on_hosts(device.name, _hosts_of(done))
        answered = DeviceAnswered(
            node=case.node,
            device=device.name,
            action=action,
            outcome=done.outcome,
            detail=detail,
            at_ms=now_ms,
        )
        if case.state is not FencingState.ASKING:
            return [answered]  # cancelled, or confirmed by somebody else meanwhile
        case.detail = detail
        if case.on_outcome(action, done.outcome):
            aftercare = self._switch_on_again(case)
            return [answered, *self._fenced(case, device.name, detail, now_ms), *aftercare]
        return [answered, *self._ask(case, now_ms)]

    def on_confirm(self, node: NodeName, person: str, now_ms: int) -> Verdict[FencingEffect]:
        """Take a person's word that a node is off."""
        case = self._cases.get(node)
        if case is None or not case.is_open:
            return Verdict(reason=f"nobody waits for {node} to be fenced")
        detail = "a person says that it is off"
        return Verdict(effects=self._fenced(case, person, detail, now_ms))

    def on_word(self, node: NodeName, by: NodeName, now_ms: int) -> list[FencingEffect]:
        """Take another node's word that it has fenced this one."""
        case = self._cases.get(node)
        if case is None or not case.is_open:
            return []
        return self._fenced(case, by, f"{by} has fenced it", now_ms)

    def on_hurry(self, node: NodeName, now_ms: int) -> list[FencingEffect]:
        """End the delay of a request: whoever was to go first does not manage."""
        case = self._cases.get(node)
        if case is None or case.state is not FencingState.DELAYED:
            return []
        case.due_ms = now_ms
        return self._go_on(case, now_ms)

    def on_cancel(self, node: NodeName, why: str, now_ms: int) -> list[FencingEffect]:
        """Begin nothing more against a node: it lives. What is under way is not revoked."""
        case = self._cases.get(node)
        if case is None or not case.is_open:
            return []
        case.close(FencingState.CANCELLED, why)
        return [FencingCancelled(node=node, why=why, at_ms=now_ms)]

    def on_test(self, node: NodeName) -> Verdict[FencingEffect]:
        """Have every device of a node asked, without harm."""
        devices = [device for level in self._registry.levels(node) for device in level]
        if not devices:
            return Verdict(reason=f"no device can fence {node}")
        return Verdict(effects=[e for device in devices for e in self._check(device, node)])

    def on_executor_lost(self, now_ms: int) -> list[FencingEffect]:
        """Ask again what was under way: the executor is a new one."""
        asked, self._asked = self._asked, {}
        checks, self._checks = self._checks, {}
        effects: list[FencingEffect] = []
        for check, action in checks.values():
            effects += self._ask_again(check, action)
        for case, _, _ in asked.values():
            if case.state is FencingState.ASKING:
                effects += self._ask(case, now_ms)
        return effects

    def on_tick(self, now_ms: int) -> list[FencingEffect]:
        """Let time pass."""
        effects = [e for case in tuple(self._cases.values()) for e in self._go_on(case, now_ms)]
        if self._check_due_ms is not None and now_ms >= self._check_due_ms:
            self._check_due_ms = now_ms + CHECK_EVERY_MS
            for device in self._registry.devices():
                effects += self._check(device, NOBODY)
        return effects

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is due, or None."""
        due = [case.due_ms for case in self._cases.values() if case.due_ms is not None]
        if self._check_due_ms is not None:
            due.append(self._check_due_ms)
        return min(due, default=None)

    def is_configured_for(self, node: NodeName) -> bool:
        """Whether a device, or a person, is to confirm that this node is off."""
        return self._registry.is_configured_for(node)

    def is_open(self, node: NodeName) -> bool:
        """Whether a node is to be fenced and is not yet."""
        case = self._cases.get(node)
        return case is not None and case.is_open

    def view(self) -> FencingView:
        """Return devices and cases for people."""
        return FencingView(
            self._registry.view(), tuple(case.view() for case in self._cases.values())
        )

    # --- cases -------------------------------------------------------------------------------

    def _go_on(self, case: Case, now_ms: int) -> list[FencingEffect]:
        if case.due_ms is None or now_ms < case.due_ms:
            return []
        case.begin_round(self._registry)
        return self._ask(case, now_ms)

    def _ask(self, case: Case, now_ms: int) -> list[FencingEffect]:
        step = case.next_step(self._registry)
        if step is None:
            case.hold_up(now_ms)
            detail = case.detail or f"no device can fence {case.node}"
            return [
                FencingHeldUp(
                    node=case.node,
                    detail=detail,
                    rounds=case.rounds,
                    next_ms=case.due_ms,
                    at_ms=now_ms,
                )
            ]
        case.device = step.device.name
        order = self._order(step.device, step.action, case.node, self._timeout_ms)
        self._asked[order.id] = (case, step.device, step.action)
        asked = DeviceAsked(
            node=case.node, device=step.device.name, action=step.action, at_ms=now_ms
        )
        return [asked, order]

    def _fenced(self, case: Case, by: str, detail: str, now_ms: int) -> list[FencingEffect]:
        case.close(FencingState.CONFIRMED, detail)
        case.device = by
        return [NodeFenced(node=case.node, action=case.action, by=by, detail=detail, at_ms=now_ms)]

    def _switch_on_again(self, case: Case) -> list[FencingEffect]:
        """Let the supplies of a rebooted node come back: all were off together."""
        level = case.fenced_level()
        if len(level) == 1 or case.action is not FenceAction.REBOOT:
            return []
        return [
            effect
            for device in level
            for effect in self._next_question(_Check(device, deque([FenceAction.ON]), case.node))
        ]

    # --- devices -----------------------------------------------------------------------------

    def _check(self, device: FenceDevice, node: NodeName) -> list[FencingEffect]:
        if device.is_person:
            return []
        questions: deque[FenceAction] = deque()
        if node and device.is_fence_agent:
            questions.append(FenceAction.STATUS)
        else:
            questions.append(FenceAction.MONITOR)
        if device.hosts is None:
            questions.append(FenceAction.LIST)
        return self._next_question(_Check(device, questions, node))

    def _next_question(self, check: _Check) -> list[FencingEffect]:
        action = check.questions.popleft()
        is_harmless = action is not FenceAction.ON
        node = check.node if action in {FenceAction.STATUS, FenceAction.ON} else NOBODY
        limit_ms = CHECK_TIMEOUT_MS if is_harmless else self._timeout_ms
        order = self._order(check.device, action, node, min(limit_ms, self._timeout_ms))
        self._checks[order.id] = (check, action)
        return [order]

    def _ask_again(self, check: _Check, action: FenceAction) -> list[FencingEffect]:
        check.questions.appendleft(action)
        return self._next_question(check)

    def _after_check(self, check: _Check, done: FencingDone, now_ms: int) -> list[FencingEffect]:
        name, outcome = check.device.name, done.outcome
        detail = _last_line(done.output) or outcome.value
        if outcome is FenceOutcome.LOST:
            return self._ask_again(check, done.action)
        if outcome is FenceOutcome.DONE and done.action is FenceAction.LIST:
            self._registry.on_hosts(name, _hosts_of(done))
            detail = f"controls {', '.join(_hosts_of(done)) or 'nobody'}"
        if outcome is FenceOutcome.DONE and check.questions:
            return self._next_question(check)
        if outcome is FenceOutcome.DONE and check.node not in {NOBODY, *self._hosts(name)}:
            outcome, detail = FenceOutcome.FAILED, f"it does not control {check.node}"
        if outcome is not FenceOutcome.DONE and self._check_due_ms is not None:
            self._check_due_ms = min(self._check_due_ms, now_ms + CHECK_AGAIN_MS)
        self._registry.on_answer(name, outcome, detail, now_ms)
        return [
            DeviceChecked(
                device=name,
                outcome=outcome,
                detail=detail,
                hosts=self._registry.hosts(name),
                at_ms=now_ms,
            )
        ]

    def _hosts(self, name: str) -> tuple[NodeName, ...]:
        return self._registry.hosts(name) or ()

    def _order(
        self, device: FenceDevice, action: FenceAction, node: NodeName, timeout_ms: int
    ) -> RunFencing:
        self._next_id += 1
        return RunFencing(
            id=self._next_id - 1, device=device, action=action, node=node, timeout_ms=timeout_ms
        )


def _hosts_of(done: FencingDone) -> tuple[NodeName, ...]:
    return tuple(node_name_from_text(host) for host in done.hosts)


def _last_line(output: str) -> str:
    """Return the last line with words: agents put the reason at the end."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:DETAIL_CHARACTERS_MAX] if lines else ""
