"""The table of ordering rules: what each row takes from which side, and what no row does."""

import itertools

import pytest

from everbeat.cib.tree import Element
from everbeat.policy.actions.ordering_rules import (
    BOTH_ALONE,
    FIRST,
    NO_RESOURCE,
    PARTS,
    RULES,
    THEN,
    Rule,
)
from everbeat.policy.plan import words
from everbeat.policy.plan.action import Action, Change
from everbeat.policy.plan.resource import Resource
from everbeat.policy.plan.words import MIGRATABLE, OPTIONAL, PRIMITIVE, PSEUDO, RUNNABLE

ALL_FLAGS = range((OPTIONAL | RUNNABLE | PSEUDO | MIGRATABLE) + 1)


def resource(name: str, *, role: int = words.STARTED) -> Resource:
    made = Resource(name, PRIMITIVE, Element("primitive", {"id": name}, []), None)
    made.role = role
    return made


def action(owner: Resource | None, task: str, flags: int) -> Action:
    made = Action(1, owner, task, f"{task}_0" if owner is None else f"{owner.id}_{task}_0")
    made.flags = flags
    return made


def row(asks: int, reach: int = PARTS) -> Rule:
    (found,) = (rule for rule in RULES if rule.asks & asks and rule.reach == reach)
    return found


def after(rule: Rule, first: Action, then: Action, seen: int | None = None) -> list[int]:
    rule.apply(first, then, first.flags if seen is None else seen)
    return [first.flags, then.flags]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.meaning)
def test_no_rule_gives_a_flag_and_each_one_taken_has_its_cause(rule: Rule) -> None:
    one, other = resource("one", role=words.PROMOTED), resource("other", role=words.PROMOTED)
    one.managed, one.blocked = False, True
    for owner, flags, later, seen in itertools.product((one, other), *[ALL_FLAGS] * 3):
        first, then = action(one, "stop", flags), action(owner, "start", later)
        taken = after(rule, first, then, seen)
        assert taken[0] & ~flags == 0
        assert taken[1] & ~later == 0
        assert len(first.because) == (flags & ~taken[0] & ~PSEUDO).bit_count()
        assert len(then.because) == (later & ~taken[1] & ~PSEUDO).bit_count()
        assert after(rule, first, then, seen) == taken


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.meaning)
def test_each_row_with_losses_takes_every_one_of_them_somewhere(rule: Rule) -> None:
    one, other = resource("one", role=words.PROMOTED), resource("other", role=words.PROMOTED)
    one.managed, one.blocked = False, True
    taken = {FIRST: 0, THEN: 0}
    for owner, flags, later, parts in itertools.product((one, other), *[ALL_FLAGS] * 2, (0, -1)):
        first, then = action(one, "stop", flags), action(owner, "start", later)
        left = after(rule, first, then, flags & parts)
        taken[FIRST] |= flags & ~left[0]
        taken[THEN] |= later & ~left[1]
    for side in (FIRST, THEN):
        losses = [loss.flag for loss in rule.losses if loss.side == side]
        assert taken[side] == sum(losses)


def test_what_is_done_first_is_followed_unless_it_is_a_migration() -> None:
    rule = row(words.THEN_MUST_FOLLOW)
    web, ip = resource("web"), resource("ip")
    wanted, idle = RUNNABLE, RUNNABLE | OPTIONAL
    assert after(rule, action(ip, "start", wanted), action(web, "start", idle)) == [wanted, wanted]
    moving = wanted | MIGRATABLE
    assert after(rule, action(ip, "stop", moving), action(web, "start", idle)) == [moving, idle]
    assert after(rule, action(ip, "start", idle), action(web, "start", idle)) == [idle, idle]


def test_fencing_follows_even_a_migration() -> None:
    rule = row(words.THEN_MUST_FOLLOW, NO_RESOURCE)
    first = action(resource("web"), "stop", RUNNABLE | MIGRATABLE)
    assert after(rule, first, action(None, "stonith", OPTIONAL))[1] == 0


def test_what_cannot_start_again_is_stopped_all_the_same() -> None:
    rule = row(words.STOP_TO_RESTART)
    web = resource("web")
    stop, start = action(web, "stop", RUNNABLE | OPTIONAL), action(web, "start", OPTIONAL)
    assert after(rule, stop, start) == [RUNNABLE, OPTIONAL]
    other = action(resource("ip"), "start", OPTIONAL)
    stop = action(web, "stop", RUNNABLE | OPTIONAL)
    assert after(rule, stop, other) == [RUNNABLE | OPTIONAL, OPTIONAL]


def test_what_cannot_be_stopped_is_not_started_again() -> None:
    web = resource("web")
    stop, start = action(web, "stop", 0), action(web, "start", RUNNABLE)
    assert after(row(words.STOP_TO_RESTART), stop, start) == [0, 0]


def test_only_what_is_promoted_is_demoted_to_stop() -> None:
    rule = row(words.DEMOTE_BEFORE_STOP)
    for role, left in ((words.PROMOTED, 0), (words.UNPROMOTED, OPTIONAL)):
        db = resource("db", role=role)
        assert after(rule, action(db, "demote", OPTIONAL), action(db, "stop", 0))[0] == left


def test_an_order_the_way_up_alone_asks_nothing_of_what_is_there_already() -> None:
    rule = row(words.NOT_SYMMETRICAL)
    first = action(resource("ip"), "start", 0)
    stopped = resource("web", role=words.STOPPED)
    idle = RUNNABLE | OPTIONAL
    assert after(rule, first, action(stopped, "stop", idle))[1] == idle
    assert after(rule, first, action(stopped, "start", idle))[1] == 0
    assert after(rule, first, action(stopped, "start", 0))[1] == 0


def test_a_blocked_stop_blocks_without_a_reason_shown() -> None:
    rule = row(words.STOP_TO_RESTART, BOTH_ALONE)
    web = resource("web")
    web.managed, web.blocked = False, True
    then = action(resource("ip"), "stop", RUNNABLE)
    assert after(rule, action(web, "stop", 0), then) == [0, 0]
    assert then.reason is None
    assert [each.change for each in then.because] == [Change.UNRUNNABLE]


def test_the_first_reason_stays() -> None:
    first = action(resource("ip"), "start", 0)
    then = action(resource("web"), "start", RUNNABLE | MIGRATABLE)
    row(words.THEN_NEEDS_FIRST).apply(first, then, 0)
    assert then.reason == "unrunnable ip start"
    assert [each.change for each in then.because] == [Change.UNRUNNABLE, Change.UNMIGRATABLE]
