"""The right to hold, by leases and votes: who gains it when, and who is dead."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from everbeat.membership.beat import Beat, Echo, Vote, beat_from_message, fields_from_beat
from everbeat.membership.quorum import QuorumCore
from everbeat.model.cluster import (
    DRIFT_PERMILLE,
    HaConfig,
    Medium,
    MediumKind,
    Quorum,
    Timing,
    WitnessPlace,
    lease_ms,
)
from everbeat.model.message import message_of
from everbeat.model.names import LinkName, NodeName
from everbeat.model.quorum import (
    AskWitness,
    RightExtended,
    RightGained,
    RightLost,
    Want,
    WitnessReason,
    WitnessReply,
)

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
TIMING = Timing(keepalive_ms=1_000, deadtime_ms=10_000, stoptime_ms=3_000)
LEASE = lease_ms(10_000, 3_000)
OWN, PEER = 7, 3  # generations


def core_of(kind: Quorum, *, promised: tuple[NodeName, ...] = ()) -> QuorumCore:
    nodes = (ALPHA, BETA, GAMMA) if kind is Quorum.VOTES else (ALPHA, BETA)
    ping = (Medium(kind=MediumKind.PING, link=LinkName("router"), hosts=("192.0.2.1",)),)
    config = HaConfig(
        node=ALPHA,
        nodes=nodes,
        timing=TIMING,
        quorum=kind,
        witness=WitnessPlace("third") if kind is Quorum.WITNESS else None,
        media=ping if kind is Quorum.PING else (),
    )
    core = QuorumCore(config, Random(1), promised=promised)  # noqa: S311 - not for secrets
    core.on_start(0)
    return core


def hear(
    core: QuorumCore,
    node: NodeName,
    now_ms: int,
    *,
    echo_ms: int | None = None,
    votes: tuple[Vote, ...] = (),
    generation: int = PEER,
) -> None:
    """Let a node's heartbeat arrive that echoes our stamp of `echo_ms`."""
    echoes = () if echo_ms is None else (Echo(ALPHA, OWN, echo_ms),)
    beat = Beat(stamp_ms=now_ms, dead_ms=10_000, echoes=echoes, votes=votes)
    core.on_beat(node, generation, OWN, beat, now_ms)


def held(core: QuorumCore, now_ms: int = 1_000) -> QuorumCore:
    """Let all others echo us."""
    for node in core._others:  # the test's shortest way to all of them
        hear(core, node, now_ms, echo_ms=now_ms)
    assert any(isinstance(fact, RightGained) for fact in core.look(now_ms))
    return core


@given(dead=st.integers(1_000, 10**6), stop=st.integers(0, 10**6))
def test_what_is_leased_is_given_up_when_it_may_be_taken_whatever_the_clocks(
    dead: int, stop: int
) -> None:
    fast, slow = 1_000 + DRIFT_PERMILLE, 1_000 - DRIFT_PERMILLE
    lease = lease_ms(dead, stop)
    assert lease * fast + stop * 1_000 <= dead * slow
    assert (lease + 1) * fast + stop * 1_000 > dead * slow


@given(
    stamp=st.integers(0, 2**63),
    dead=st.integers(1, 2**31),
    has_right=st.booleans(),
    numbers=st.lists(st.integers(0, 2**40), max_size=5),
)
def test_what_a_beat_says_survives_its_fields(
    *, stamp: int, dead: int, has_right: bool, numbers: list[int]
) -> None:
    echoes = tuple(Echo(NodeName(f"n:{n:x}"), n, n + 1) for n in numbers)
    votes = tuple(Vote(NodeName(f"n{n}"), n) for n in numbers)
    beat = Beat(
        stamp_ms=stamp,
        dead_ms=dead,
        has_right=has_right,
        echoes=echoes,
        votes=votes,
        has_ping=not has_right,
    )
    assert beat_from_message(message_of(t="status", **fields_from_beat(beat))) == beat


