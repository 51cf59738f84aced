"""Links, rejections, ordering, node lists and the node list quest."""

from __future__ import annotations

from everbeat.membership.heartbeat import HeartbeatSchedule
from everbeat.membership.join import REQUESTS_MIN, NodeListQuest
from everbeat.membership.links import Links
from everbeat.membership.nodes import NODES_MAX, NodeTable, names_from_node_list, render_node_list
from everbeat.membership.ordering import WAITING_MAX, Ordering
from everbeat.membership.rejections import REASONS_MAX, OncePerSecond, Rejections
from everbeat.model.cluster import Timing
from everbeat.model.members import LinkStatus, NodeKind
from everbeat.model.message import message_of
from everbeat.model.names import LinkName, NodeName

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
ETH0, ETH1 = LinkName("eth0"), LinkName("eth1")


def test_a_path_comes_up_with_any_packet_and_dies_alone() -> None:
    links = Links(lambda _: 3_000)
    links.add(BETA, ETH0, 0)
    links.add(BETA, ETH1, 0)
    assert [f.status for f in links.on_packet(BETA, ETH0, 100)] == [LinkStatus.UP]
    links.on_packet(BETA, ETH1, 100)
    assert links.on_packet(BETA, ETH0, 2_000) == []
    assert [(f.link, f.status) for f in links.on_tick(3_101)] == [(ETH1, LinkStatus.DEAD)]
    assert links.next_wakeup_ms() == 5_001
    assert [f.status for f in links.on_packet(BETA, ETH1, 3_200)] == [LinkStatus.UP]


def test_a_path_that_never_worked_is_told_as_dead() -> None:
    links = Links(lambda _: 3_000)
    links.add(BETA, ETH0, 0)
    assert [f.status for f in links.on_tick(3_001)] == [LinkStatus.DEAD]
    assert links.on_tick(9_000) == []


def test_rejections_are_told_once_a_second_and_none_is_forgotten() -> None:
    rejections = Rejections()
    told = [f for i in range(50) for f in rejections.on_rejected("no-auth", "eth0", "x", i)]
    assert [fact.count for fact in told] == [1]
    assert rejections.next_wakeup_ms() == 1_000
    assert [fact.count for fact in rejections.on_tick(1_000)] == [49]
    assert rejections.next_wakeup_ms() is None


def test_the_table_of_reasons_is_bounded() -> None:
    rejections = Rejections()
    for number in range(1_000):
        rejections.on_rejected(f"reason {number}", "", "", 0)
    assert len(rejections.on_tick(5_000)) <= REASONS_MAX + 1


def test_one_fact_a_second_passes_for_each_name() -> None:
    once = OncePerSecond()
    assert once.allows("replay", "beta", 10)
    assert once.allows("replay", "alpha", 10)
    assert not once.allows("replay", "beta", 1_009)
    assert once.allows("replay", "beta", 1_010)


def test_client_messages_wait_for_lower_numbers_and_others_do_not() -> None:
    missing = {2}
    ordering = Ordering(lambda _, number: any(lower < number for lower in missing))
    leave, join = message_of(t="hbapi-clstat", st="leave"), message_of(t="hbapi-clstat", st="join")
    other = message_of(t="other")
    assert ordering.on_message(BETA, 4, leave) == []
    assert ordering.on_message(BETA, 3, join) == []
    assert ordering.on_message(BETA, 5, other) == [other]
    missing.clear()
    assert ordering.due(BETA) == [join, leave]
    assert ordering.due(BETA) == []


def test_waiting_client_messages_are_bounded() -> None:
    ordering = Ordering(lambda _node, _number: True)
    message = message_of(t="hbapi-clstat")
    released = [ordering.on_message(BETA, n, message) for n in range(WAITING_MAX + 5)]
    assert sum(map(len, released)) == 5


def test_node_lists_are_names_each_followed_by_a_blank() -> None:
    assert render_node_list([ALPHA, BETA]) == "alpha beta "
    assert render_node_list([]) == " "
    assert names_from_node_list("Alpha  beta ") == ["alpha", "beta"]
    assert names_from_node_list("../x $(y) ok") == ["ok"]
    assert len(names_from_node_list("n " * 5_000)) == NODES_MAX
    assert names_from_node_list(None) == []


def test_the_node_table_is_bounded_and_keeps_its_own_node() -> None:
    table = NodeTable(ALPHA, b"u" * 16)
    table.add(ALPHA, NodeKind.NORMAL)
    for number in range(2 * NODES_MAX):
        table.add(NodeName(f"n{number}"), NodeKind.NORMAL)
    assert len(table) == NODES_MAX
    assert table.delete(ALPHA) is None
    assert table.delete(NodeName("n1")) is not None
    assert table.deleted_list() == "n1 "


def test_peers_are_asked_in_turn_each_second() -> None:
    quest = NodeListQuest()
    quest.on_start(0, 3_000)
    peers = [ALPHA, BETA]
    asked = [quest.whom_to_ask(peers, now_ms) for now_ms in (0, 500, 1_000, 2_000)]
    assert asked == [ALPHA, None, BETA, ALPHA]


def test_asking_ends_when_nobody_answers() -> None:
    quest = NodeListQuest()
    quest.on_start(0, 3_000)
    for number in range(REQUESTS_MIN):
        assert not quest.is_over(number * 1_000)
        quest.whom_to_ask([BETA], number * 1_000)
    assert quest.is_over(REQUESTS_MIN * 1_000)


def test_the_deadtime_announced_is_generous_for_five_seconds() -> None:
    schedule = HeartbeatSchedule(Timing(deadtime_ms=4_000), is_continuing=False)
    schedule.on_start(100)
    assert schedule.announced_ms(5_099) == 6_000
    assert schedule.announced_ms(5_100) == 4_000


def test_a_heartbeat_late_by_a_third_of_deadtime_shows_starvation_once() -> None:
    timing = Timing(keepalive_ms=1_000, deadtime_ms=3_000)
    schedule = HeartbeatSchedule(timing, is_continuing=True)
    schedule.on_start(0)
    schedule.on_sent(0)
    assert schedule.starved_ms(2_000) is None
    assert schedule.starved_ms(2_001) == 2_001
    assert schedule.starved_ms(2_002) is None
    schedule.on_sent(2_002)
    assert schedule.next_wakeup_ms() == 3_002


def test_the_beat_does_not_drift() -> None:
    schedule = HeartbeatSchedule(Timing(keepalive_ms=1_000), is_continuing=True)
    schedule.on_start(0)
    for late_ms in (0, 3, 7, 1):
        due_ms = schedule.next_wakeup_ms() or 0
        schedule.on_sent(due_ms + late_ms)
    assert schedule.next_wakeup_ms() == 4_000
