"""Laws of monitoring, whatever scripts answer, the kernel hints and managers do."""

from __future__ import annotations

from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everbeat.executor.deadline import ABANDON_MS, EXAMINE_MS, KILL_AFTER_MS
from everbeat.executor.effects import (
    Ending,
    Examine,
    Launch,
    Observe,
    SetAddress,
    Signal,
    Unobserve,
)
from everbeat.executor.recurring import MONITORS_MAX, Recurring, RecurringEffect
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey
from everbeat.model.operations import MonitorFailed, Outcome, Watch, WatchResources

GROUPS = ("a", "b")
SCRIPTS = ("IPaddr", *(f"Rsc{number}" for number in range(6)))
INTERVAL_MS = 5_000
TIMEOUT_MS = 1_000


class Scripts:
    def script_path(self, name: str) -> str | None:
        return None if name == "IPaddr" else f"/r/{name}"

    def knows_status(self, path: str) -> bool:  # noqa: ARG002 - all of them do
        return True

    def has_unit(self, name: str) -> bool:  # noqa: ARG002 - a machine without systemd
        return False


class MonitoringMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.core = Recurring(Scripts(), (), count(1))
        self.now_ms = 0
        self.session = 0
        self.is_managed = False
        self.running: dict[int, bool] = {}  # run -> whether it is a script
        self.ending: set[int] = set()
        self.observed: set[int] = set()
        self.watched: dict[str, set[str]] = {group: set() for group in GROUPS}
        self.has_spoken: set[tuple[str, str]] = set()
        self.by_run: dict[int, str] = {}
        self.connect()

    def take(self, effects: list[RecurringEffect] | None) -> None:
        for effect in effects or []:
            match effect:
                case Launch(run=run, command=command):
                    assert self.is_managed
                    self.running[run] = True
                    self.by_run[run] = command[0].removeprefix("/r/")
                case SetAddress(run=run):
                    assert self.is_managed
                    self.running[run] = False
                    self.by_run[run] = "IPaddr"
                case Signal(run):
                    self.ending.add(run)
                case Observe(watch):
                    self.observed.add(watch)
                case Unobserve(watch):
                    self.observed.remove(watch)
                case MonitorFailed():
                    word = effect.resource.text
                    assert word in self.watched[effect.group], "it is watched"
                    is_kernels = word == "IPaddr" and effect.outcome is Outcome.DONE
                    has_spoken = any(w == word for _, w in self.has_spoken)
                    assert has_spoken or is_kernels, "it was seen running, or the kernel says so"
                    assert effect.noticed_ms <= effect.ended_ms == self.now_ms
                case _:
                    pass

    @rule()
    def connect(self) -> None:
        self.is_managed = True
        self.take(self.core.on_manager(f"core-{self.session}", self.now_ms))

    @rule()
    def restart_manager(self) -> None:
        self.core.on_manager_gone()
        self.session += 1
        self.watched = {group: set() for group in GROUPS}
        self.connect()

    @rule()
    def lose_manager(self) -> None:
        self.is_managed = False
        self.core.on_manager_gone()

    @rule(group=st.sampled_from(GROUPS), scripts=st.sets(st.sampled_from(SCRIPTS)))
    def watch(self, group: str, scripts: set[str]) -> None:
        self.watched[group] = scripts
        wanted = tuple(
            Watch(
                resource=ResourceSpec(script, script, ("10.0.0.1",)),
                interval_ms=INTERVAL_MS,
                timeout_ms=TIMEOUT_MS,
            )
            for script in sorted(scripts)
        )
        self.take(self.core.on_watch(WatchResources(GroupKey(group), wanted), self.now_ms))

    @precondition(lambda self: self.observed)
    @rule(data=st.data(), is_certain=st.booleans())
    def hint(self, data: st.DataObject, *, is_certain: bool) -> None:
        watch = data.draw(st.sampled_from(sorted(self.observed)))
        self.take(self.core.on_cause(watch, "hint", self.now_ms, is_certain=is_certain))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), answer=st.sampled_from(["up", "down", "killed"]))
    def end(self, data: st.DataObject, answer: str) -> None:
        run = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[run]
        self.ending.discard(run)
        if answer == "up":
            self.has_spoken |= {(group, self.by_run[run]) for group in GROUPS}
        endings = {
            "up": Ending(exit_code=0, words="running"),
            "down": Ending(exit_code=3, words="stopped"),
            "killed": Ending(exit_code=137),
        }
        self.take(self.core.on_ended(run, endings[answer], self.now_ms))

    @rule(step_ms=st.integers(0, 12_000))
    def wait(self, step_ms: int) -> None:
        end_ms = self.now_ms + step_ms
        for _ in range(10_000):
            due_ms = self.core.next_wakeup_ms()
            if due_ms is None or due_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            before = len(self.running)
            effects = self.core.on_tick(self.now_ms)
            self.take(effects)
            for effect in effects:
                if isinstance(effect, Examine):
                    self.take(self.core.on_examined(effect.run, (), self.now_ms))
            later_ms = self.core.next_wakeup_ms()
            is_moved = effects or later_ms != due_ms or len(self.running) != before
            assert is_moved, "a wake-up that changes nothing comes again for ever"
        else:
            raise AssertionError("it never rests")
        self.now_ms = end_ms

    @invariant()
    def one_monitor_of_a_resource_at_a_time_and_few_scripts(self) -> None:
        alive = [run for run in self.running if run not in self.ending]
        assert sum(self.running[run] for run in alive) <= MONITORS_MAX
        for script in SCRIPTS:
            assert sum(self.by_run[run] == script for run in alive) <= len(GROUPS)

    @invariant()
    def what_is_watched_is_observed_and_nothing_else(self) -> None:
        assert len(self.observed) == sum(len(scripts) for scripts in self.watched.values())

    def teardown(self) -> None:
        """All are unwatched; then nothing is left, whether scripts end or not."""
        self.connect()
        for group in GROUPS:
            self.watch(group, set())
        self.wait(EXAMINE_MS + KILL_AFTER_MS + ABANDON_MS + TIMEOUT_MS)
        assert self.core.running_count() == 0
        assert self.core.next_wakeup_ms() is None


TestMonitoring = MonitoringMachine.TestCase
TestMonitoring.settings = settings(max_examples=30, stateful_step_count=40)