@given(text=st.text(max_size=60))
def test_broken_fields_of_a_beat_are_no_beat_or_are_left_out(text: str) -> None:
    fields = {"eb_stamp": "1f", "eb_dead": "3e8", "eb_echo": text, "eb_votes": text}
    beat = beat_from_message(message_of(t="status", **fields))
    assert beat is not None
    assert all(echo.node and echo.stamp_ms >= 0 for echo in beat.echoes)
    assert beat_from_message(message_of(t="status", eb_stamp=text)) is None


def test_the_right_is_gained_when_everybody_has_echoed_and_not_by_a_majority_alone() -> None:
    core = core_of(Quorum.VOTES)
    hear(core, BETA, 1_000, echo_ms=900)
    assert not any(isinstance(fact, RightGained) for fact in core.look(1_000))
    hear(core, GAMMA, 1_100, echo_ms=950)
    gained = [fact for fact in core.look(1_100) if isinstance(fact, RightGained)]
    assert [fact.until_ms for fact in gained] == [950 + LEASE]


def test_an_echo_of_a_former_life_lets_nobody_hold() -> None:
    core = core_of(Quorum.VOTES)
    for node in (BETA, GAMMA):
        core.on_beat(
            node,
            PEER,
            OWN,
            Beat(stamp_ms=1, dead_ms=10_000, echoes=(Echo(ALPHA, OWN - 1, 900),)),
            1_000,
        )
    assert not any(isinstance(fact, RightGained) for fact in core.look(1_000))


def test_one_other_voice_of_two_keeps_the_right() -> None:
    core = held(core_of(Quorum.VOTES))
    hear(core, BETA, 5_000, echo_ms=4_000)
    assert RightExtended(4_000 + LEASE, 5_000) in core.look(5_000)
    assert not any(isinstance(f, RightLost) for f in core.on_tick(OWN, 4_000 + LEASE - 1))
    lost = [f for f in core.on_tick(OWN, 4_000 + LEASE) if isinstance(f, RightLost)]
    assert [fact.stop_by_ms for fact in lost] == [4_000 + LEASE + 3_000]


def test_a_lapse_is_final_until_all_was_given_up() -> None:
    core = held(core_of(Quorum.VOTES))
    core.on_tick(OWN, 1_000 + LEASE)
    hear(core, BETA, 9_000, echo_ms=8_990)
    hear(core, GAMMA, 9_000, echo_ms=8_990)
    assert not any(isinstance(f, RightGained | RightExtended) for f in core.look(9_000))
    assert not core.is_overdue(1_000 + LEASE + 2_999)
    assert core.is_overdue(1_000 + LEASE + 3_000)
    core.on_given_up(10_000)
    assert not core.is_overdue(20_000)
    assert not core.beat(10_000).has_right


def test_what_had_kept_the_right_alive_counts_though_it_is_read_late() -> None:
    core = held(core_of(Quorum.VOTES))
    late_ms = 1_000 + LEASE + 50
    hear(core, BETA, late_ms, echo_ms=2_000)  # lay in the socket; its stamp is from before the end
    assert RightExtended(2_000 + LEASE, late_ms) in core.look(late_ms)


def test_a_node_is_dead_when_a_majority_with_us_has_voted_so_lately() -> None:
    core = held(core_of(Quorum.VOTES))
    core.on_silent(BETA)
    assert not core.is_dead(BETA, 12_000)
    hear(core, GAMMA, 12_000, echo_ms=11_500, votes=(Vote(BETA, PEER),))
    assert core.is_dead(BETA, 12_000)
    assert not core.is_dead(BETA, 11_500 + LEASE), "the vote is as old as the lease it came with"


def test_a_vote_about_an_older_life_counts_nothing() -> None:
    core = held(core_of(Quorum.VOTES))
    hear(core, BETA, 1_500, generation=PEER + 1)
    core.on_silent(BETA)
    hear(core, GAMMA, 12_000, echo_ms=11_500, votes=(Vote(BETA, PEER),))
    assert not core.is_dead(BETA, 12_000)


