"""Statuses follow status messages, announced deadtimes and exact deadlines."""

from __future__ import annotations

from everbeat.membership.liveness import ANNOUNCED_MS_MIN, Liveness
from everbeat.model.cluster import Timing
from everbeat.model.members import NodeKind, NodeStatus
from everbeat.model.membership import HeartbeatLate, StatusReason
from everbeat.model.names import NodeName

BETA, PING = NodeName("beta"), NodeName("10.0.0.1")
TIMING = Timing(
    keepalive_ms=1_000,
    deadtime_ms=3_000,
    warntime_ms=1_500,
    initdead_ms=12_000,
    deadping_ms=5_000,
)


def up_and_running() -> Liveness:
    liveness = Liveness(TIMING, is_communication_up=True)
    liveness.add(BETA, NodeKind.NORMAL, 0)
    liveness.on_status(BETA, NodeStatus.ACTIVE, 3_000, 1_000)
    return liveness


def test_the_announced_deadtime_counts_and_not_our_own() -> None:
    liveness = up_and_running()
    liveness.on_status(BETA, NodeStatus.ACTIVE, 7_000, 2_000)
    assert liveness.next_wakeup_ms() == 9_001
    assert liveness.on_tick(9_000) == []
    (death,) = liveness.on_tick(9_001)
    assert (death.new, death.reason, death.last_heard_ms, death.at_ms) == (
        NodeStatus.DEAD,
        StatusReason.DEADTIME,
        2_000,
        9_001,
    )
    assert liveness.next_wakeup_ms() is None


def test_a_node_never_heard_is_dead_after_initdead() -> None:
    liveness = Liveness(TIMING)
    liveness.add(BETA, NodeKind.NORMAL, 100)
    assert liveness.next_wakeup_ms() == 12_101
    assert [fact.reason for fact in liveness.on_tick(12_101)] == [StatusReason.INITDEAD]


def test_before_communication_is_up_a_heard_node_gets_initdead_too() -> None:
    liveness = Liveness(TIMING)
    liveness.add(BETA, NodeKind.NORMAL, 0)
    liveness.on_status(BETA, NodeStatus.UP, 3_000, 1_000)
    assert liveness.next_wakeup_ms() == 13_001
    liveness.on_communication_up()
    assert liveness.next_wakeup_ms() == 4_001


def test_a_heartbeat_after_warntime_is_late_but_no_death() -> None:
    liveness = up_and_running()
    assert liveness.on_status(BETA, NodeStatus.ACTIVE, 3_000, 2_500) == []
    facts = liveness.on_status(BETA, NodeStatus.ACTIVE, 3_000, 9_000)
    assert facts == [HeartbeatLate(BETA, 6_500, 9_000)]


def test_a_dead_node_that_speaks_again_is_not_late() -> None:
    liveness = up_and_running()
    liveness.on_tick(4_001)
    facts = liveness.on_status(BETA, NodeStatus.UP, 3_000, 60_000)
    assert [type(fact).__name__ for fact in facts] == ["NodeStatusChanged"]


def test_a_restarted_node_is_not_late() -> None:
    liveness = up_and_running()
    liveness.on_restart(BETA)
    facts = liveness.on_status(BETA, NodeStatus.INIT, 3_000, 3_900)
    assert [type(fact).__name__ for fact in facts] == ["NodeStatusChanged"]


def test_held_verdicts_fall_when_the_grace_is_over_unless_the_node_speaks() -> None:
    liveness = up_and_running()
    liveness.hold_verdicts(9_100)
    assert liveness.next_wakeup_ms() == 9_100
    assert liveness.on_tick(9_099) == []
    liveness.on_status(BETA, NodeStatus.ACTIVE, 3_000, 9_099)
    assert liveness.on_tick(9_100) == []
    assert liveness.on_tick(12_100)


def test_an_absurd_deadtime_is_bounded() -> None:
    liveness = up_and_running()
    liveness.on_status(BETA, NodeStatus.ACTIVE, 0, 2_000)
    assert liveness.limit_ms(BETA) == ANNOUNCED_MS_MIN
    liveness.on_status(BETA, NodeStatus.ACTIVE, 2**63, 2_000)
    assert liveness.next_wakeup_ms() == 2_000 + 24 * 3_600_000 + 1


def test_a_ping_node_lives_by_echoes_and_dies_after_deadping() -> None:
    liveness = Liveness(TIMING, is_communication_up=True)
    liveness.add(PING, NodeKind.PING, 0)
    assert [fact.new for fact in liveness.on_echo(PING, 1_000)] == [NodeStatus.PING]
    assert liveness.on_echo(PING, 2_000) == []
    assert liveness.on_tick(7_000) == []
    assert [fact.new for fact in liveness.on_tick(7_001)] == [NodeStatus.DEAD]
