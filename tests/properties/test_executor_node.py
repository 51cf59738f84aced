"""Whatever orders, endings, clock steps and managers come, each operation is answered once."""

from __future__ import annotations

from collections import Counter
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everbeat.agents.environment import Places
from everbeat.executor.effects import (
    Ending,
    ExecutorEffect,
    Launch,
    Publish,
    SetAddress,
    Signal,
)
from everbeat.model.cluster import HaConfig
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import Action, OperationDone, Outcome, RunOperation
from everbeat.node.executor_node import ExecutorNode

GROUPS = ("a", "b", "c")
SCRIPTS = ("Rsc", "IPaddr", "Nowhere")
CONFIG = HaConfig(node=NodeName("alpha"), nodes=(NodeName("alpha"),))


class Machine:
    def script_path(self, name: str) -> str | None:
        return f"/r/{name}" if name == "Rsc" else None

    def knows_status(self, path: str) -> bool:  # noqa: ARG002 - all of them do
        return True

    def has_unit(self, name: str) -> bool:  # noqa: ARG002 - a machine without systemd
        return False

    def hook(self, name: str) -> tuple[str, str] | None:  # noqa: ARG002 - nor hooks
        return None


class ExecutorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.node = ExecutorNode(CONFIG, Places("/etc/ha.d", "/var/lib/heartbeat"), Machine())
        self.now_ms = 0
        self.ids = count(1)
        self.session = 0
        self.is_managed = False
        self.ordered: dict[tuple[int, int], RunOperation] = {}
        self.answered: Counter[tuple[int, int]] = Counter()
        self.running: dict[int, str] = {}
        self.killed: set[int] = set()
        self.sequence: dict[str, list[int]] = {group: [] for group in GROUPS}
        self.connect()

    def take(self, effects: list[ExecutorEffect]) -> None:
        for effect in effects:
            match effect:
                case Launch(run=run) | SetAddress(run=run):
                    assert run not in self.running
                    self.running[run] = ""
                case Signal(run, is_hard):
                    if is_hard:
                        self.killed.add(run)
                case Publish(OperationDone() as done):
                    self.note_answer(done)
                case _:
                    pass

    def note_answer(self, done: OperationDone) -> None:
        assert self.is_managed
        sessions = [s for s, number in self.ordered if number == abs(done.id)]
        assert len(sessions) == 1
        key = (sessions[0], abs(done.id))
        assert (done.id > 0) == (key[0] == self.session)
        assert done.started_ms <= done.ended_ms <= self.now_ms
        self.answered[key] += 1
        if done.outcome is not Outcome.LOST:
            self.sequence[done.group].append(abs(done.id))

    @rule()
    def connect(self) -> None:
        self.is_managed = True
        self.take(self.node.on_manager(f"core-{self.session}", self.now_ms))

    @rule()
    def restart_manager(self) -> None:
        self.node.on_manager_gone()
        self.session += 1
        self.connect()

    @rule()
    def disconnect(self) -> None:
        self.is_managed = False
        self.node.on_manager_gone()

    @precondition(lambda self: self.is_managed)
    @rule(
        group=st.sampled_from(GROUPS),
        script=st.sampled_from(SCRIPTS),
        action=st.sampled_from(Action),
        timeout_ms=st.integers(1, 5_000),
        is_repeated=st.booleans(),
    )
    def order(
        self, group: str, script: str, action: Action, timeout_ms: int, *, is_repeated: bool
    ) -> None:
        arguments = ("10.0.0.1",) if script == "IPaddr" else ()
        operation = RunOperation(
            id=next(self.ids),
            group=GroupKey(group),
            resource=ResourceSpec(script, script, arguments),
            action=action,
            timeout_ms=timeout_ms,
        )
        self.ordered[self.session, operation.id] = operation
        for _ in range(2 if is_repeated else 1):
            self.take(self.node.on_order(operation, self.now_ms))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), exit_code=st.integers(0, 255), words=st.sampled_from(["", "running"]))
    def end(self, data: st.DataObject, exit_code: int, words: str) -> None:
        run = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[run]
        self.killed.discard(run)
        ending = Ending(exit_code=exit_code, words=words)
        self.take(self.node.on_ended(run, ending, self.now_ms))

    @rule(step_ms=st.integers(0, 10_000))
    def wait(self, step_ms: int) -> None:
        self.now_ms += step_ms
        self.take(self.node.on_tick(self.now_ms))

    @invariant()
    def no_operation_is_answered_twice(self) -> None:
        assert all(number == 1 for number in self.answered.values())

    @invariant()
    def one_operation_at_a_time_runs_in_a_group(self) -> None:
        alive = [run for run in self.running if run not in self.killed]
        assert len(alive) <= len(GROUPS)

    def teardown(self) -> None:
        self.connect()
        for _ in range(10_000):
            if not self.running:
                break
            run = min(self.running)
            del self.running[run]
            self.take(self.node.on_ended(run, Ending(exit_code=0), self.now_ms))
        assert set(self.answered) == set(self.ordered)
        assert not self.node.is_busy()
        for group in GROUPS:  # answers of a group come in the order of its orders, per session
            by_session: dict[int, list[int]] = {}
            for number in self.sequence[group]:
                session = next(s for s, n in self.ordered if n == number)
                by_session.setdefault(session, []).append(number)
            assert all(numbers == sorted(numbers) for numbers in by_session.values())


TestExecutorNode = ExecutorMachine.TestCase