def test_a_vote_taken_back_echoes_nothing_for_a_deadtime() -> None:
    core = held(core_of(Quorum.VOTES))
    core.on_silent(BETA)
    hear(core, BETA, 12_000)
    assert BETA not in [echo.node for echo in core.beat(21_999).echoes]
    assert BETA in [echo.node for echo in core.beat(22_000).echoes]


def test_a_newer_life_is_echoed_at_once() -> None:
    core = held(core_of(Quorum.VOTES))
    core.on_silent(BETA)
    hear(core, BETA, 12_000, generation=PEER + 1)
    assert BETA in [echo.node for echo in core.beat(12_000).echoes]


def test_a_node_that_another_hears_is_not_silent() -> None:
    core = held(core_of(Quorum.VOTES))
    beat = Beat(stamp_ms=5_000, dead_ms=10_000, echoes=(Echo(BETA, PEER, 4_900),))
    assert core.on_beat(GAMMA, PEER, OWN, beat, 5_000) == [BETA]
    assert core.on_beat(GAMMA, PEER, OWN, beat, 6_000) == [], "told before"


def test_the_witness_is_asked_in_need_and_its_grant_is_lease_and_vote() -> None:
    core = held(core_of(Quorum.WITNESS))
    assert not any(isinstance(e, AskWitness) for e in core.on_tick(OWN, 1_000 + LEASE // 2 - 1))
    (order,) = [e for e in core.on_tick(OWN, 1_000 + LEASE // 2) if isinstance(e, AskWitness)]
    ask = order.ask
    assert (ask.wants, ask.about, ask.lease_ms, ask.dead_ms) == (Want.LEASE, BETA, LEASE, 10_000)
    reply = WitnessReply(
        stamp_ms=ask.stamp_ms,
        nonce=ask.nonce,
        wants=ask.wants,
        is_granted=True,
        holder=ALPHA,
        reason=WitnessReason.GRANTED,
    )
    core.on_witness_reply(reply, ask.stamp_ms + 5)
    assert RightExtended(ask.stamp_ms + LEASE, 4_600) in core.look(4_600)
    assert not core.is_dead(BETA, 4_600)
    core.on_silent(BETA)
    assert core.is_dead(BETA, 4_600)


def test_a_witness_that_names_another_life_is_asked_again_at_once() -> None:
    core = held(core_of(Quorum.WITNESS))
    now_ms = 1_000 + LEASE // 2
    (order,) = [e for e in core.on_tick(OWN, now_ms) if isinstance(e, AskWitness)]
    assert order.ask.life == 0
    again = WitnessReply(
        stamp_ms=order.ask.stamp_ms,
        nonce=order.ask.nonce,
        wants=order.ask.wants,
        is_granted=False,
        holder=NodeName(""),
        reason=WitnessReason.AGAIN,
        life=55,
    )
    core.on_witness_reply(again, now_ms + 2)
    assert core.next_wakeup_ms() == now_ms + 2
    (order,) = [e for e in core.on_tick(OWN, now_ms + 2) if isinstance(e, AskWitness)]
    assert order.ask.life == 55
    said_again = replace(again, stamp_ms=order.ask.stamp_ms, nonce=order.ask.nonce)
    core.on_witness_reply(said_again, now_ms + 3)
    assert core.next_wakeup_ms() != now_ms + 3, "the same life: no hurry"


def test_a_witness_that_knows_a_newer_generation_of_ours_is_told_of() -> None:
    core = held(core_of(Quorum.WITNESS))
    now_ms = 1_000 + LEASE // 2
    (order,) = [e for e in core.on_tick(OWN, now_ms) if isinstance(e, AskWitness)]
    older = WitnessReply(
        stamp_ms=order.ask.stamp_ms,
        nonce=order.ask.nonce,
        wants=order.ask.wants,
        is_granted=False,
        holder=NodeName(""),
        reason=WitnessReason.OLDER,
    )
    core.on_witness_reply(older, now_ms + 2)
    (lost,) = [e for e in core.on_tick(OWN, 1_000 + LEASE) if isinstance(e, RightLost)]
    assert "hb_generation is an old copy here" in lost.reason


def test_whoever_left_in_order_need_not_agree() -> None:
    core = held(core_of(Quorum.WITNESS))
    core.on_left(BETA, PEER)
    assert RightExtended(None, 2_000) in core.look(2_000)
    assert not any(isinstance(fact, RightLost) for fact in core.on_tick(OWN, 10**6))
    hear(core, BETA, 10**6, generation=PEER + 1)  # back: it counts again, from now on
    assert RightExtended(10**6 + LEASE, 10**6) in core.look(10**6)


def test_who_left_holds_nothing_before_it_was_echoed_even_if_the_witness_agrees() -> None:
    core = core_of(Quorum.WITNESS, promised=(BETA,))
    core.on_silent(BETA)
    assert not core.may_vote(BETA)
    assert not core.is_dead(BETA, 20_000)
    assert not any(isinstance(e, AskWitness) for e in core.on_tick(OWN, 20_000))
    hear(core, BETA, 21_000, echo_ms=20_500)
    assert core.promised == ()
    assert any(isinstance(fact, RightGained) for fact in core.look(21_000))


def test_a_person_may_say_that_whom_we_wait_for_is_off() -> None:
    core = core_of(Quorum.PING, promised=(BETA,))
    core.on_confirmed_off(BETA)
    assert core.is_dead(BETA, 1_000)


def test_a_ping_node_found_again_proves_nothing_of_the_silence_before() -> None:
    core = held(core_of(Quorum.PING))
    core.on_silent(BETA)
    core.on_ping_echo("router", 30_000, 30_010)
    assert not core.is_dead(BETA, 30_010)
    for now_ms in range(31_000, 41_000, 1_000):
        core.on_ping_echo("router", now_ms, now_ms)
    assert core.is_dead(BETA, 40_020)


def unproved() -> QuorumCore:
    ping = (Medium(kind=MediumKind.PING, link=LinkName("router"), hosts=("192.0.2.1",)),)
    config = HaConfig(
        node=ALPHA, nodes=(ALPHA, BETA), timing=TIMING, quorum=Quorum.PING, media=ping
    )
    core = QuorumCore(config, Random(1), is_ping_proved=False)  # noqa: S311 - not for secrets
    core.on_start(0)
    return core


def test_ping_nodes_that_one_node_has_not_reached_do_not_decide() -> None:
    core = unproved()
    hear(core, BETA, 1_000, echo_ms=1_000)
    [gained] = [fact for fact in core.look(1_000) if isinstance(fact, RightGained)]
    assert (gained.until_ms, core.is_deciding) == (None, False)
    core.on_ping_echo("router", 1_000, 1_010)
    core.look(1_010)
    assert not core.is_deciding, "beta has not said that it reaches them"
    core.on_silent(BETA)
    assert core.is_dead(BETA, 20_000), "as with Heartbeat"


def test_ping_nodes_that_both_have_reached_decide() -> None:
    core = unproved()
    beat = Beat(stamp_ms=900, dead_ms=10_000, echoes=(Echo(ALPHA, OWN, 900),), has_ping=True)
    core.on_beat(BETA, PEER, OWN, beat, 1_000)
    core.on_ping_echo("router", 1_000, 1_010)
    facts = core.look(1_010)
    assert core.is_deciding
    assert core.beat(1_010).has_ping
    assert [fact.until_ms for fact in facts if isinstance(fact, RightGained)] != [None]
    core.on_silent(BETA)
    assert not core.is_dead(BETA, 20_000)


def test_a_heartbeat_partner_need_not_say_that_it_reaches_the_ping_nodes() -> None:
    core = unproved()
    core.on_plain_status(BETA, PEER, 1_000)
    core.on_ping_echo("router", 1_000, 1_010)
    core.look(1_010)
    assert core.is_deciding


def test_a_new_link_process_has_a_lease_from_its_start_to_learn_of_its_right() -> None:
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA, GAMMA), timing=TIMING, quorum=Quorum.VOTES)
    core = QuorumCore(config, Random(1), is_continuing=True)  # noqa: S311 - not for secrets
    began_ms = 1_000_000  # the machine has run for a while
    assert not [e for e in core.look(began_ms) if isinstance(e, RightLost)], "before its start"
    core.on_start(began_ms)
    assert not [e for e in core.look(began_ms + LEASE - 1) if isinstance(e, RightLost)]
    assert [e for e in core.look(began_ms + LEASE) if isinstance(e, RightLost)]


def test_a_new_link_process_goes_on_no_longer_than_its_forerunner_might_have() -> None:
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA, GAMMA), timing=TIMING, quorum=Quorum.VOTES)
    began_ms = 1_000_000
    for until_ms in (began_ms + 500, began_ms - 2_000):
        core = QuorumCore(config, Random(1), is_continuing=True, until_ms=until_ms)  # noqa: S311 - not for secrets
        core.on_start(began_ms)
        due_ms = core.next_wakeup_ms()
        assert due_ms == until_ms
        effects = core.on_tick(OWN, max(due_ms, began_ms))
        [lost] = [e for e in effects if isinstance(e, RightLost)]
        assert lost.stop_by_ms == until_ms + TIMING.stoptime_ms


