"""Laws of a changed haresources: what is in both is not touched, what differs gets there."""

from __future__ import annotations

from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from everbeat.haresources.runner import GroupRunner
from everbeat.model.cluster import ActionTimes, Monitoring
from everbeat.model.groups import GroupState, ResourceGroup, ResourceSpec
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import Action, OperationDone, Outcome, RunOperation

WORDS: Final = ("web", "mail", "files", "news")
KEYS: Final = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
OWNERS: Final = ("alpha", "beta")
LISTS: Final = st.lists(st.sampled_from(WORDS), max_size=4, unique=True).map(tuple)
TABLES: Final = st.dictionaries(st.sampled_from(KEYS), st.tuples(st.sampled_from(OWNERS), LISTS))
NUMBERS: Final = st.lists(st.integers(0, 9), max_size=12)
Table = dict[str, tuple[str, tuple[str, ...]]]


def groups_of(table: Table) -> tuple[ResourceGroup, ...]:
    """Make groups: an address first, then services whose scripts are the group's own."""
    return tuple(
        ResourceGroup(
            NodeName(owner),
            GroupKey(key),
            (
                ResourceSpec(key, "IPaddr", (key,)),
                *(ResourceSpec(f"{word}::{key}", f"{word}-{key}", (key,)) for word in words),
            ),
        )
        for key, (owner, words) in table.items()
    )


class Scripts:
    """A runner whose scripts all do as they are told; what they did is kept."""

    def __init__(self, table: Table) -> None:
        self.runner = GroupRunner(groups_of(table), Monitoring())
        self.under_way: list[RunOperation] = []
        self.acted: list[RunOperation] = []
        self.held: set[tuple[GroupKey, str]] = set()

    def take(self, effects: object) -> None:
        """Note what is ordered."""
        assert isinstance(effects, list)
        self.under_way += [effect for effect in effects if isinstance(effect, RunOperation)]

    def answer(self, number: int = 0) -> None:
        """Let one operation under way end well."""
        if not self.under_way:
            return
        order = self.under_way.pop(number % len(self.under_way))
        place = (order.group, order.resource.text)
        self.acted.append(order)
        if order.action is Action.START:
            self.held.add(place)
        elif order.action is Action.STOP:
            self.held.discard(place)
        is_status = order.action is Action.STATUS
        done = OperationDone(
            id=order.id,
            group=order.group,
            resource=order.resource,
            action=order.action,
            outcome=Outcome.DONE,
            exit_code=0,
            is_held=(place in self.held) if is_status else None,
            output="",
            served_by="",
            started_ms=0,
            ended_ms=0,
        )
        self.take(self.runner.on_done(done, 0))

    def settle(self) -> None:
        """Let everything under way end."""
        for _ in range(500):
            if not self.under_way:
                return
            self.answer()
        raise AssertionError("it never ends")


def places(table: Table) -> set[tuple[GroupKey, str]]:
    """Return the resources of a table."""
    return {(g.key, r.text) for g in groups_of(table) for r in g.resources}


@given(TABLES, TABLES)
@settings(max_examples=300)
def test_what_is_in_both_is_not_touched_and_the_rest_gets_there(old: Table, new: Table) -> None:
    world = Scripts(old)
    world.take(world.runner.acquire(list(map(GroupKey, old)), "test", 0))
    world.settle()
    world.acted.clear()
    world.take(world.runner.use(groups_of(new), Monitoring(), 0))
    world.settle()
    kept = places(old) & places(new)
    assert not [o for o in world.acted if (o.group, o.resource.text) in kept]
    same = {key for key in old if new.get(key, ("", ("?",)))[1] == old[key][1]}
    assert not [o for o in world.acted if o.group in same], "an unchanged group was touched"
    world.take(world.runner.acquire([GroupKey(k) for k in new if k not in old], "new", 0))
    world.settle()
    assert world.held == places(new)
    assert world.runner.wanted() == set(new)
    for key in new:
        assert world.runner.state(GroupKey(key)) is GroupState.STARTED


@given(TABLES, st.lists(st.tuples(TABLES, NUMBERS), min_size=1, max_size=4), NUMBERS)
@example(  # what was to stay had been passed by when the next change took it away
    {"10.0.0.3": ("alpha", ("web", "files", "mail"))},
    [({"10.0.0.3": ("alpha", ("mail",))}, []), ({"10.0.0.3": ("alpha", ())}, [])],
    [0] * 8,
)
@settings(max_examples=300)
def test_changes_that_overtake_each_other_end_with_the_last(
    old: Table, changes: list[tuple[Table, list[int]]], first: list[int]
) -> None:
    world = Scripts(old)
    world.take(world.runner.acquire(list(map(GroupKey, old)), "test", 0))
    for number in first:
        world.answer(number)
    for table, numbers in changes:
        world.take(world.runner.use(groups_of(table), Monitoring(), 0))
        for number in numbers:
            world.answer(number)
        if len(numbers) % 3 == 2:
            keys = sorted(world.runner.wanted() & set(table))[:1]
            world.take(world.runner.release(keys, "a switch-over", 0))
    last = changes[-1][0]
    world.settle()
    world.take(world.runner.acquire([GroupKey(k) for k in last], "all of them", 0))
    world.settle()
    assert world.held == places(last)


@given(TABLES)
def test_only_other_times_move_nothing(table: Table) -> None:
    world = Scripts(table)
    world.take(world.runner.acquire(list(map(GroupKey, table)), "test", 0))
    world.settle()
    times = Monitoring(usual=ActionTimes(interval_ms=1_000))
    assert world.runner.use(groups_of(table), times, 0) == []


@given(LISTS, LISTS)
def test_in_a_changed_group_old_is_stopped_right_to_left_before_new_is_started(
    old: tuple[str, ...], new: tuple[str, ...]
) -> None:
    key = GroupKey(KEYS[0])
    world = Scripts({key: ("alpha", old)})
    world.take(world.runner.acquire([key], "test", 0))
    world.settle()
    world.acted.clear()
    world.take(world.runner.use(groups_of({key: ("alpha", new)}), Monitoring(), 0))
    world.settle()
    done = [(o.action, o.resource.text) for o in world.acted if o.action is not Action.STATUS]
    stops = [(Action.STOP, f"{word}::{key}") for word in reversed(old) if word not in new]
    starts = [(Action.START, f"{word}::{key}") for word in new if word not in old]
    assert done == stops + starts
