"""Whatever children do, the supervisor keeps its promises."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.supervision.plan import (
    Child,
    ChildChanged,
    ChildSignal,
    ChildState,
    Finish,
    Limits,
    SignalChild,
    StartChild,
)
from everbeat.supervision.supervisor import Supervisor

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ready", "renew", "exit", "stop", "tick"]),
        st.sampled_from(list(Child)),
        st.sampled_from([0, 1, 6, -9]),
        st.integers(0, 3_000),
    ),
    max_size=120,
)


class World:
    """Processes as the orders leave them; every order is checked against them."""

    def __init__(self) -> None:
        self.supervisor = Supervisor(Limits())
        self.running: set[Child] = set()
        self.signalled: set[Child] = set()
        self.states = dict.fromkeys(Child, ChildState.WAITING)
        self.finishes = 0

    def perform(self, effects: list[object]) -> None:
        for effect in effects:
            assert not self.finishes or not isinstance(effect, StartChild | SignalChild | Finish)
            match effect:
                case StartChild(child):
                    assert child not in self.running, "started twice"
                    self.running.add(child)
                case SignalChild(child, number):
                    assert child in self.running, "signalled a child that does not run"
                    if number is not ChildSignal.HUP:
                        self.signalled.add(child)
                case ChildChanged(child, state):
                    self.states[child] = state
                case Finish():
                    assert not self.running, "finished with children"
                    self.finishes += 1
        assert self.states == {child: self.supervisor.state(child) for child in Child}

    def end(self, child: Child, exit_code: int, now_ms: int) -> None:
        if child in self.running:
            self.running.discard(child)
            self.signalled.discard(child)
            self.perform(list(self.supervisor.on_exited(child, exit_code, now_ms)))


@settings(max_examples=300)
@given(STEPS)
def test_starts_signals_and_the_end_fit_the_processes(
    steps: list[tuple[str, Child, int, int]],
) -> None:
    world = World()
    now_ms = 0
    world.perform(list(world.supervisor.on_start(now_ms)))
    for what, child, exit_code, delay_ms in steps:
        now_ms += delay_ms
        match what:
            case "ready" if child in world.running:
                world.perform(list(world.supervisor.on_ready(child, now_ms)))
            case "renew" if child in world.running:
                world.supervisor.on_renewed(child, now_ms)
            case "exit":
                world.end(child, exit_code, now_ms)
            case "stop":
                world.perform(list(world.supervisor.on_stop(now_ms)))
            case "tick":
                wakeup_ms = world.supervisor.next_wakeup_ms()
                assert wakeup_ms is not None or world.finishes
                now_ms = max(now_ms, wakeup_ms or 0)
                world.perform(list(world.supervisor.on_tick(now_ms)))
    world.perform(list(world.supervisor.on_stop(now_ms)))
    for _ in range(400):  # healthy children from now on: the stop comes to its end
        if world.finishes:
            break
        for child in Child:
            if child in world.signalled:
                world.end(child, 0, now_ms)
            elif child in world.running:
                world.perform(list(world.supervisor.on_ready(child, now_ms)))
        wakeup_ms = world.supervisor.next_wakeup_ms()
        now_ms = max(now_ms, wakeup_ms or now_ms)
        world.perform(list(world.supervisor.on_tick(now_ms)))
    assert world.finishes == 1