def test_who_has_said_farewell_gains_nothing_before_a_new_life_that_keeps_its_promise() -> None:
    core = held(core_of(Quorum.PING))
    assert core.on_leaving([]) == (BETA,)
    hear(core, BETA, 2_000, echo_ms=1_990)
    core.on_ping_echo("router", 2_000, 2_010)
    assert not [e for e in core.look(2_010) if isinstance(e, RightGained | RightExtended)]
    core.on_given_up(3_000)
    assert core.promised == (BETA,)
    assert not core.is_leaving


def test_a_promise_that_could_not_be_written_binds_nobody() -> None:
    core = held(core_of(Quorum.PING))
    core.on_leaving([])
    core.on_promise_broken()
    core.on_given_up(3_000)
    assert core.promised == ()


def test_two_of_three_do_not_outvote_a_node_that_may_go_on_without_asking_the_third() -> None:
    """Beta left, gamma went on. A vote of alpha counts at beta as long as the lease it came with.

    Meanwhile gamma may have begun a new life with alpha's echo alone: to gamma beta has left. If
    beta took alpha's word, beta and gamma would both take gamma's groups.
    """
    # Seen by gamma, which `core_of` calls alpha; beta is beta, and the third one votes.
    gamma = held(core_of(Quorum.VOTES))
    gamma.on_left(BETA, PEER)
    gamma.on_tick(OWN, 1_000 + LEASE)
    assert gamma.is_overdue(10**6), "a majority of the two that remain is both"
    gamma.on_given_up(20_000)
    echo = Beat(stamp_ms=20_010, dead_ms=10_000, echoes=(Echo(ALPHA, OWN + 1, 20_005),))
    gamma.on_beat(GAMMA, PEER, OWN + 1, echo, 20_010)
    assert [e for e in gamma.look(20_010) if isinstance(e, RightGained)], "and beta was not asked"

    # Seen by beta that is back: the vote said just before, about gamma's former life.
    def beta(promised: tuple[NodeName, ...]) -> QuorumCore:
        core = core_of(Quorum.VOTES, promised=promised)
        if core.may_vote(BETA):
            core.on_silent(BETA)
        hear(core, GAMMA, 20_000, echo_ms=20_000, votes=(Vote(BETA, PEER),))
        return core

    crashed, left = beta(()), beta((BETA,))
    until_ms = 20_000 + LEASE - 1
    assert crashed.is_dead(BETA, until_ms), "who never left is asked by gamma's new life"
    assert not left.is_dead(BETA, 20_001)
    assert not [e for e in left.look(20_001) if isinstance(e, RightGained)]
    assert left.promised == (BETA,)
    left.on_confirmed_off(BETA)
    assert [e for e in left.look(20_002) if isinstance(e, RightGained)]
