from __future__ import annotations

from dataclasses import replace

from everbeat.membership.witness import (
    NODES_MAX,
    Answer,
    KeepGrants,
    KeptGrant,
    SideRefused,
    SideTaken,
    Witness,
    WitnessEffect,
)
from everbeat.model.names import NodeName
from everbeat.model.quorum import Want, WitnessAsk, WitnessReason, WitnessReply

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
D_MS = 10_000
LATER_MS = 50_000  # the witness has been up for long
LIFE = 77


def ask_of(node: NodeName, about: NodeName, stamp_ms: int, wants: Want = Want.LEASE) -> WitnessAsk:
    return WitnessAsk(
        node=node,
        generation=7,
        stamp_ms=stamp_ms,
        nonce=stamp_ms,
        about=about,
        wants=wants,
        lease_ms=6_000,
        dead_ms=D_MS,
        life=LIFE,
    )


def reply_in(effects: list[WitnessEffect]) -> WitnessReply:
    [reply] = [effect.reply for effect in effects if isinstance(effect, Answer)]
    return reply


def test_who_asks_first_has_the_witness_and_the_other_waits_for_a_deadtime() -> None:
    witness = Witness({}, 0, LIFE)
    effects = witness.on_ask("shop", ask_of(ALPHA, BETA, 1), LATER_MS)
    kept = KeptGrant(node=ALPHA, dead_ms=D_MS, about=(BETA,))
    assert effects[0] == KeepGrants("shop", (kept,)), "on disk before it is answered"
    assert isinstance(effects[1], SideTaken)
    assert reply_in(effects).is_granted
    reply = reply_in(witness.on_ask("shop", ask_of(BETA, ALPHA, 1), LATER_MS + 4_000))
    assert (reply.reason, reply.holder, reply.retry_after_ms) == (WitnessReason.HELD, ALPHA, 6_000)
    late = ask_of(BETA, ALPHA, 2, Want.VOTE)
    assert reply_in(witness.on_ask("shop", late, LATER_MS + D_MS)).is_granted


def test_asking_again_makes_a_grant_count_for_longer_and_writes_nothing() -> None:
    witness = Witness({}, 0, LIFE)
    witness.on_ask("shop", ask_of(ALPHA, BETA, 1), LATER_MS)
    effects = witness.on_ask("shop", ask_of(ALPHA, BETA, 2), LATER_MS + 5_000)
    assert [type(effect) for effect in effects] == [Answer]
    refused = reply_in(witness.on_ask("shop", ask_of(BETA, ALPHA, 1), LATER_MS + D_MS))
    assert refused.retry_after_ms == 5_000


def test_a_new_witness_waits_for_a_deadtime_but_for_whom_it_had_granted() -> None:
    fresh = Witness({}, 1_000, LIFE)
    reply = reply_in(fresh.on_ask("shop", ask_of(ALPHA, BETA, 1), 4_000))
    assert (reply.reason, reply.retry_after_ms) == (WitnessReason.STARTING, 7_000)
    assert reply_in(fresh.on_ask("shop", ask_of(ALPHA, BETA, 2), 11_000)).is_granted

    kept = {"shop": (KeptGrant(node=ALPHA, dead_ms=D_MS, about=(BETA,)),)}
    again = Witness(kept, 1_000, LIFE)
    reply = reply_in(again.on_ask("shop", ask_of(BETA, ALPHA, 1), 2_000))
    assert (reply.reason, reply.holder) == (WitnessReason.HELD, ALPHA)
    assert reply_in(again.on_ask("shop", ask_of(ALPHA, BETA, 1), 2_000)).is_granted


