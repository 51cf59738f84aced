"""Fencing by several devices: order, retries, back-off, persons, peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.fencing.case import BACK_OFF_MS, DEVICE_TRIES
from everbeat.fencing.facts import (
    DeviceChecked,
    FencingCancelled,
    FencingHeldUp,
    FencingRequested,
    NodeFenced,
)
from everbeat.fencing.fencer import CHECK_AGAIN_MS, CHECK_EVERY_MS, Fencer
from everbeat.model.fencing import (
    FenceAction,
    FenceDevice,
    FenceOutcome,
    FencingDone,
    FencingState,
    RunFencing,
)
from everbeat.model.names import NodeName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.fencing.facts import FencingEffect
    from everbeat.fencing.registry import Topology

BETA = NodeName("beta")
REBOOT = FenceAction.REBOOT
TIMEOUT_MS = 60_000


def device(name: str, *hosts: str, kind: str = "fence_x") -> FenceDevice:
    listed = tuple(NodeName(host) for host in hosts) or None
    return FenceDevice(name=name, type=kind, hosts=listed)


def fencer(*devices: FenceDevice, topology: Topology | None = None) -> Fencer:
    return Fencer(devices, timeout_ms=TIMEOUT_MS, topology=topology)


def order_in(effects: Iterable[FencingEffect]) -> RunFencing:
    [order] = [effect for effect in effects if isinstance(effect, RunFencing)]
    return order


def answer(
    order: RunFencing,
    outcome: FenceOutcome = FenceOutcome.DONE,
    hosts: tuple[str, ...] = (),
    output: str = "",
) -> FencingDone:
    return FencingDone(
        id=order.id,
        device=order.device.name,
        action=order.action,
        node=order.node,
        outcome=outcome,
        output=output,
        started_ms=0,
        ended_ms=0,
        hosts=hosts,
    )


def is_fenced(effects: Iterable[FencingEffect]) -> bool:
    return any(isinstance(effect, NodeFenced) for effect in effects)


def state(core: Fencer) -> FencingState:
    case = core.view().node(BETA)
    assert case is not None
    return case.state


def test_a_device_that_says_done_confirms_the_node() -> None:
    core = fencer(device("a", "beta"))
    effects = core.on_request(BETA, REBOOT, "it died", 100)
    order = order_in(effects)
    assert (order.action, order.node, order.timeout_ms) == (REBOOT, BETA, TIMEOUT_MS)
    assert core.is_open(BETA)
    effects = core.on_done(answer(order, output="Success: Rebooted\n"), 900)
    [fenced] = [effect for effect in effects if isinstance(effect, NodeFenced)]
    assert (fenced.by, fenced.detail, fenced.at_ms) == ("a", "Success: Rebooted", 900)
    assert state(core) is FencingState.CONFIRMED
    assert core.next_wakeup_ms() is None


def test_failure_timeout_and_a_missing_agent_never_count_as_fenced() -> None:
    core = fencer(device("a", "beta"))
    effects = core.on_request(BETA, REBOOT, "", 0)
    for outcome in (FenceOutcome.FAILED, FenceOutcome.TIMEOUT):
        effects = core.on_done(answer(order_in(effects), outcome), 10)
        assert not is_fenced(effects)
    assert state(core) is FencingState.WAITING
    effects = core.on_tick(10 + BACK_OFF_MS[0])
    effects = core.on_done(answer(order_in(effects), FenceOutcome.NOT_FOUND), 6_000)
    assert not is_fenced(effects)
    assert state(core) is FencingState.WAITING


def test_each_device_has_its_tries_and_then_the_next_one_is_asked() -> None:
    core = fencer(device("a", "beta"), device("other", "gamma"), device("b", "beta"))
    effects = core.on_request(BETA, REBOOT, "", 0)
    asked = []
    for _ in range(DEVICE_TRIES):
        asked.append(order_in(effects).device.name)
        effects = core.on_done(answer(order_in(effects), FenceOutcome.FAILED), 1)
    asked.append(order_in(effects).device.name)
    assert asked == ["a", "a", "b"]
    assert is_fenced(core.on_done(answer(order_in(effects)), 2))


def test_rounds_go_on_for_ever_and_each_one_is_told() -> None:
    core = fencer(device("a", "beta"))
    effects = core.on_request(BETA, REBOOT, "", 0)
    now_ms, pauses = 0, []
    for number in range(1, 9):
        for _ in range(DEVICE_TRIES):
            effects = core.on_done(answer(order_in(effects), FenceOutcome.FAILED), now_ms)
        [held_up] = [effect for effect in effects if isinstance(effect, FencingHeldUp)]
        assert held_up.rounds == number
        due_ms = core.next_wakeup_ms()
        assert due_ms == held_up.next_ms
        assert due_ms is not None
        pauses.append(due_ms - now_ms)
        assert core.on_tick(due_ms - 1) == []
        now_ms = due_ms
        effects = core.on_tick(now_ms)
    assert tuple(pauses) == (*BACK_OFF_MS, *BACK_OFF_MS[-1:] * 3)


def test_a_plug_in_is_asked_for_its_hosts_first_and_another_nodes_device_is_not_used() -> None:
    core = fencer(device("a", kind="null"), device("b", kind="null"))
    first = order_in(core.on_request(BETA, REBOOT, "", 0))
    assert first.action is FenceAction.LIST
    second = order_in(core.on_done(answer(first, hosts=("gamma",)), 1))
    assert (second.device.name, second.action) == ("b", FenceAction.LIST)
    third = order_in(core.on_done(answer(second, hosts=("GAMMA", "Beta")), 2))
    assert (third.device.name, third.action) == ("b", REBOOT)


def test_all_devices_of_a_level_must_say_done_and_are_switched_on_again() -> None:
    left, right = device("left", "beta"), device("right", "beta")
    core = fencer(left, right, topology={BETA: (("left", "right"),)})
    first = order_in(core.on_request(BETA, REBOOT, "", 0))
    assert first.action is FenceAction.OFF
    effects = core.on_done(answer(first), 1)
    assert not is_fenced(effects)
    effects = core.on_done(answer(order_in(effects)), 2)
    assert is_fenced(effects)
    orders = [effect for effect in effects if isinstance(effect, RunFencing)]
    assert [(o.device.name, o.action) for o in orders] == [
        ("left", FenceAction.ON),
        ("right", FenceAction.ON),
    ]


def test_who_is_to_go_second_waits_and_hurries_when_the_first_one_fails() -> None:
    core = fencer(device("a", "beta"))
    [requested] = core.on_request(BETA, REBOOT, "", 0, delay_ms=4_000)
    assert isinstance(requested, FencingRequested)
    assert requested.begin_ms == 4_000
    assert core.on_tick(3_999) == []
    assert order_in(core.on_hurry(BETA, 3_000)).action is REBOOT


def test_a_second_request_changes_nothing() -> None:
    core = fencer(device("a", "beta"))
    core.on_request(BETA, REBOOT, "", 0)
    assert core.on_request(BETA, FenceAction.OFF, "", 5) == []


def test_a_node_that_is_heard_again_is_left_alone_and_a_late_answer_takes_nothing() -> None:
    core = fencer(device("a", "beta"))
    order = order_in(core.on_request(BETA, REBOOT, "", 0))
    [cancelled] = core.on_cancel(BETA, "it was heard", 5)
    assert isinstance(cancelled, FencingCancelled)
    assert not is_fenced(core.on_done(answer(order), 9))
    assert state(core) is FencingState.CANCELLED
    assert order_in(core.on_request(BETA, REBOOT, "it died again", 20)).id != order.id


def test_a_person_may_confirm_only_what_is_waited_for() -> None:
    core = fencer(device("a", "beta"))
    verdict = core.on_confirm(BETA, "root", 0)
    assert "nobody waits" in verdict.reason
    assert verdict.effects == ()
    core.on_request(BETA, REBOOT, "", 0)
    verdict = core.on_confirm(BETA, "root", 1)
    assert verdict.is_accepted
    assert is_fenced(verdict.effects)


def test_without_any_device_only_a_person_can_confirm() -> None:
    core = fencer(device("hand", "beta", kind="meatware"))
    assert core.is_configured_for(BETA)
    effects = core.on_request(BETA, REBOOT, "", 0)
    assert isinstance(effects[-1], FencingHeldUp)
    assert effects[-1].next_ms is None
    assert state(core) is FencingState.PERSON
    assert is_fenced(core.on_confirm(BETA, "root", 5).effects)


def test_another_nodes_word_confirms_as_well() -> None:
    core = fencer(device("a", "beta"))
    assert core.on_word(BETA, NodeName("gamma"), 0) == []
    core.on_request(BETA, REBOOT, "", 0, delay_ms=9_000)
    assert is_fenced(core.on_word(BETA, NodeName("gamma"), 1))


def test_what_a_lost_executor_was_asked_is_asked_again() -> None:
    core = fencer(device("a", "beta"))
    first = order_in(core.on_request(BETA, REBOOT, "", 0))
    again = order_in(core.on_executor_lost(5))
    assert again.id != first.id
    assert again.action is REBOOT
    assert core.on_done(answer(first), 6) == []
    assert not is_fenced(core.on_done(answer(again, FenceOutcome.LOST), 7))
    assert state(core) is FencingState.ASKING


def test_devices_are_looked_after_hourly_and_sooner_while_one_fails() -> None:
    core = fencer(device("a", kind="null"))
    monitor = order_in(core.on_start(0))
    assert (monitor.action, monitor.node) == (FenceAction.MONITOR, "")
    listing = order_in(core.on_done(answer(monitor), 10))
    assert listing.action is FenceAction.LIST
    [checked] = core.on_done(answer(listing, hosts=("beta",)), 20)
    assert isinstance(checked, DeviceChecked)
    assert checked.hosts == (BETA,)
    assert core.next_wakeup_ms() == CHECK_EVERY_MS
    monitor = order_in(core.on_tick(CHECK_EVERY_MS))
    core.on_done(answer(monitor, FenceOutcome.FAILED, output="no answer"), CHECK_EVERY_MS + 5)
    assert core.next_wakeup_ms() == CHECK_EVERY_MS + 5 + CHECK_AGAIN_MS
    [status] = core.view().devices
    assert (status.is_working, status.detail, status.proven_ms) == (False, "no answer", 20)


def test_a_test_asks_for_the_power_of_the_node_and_does_no_harm() -> None:
    core = fencer(device("a", "beta"))
    verdict = core.on_test(BETA)
    assert verdict.is_accepted
    assert order_in(verdict.effects).action is FenceAction.STATUS
    assert "no device" in core.on_test(NodeName("gamma")).reason