def test_overtaken_doubled_and_replayed_questions_get_no_answer_and_do_nothing() -> None:
    witness = Witness({}, 0, LIFE)
    newest = ask_of(ALPHA, BETA, 5)
    witness.on_ask("shop", newest, LATER_MS)
    for old in (newest, ask_of(ALPHA, BETA, 4)):
        assert witness.on_ask("shop", old, LATER_MS + 9_000) == []
    older = replace(newest, generation=6, stamp_ms=99)
    [told] = witness.on_ask("shop", older, LATER_MS + 9_000)
    assert (reply_in([told]).is_granted, reply_in([told]).reason) == (False, WitnessReason.OLDER)
    assert reply_in(witness.on_ask("shop", ask_of(BETA, ALPHA, 1), LATER_MS + D_MS)).is_granted
    rebooted = replace(ask_of(ALPHA, BETA, 1), generation=8)
    assert not reply_in(witness.on_ask("shop", rebooted, LATER_MS + D_MS)).is_granted
    [cluster] = witness.view()
    assert [(n.node, n.dropped_count) for n in cluster.nodes] == [(ALPHA, 3), (BETA, 0)]


def test_a_lease_as_long_as_the_deadtime_is_refused_as_unsafe() -> None:
    ask = replace(ask_of(ALPHA, BETA, 1), lease_ms=D_MS)
    reply = reply_in(Witness({}, 0, LIFE).on_ask("shop", ask, LATER_MS))
    assert (reply.is_granted, reply.reason) == (False, WitnessReason.UNSAFE)


def test_to_ask_whether_it_is_there_changes_nothing() -> None:
    witness = Witness({}, 0, LIFE)
    effects = witness.on_ask("shop", ask_of(ALPHA, BETA, 1, Want.PRESENCE), LATER_MS)
    reply = reply_in(effects)
    assert (reply.is_granted, reply.reason, len(effects)) == (False, WitnessReason.PRESENT, 1)
    assert reply_in(witness.on_ask("shop", ask_of(BETA, ALPHA, 1), LATER_MS)).is_granted


def test_clusters_know_nothing_of_each_other() -> None:
    witness = Witness({}, 0, LIFE)
    witness.on_ask("shop", ask_of(ALPHA, BETA, 1), LATER_MS)
    assert reply_in(witness.on_ask("mail", ask_of(BETA, ALPHA, 1), LATER_MS)).is_granted


def test_who_was_declared_dead_for_another_gets_nothing_about_a_third() -> None:
    witness = Witness({}, 0, LIFE)
    witness.on_ask("shop", ask_of(ALPHA, BETA, 1, Want.VOTE), LATER_MS)
    assert not reply_in(witness.on_ask("shop", ask_of(BETA, GAMMA, 1), LATER_MS)).is_granted


def test_a_refusal_is_told_once_until_it_is_another_trouble() -> None:
    witness = Witness({}, 0, LIFE)
    witness.on_ask("shop", ask_of(ALPHA, BETA, 1), LATER_MS)
    told = [
        any(
            isinstance(effect, SideRefused)
            for effect in witness.on_ask("shop", ask_of(BETA, ALPHA, stamp_ms), LATER_MS + stamp_ms)
        )
        for stamp_ms in (1, 2, 3)
    ]
    assert told == [True, False, False]


def test_more_nodes_than_a_witness_remembers_are_refused_while_all_others_count() -> None:
    witness = Witness({}, 0, LIFE)
    for number in range(NODES_MAX):
        node, peer = NodeName(f"a{number}"), NodeName(f"b{number}")
        assert reply_in(witness.on_ask("shop", ask_of(node, peer, 1), LATER_MS)).is_granted
    assert not reply_in(witness.on_ask("shop", ask_of(ALPHA, BETA, 1), LATER_MS)).is_granted
    after_ms = LATER_MS + D_MS
    assert reply_in(witness.on_ask("shop", ask_of(ALPHA, BETA, 2), after_ms)).is_granted


def test_a_question_of_a_former_life_of_the_witness_changes_nothing() -> None:
    recorded = ask_of(ALPHA, BETA, 9_000)
    witness = Witness({}, 0, LIFE + 1)
    for _ in range(3):
        [answer] = witness.on_ask("shop", recorded, LATER_MS)
        assert isinstance(answer, Answer)
        reply = answer.reply
        assert (reply.reason, reply.life) == (WitnessReason.AGAIN, LIFE + 1)
        assert not reply.is_granted
    assert witness.view() == ()
    asked_again = replace(ask_of(BETA, ALPHA, 1), life=reply.life)
    assert reply_in(witness.on_ask("shop", asked_again, LATER_MS)).is_granted
