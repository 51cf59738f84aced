"""Which life of a node is believed, who is answered, and what is doubted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.membership.identity import KnownLife
from everbeat.membership.lives import (
    ANSWERS_MAX,
    ANSWERS_MS,
    DOUBT_MS,
    FIRST_JUMP_MAX,
    JUMP_MAX,
    NEWCOMER_MS,
    NEWCOMERS_MAX,
    PATIENCE_MS,
    REMEMBERED_MAX,
    Greeting,
    Judged,
    LifeStatus,
    Lives,
    Named,
    greeting_from_message,
)
from everbeat.model.members import Doubt, LifeDoubt
from everbeat.model.message import message_of
from everbeat.model.names import NodeName

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
OURS, FORMER = "a" * 32, "f" * 32
THEIRS, NEXT = "b" * 32, "c" * 32
FRESH_MS = 5_000
TIME_S = 1_800_000_000
PRESENT, UNPROVED, OLDER, ABSURD = (
    *(LifeStatus.PRESENT, LifeStatus.UNPROVED),
    *(LifeStatus.OLDER, LifeStatus.ABSURD),
)


def lives(*known: KnownLife) -> Lives:
    return Lives(ALPHA, OURS, FRESH_MS, known)


def greeting(
    life: str = THEIRS, names: str | None = OURS, stamp_ms: int = 0, said_ms: int = 9
) -> Greeting:
    """Return what beta says then; `names`: our life as it knows it, heard at `stamp_ms`."""
    return Greeting(life, said_ms, (Named(ALPHA, 100, names, stamp_ms),) if names else ())


def judge(
    one: Lives,
    generation: int,
    number: int,
    said: Greeting | None,
    now_ms: int = 0,
    *,
    is_everbeat: bool = True,
) -> Judged:
    return one.on_status(
        BETA, (generation, number), said, now_ms, reference=TIME_S, is_everbeat=is_everbeat
    )


def heartbeats(one: Lives, generation: int, number: int = 1) -> LifeStatus:
    return judge(one, generation, number, None, is_everbeat=False).verdict


def doubts(one: Lives, now_ms: int = 0) -> list[LifeDoubt | None]:
    return [doubt for _, doubt in one.new_doubts(now_ms)]


# -- who is believed ---------------------------------------------------------------------------


def test_who_has_not_named_this_life_is_named_and_not_believed() -> None:
    one = lives()
    for names in (None, FORMER):
        assert judge(one, 7, 1, greeting(names=names)).verdict is UNPROVED
    assert not one.is_present(BETA, 7)
    assert one.answer_due_ms() == 0
    assert one.fields(0) == {"eb_life": OURS, "eb_stamp": "0", "eb_knows": f"beta:0:{THEIRS}:9"}
    assert one.answer_due_ms() is None


def test_who_names_it_is_believed_and_answered_once() -> None:
    one = lives()
    judged = judge(one, 7, 4, greeting())
    assert (judged.verdict, judged.is_answer) == (PRESENT, True)
    assert one.take_news() == (KnownLife(BETA, 7, 7),)
    assert one.is_present(BETA, 7)
    assert not one.is_present(BETA, 6)
    assert one.answer_due_ms() is not None
    assert one.fields(0)["eb_knows"] == f"beta:7:{THEIRS}:9"
    assert judge(one, 7, 5, greeting()).verdict is PRESENT
    assert one.take_news() is None
    assert one.answer_due_ms() is None


def test_the_next_link_process_of_a_generation_is_believed_and_answered() -> None:
    one = lives()
    judge(one, 7, 4, greeting())
    one.fields(0)
    assert judge(one, 7, 300, greeting(NEXT, FORMER)).verdict is PRESENT
    assert one.answer_due_ms() is not None
    assert one.fields(0)["eb_knows"] == f"beta:7:{NEXT}:9"
    judge(one, 7, 299, greeting(THEIRS))  # late: the newest stays named
    assert one.fields(0)["eb_knows"] == f"beta:7:{NEXT}:9"


def test_another_generation_must_name_us_again() -> None:
    one = lives()
    judge(one, 7, 4, greeting())
    assert judge(one, 8, 1, greeting(NEXT, None)).verdict is UNPROVED
    assert one.is_present(BETA, 7)
    assert one.fields(0)["eb_knows"] == f"beta:7:{THEIRS}:9 beta:7:{NEXT}:9"
    assert judge(one, 8, 2, greeting(NEXT)).verdict is PRESENT
    assert not one.is_present(BETA, 7)


def test_what_a_new_generation_said_before_its_proof_is_asked_for_again() -> None:
    one = lives(KnownLife(BETA, 7, 7))
    judge(one, 8, 2, greeting(names=None))
    judge(one, 8, 4, greeting(names=None))
    assert judge(one, 8, 6, greeting()).missing == (3, 5)


def test_of_a_generation_that_was_believed_before_nothing_is_asked_for_again() -> None:
    one = lives(KnownLife(BETA, 8, 8))
    judge(one, 8, 2, greeting(names=None))
    assert judge(one, 8, 6, greeting()).missing == ()


def test_an_older_generation_is_never_believed_and_both_sides_are_told() -> None:
    one = lives(KnownLife(BETA, 10, 10))
    assert judge(one, 6, 1, greeting()).verdict is OLDER
    assert doubts(one) == [LifeDoubt(kind=Doubt.OLDER, heard=6, known=10)]
    assert one.newest(BETA) == 10
    said = one.fields(0)["eb_knows"]
    assert said == f"beta:a:{THEIRS}:9"  # so that beta knows why
    beta = Lives(BETA, THEIRS, FRESH_MS)
    told = greeting_from_message(message_of(eb_life=OURS, eb_knows=said))
    assert told is not None
    beta.on_word_of_us(ALPHA, told, 6, 0)
    assert doubts(beta) == [LifeDoubt(kind=Doubt.REFUSES, heard=6, known=10)]
    beta.on_word_of_us(ALPHA, told, 11, 0)
    assert doubts(beta) == [None]


def test_an_older_generation_that_does_not_answer_may_be_a_recording() -> None:
    one = lives(KnownLife(BETA, 10, 10))
    assert judge(one, 6, 1, greeting(names=FORMER)).verdict is OLDER
    assert doubts(one) == [LifeDoubt(kind=Doubt.RECORDED, heard=6, known=10)]
    assert doubts(one, DOUBT_MS) == [None]


def test_an_older_generation_that_answered_us_long_ago_is_a_recording() -> None:
    one = lives()
    judge(one, 6, 1, greeting(stamp_ms=1))
    judge(one, 10, 1, greeting(NEXT, stamp_ms=60_000), 60_000)
    assert judge(one, 6, 2, greeting(stamp_ms=2), 60_000).verdict is OLDER
    assert doubts(one, 60_000) == [LifeDoubt(kind=Doubt.RECORDED, heard=6, known=10)]


@pytest.mark.parametrize("said", [greeting(), greeting(names=None), None])
def test_a_generation_from_nowhere_is_not_believed(said: Greeting | None) -> None:
    one = lives(KnownLife(BETA, 10, 10))
    for generation in (TIME_S + JUMP_MAX + 1, 1 << 40, (1 << 64) - 1):
        assert judge(one, generation, 1, said, is_everbeat=False).verdict is ABSURD
        assert doubts(one) == [LifeDoubt(kind=Doubt.ABSURD, heard=generation, known=10)]
    assert judge(one, 10, 2, greeting()).verdict is PRESENT


def test_of_an_unknown_node_more_is_believed_but_not_anything() -> None:
    assert judge(lives(), TIME_S + FIRST_JUMP_MAX, 1, greeting()).verdict is PRESENT
    assert judge(lives(), TIME_S + FIRST_JUMP_MAX + 1, 1, greeting()).verdict is ABSURD


def test_an_answer_that_was_held_back_is_no_sign_of_life_and_is_answered() -> None:
    one = lives()
    assert judge(one, 7, 1, greeting(stamp_ms=1_000, said_ms=50_000), 1_010).is_fresh
    one.fields(1_010)
    held_ms = 1_020 + FRESH_MS + 1  # it was said at 50,010, and so at 1,020 by our clock
    stale = judge(one, 7, 2, greeting(stamp_ms=1_000, said_ms=50_010), held_ms)
    assert (stale.verdict, stale.is_answer, stale.is_fresh) == (PRESENT, True, False)
    assert one.answer_due_ms() == 0, "so that it can answer what we say now"
    one.fields(held_ms)
    again = judge(one, 7, 3, greeting(stamp_ms=1_000, said_ms=51_010), held_ms + 1_000)
    assert not again.is_fresh, "played at its own pace it stays as old as it is"
    assert one.answer_due_ms() is None
    late_ms = held_ms + 2_000
    assert judge(one, 7, 4, greeting(stamp_ms=late_ms, said_ms=51_011), late_ms).is_fresh
    assert judge(one, 7, 5, greeting(stamp_ms=1_000, said_ms=52_011), late_ms + 1_000).is_fresh, (
        "its clock had stood still"
    )


def test_who_does_not_hear_us_any_more_still_lives() -> None:
    one = lives()
    judge(one, 7, 1, greeting(stamp_ms=1_000, said_ms=50_000), 1_010)
    for number in range(2, 100):
        said_ms, now_ms = 50_000 + 1_000 * number, 1_010 + 1_010 * number  # its clock is slower
        is_fresh = judge(one, 7, number, greeting(stamp_ms=1_000, said_ms=said_ms), now_ms).is_fresh
        assert is_fresh


def test_who_does_not_hear_us_lives_on_when_its_link_process_is_replaced() -> None:
    one = lives()
    judge(one, 7, 1, greeting(stamp_ms=1_000, said_ms=50_000), 1_010)
    for number in range(2, 30):
        said = Greeting(NEXT, 50_000 + 1_000 * number)
        assert judge(one, 7, 300 + number, said, 1_010 + 1_000 * number).is_fresh
    held_ms = 1_010 + 30_000 + FRESH_MS + 1
    assert not judge(one, 7, 400, Greeting(NEXT, 80_000), held_ms).is_fresh
    assert not judge(one, 8, 1, Greeting(NEXT, 100_000), 51_010).is_fresh, "another start"


def test_a_stamp_of_ours_from_the_future_proves_nothing() -> None:
    one = lives()
    assert not judge(one, 7, 5, greeting(stamp_ms=1_001), 1_000).is_fresh


def test_a_life_that_has_not_named_ours_gives_no_sign_of_life_by_a_clock_nobody_knows() -> None:
    one = lives()
    judge(one, 7, 1, greeting(), FRESH_MS + 1)  # no answer to anything young
    assert not judge(one, 7, 300, greeting(NEXT, None), FRESH_MS + 1).is_fresh


# -- Heartbeat ---------------------------------------------------------------------------------


def test_heartbeat_is_believed_in_its_newest_generation() -> None:
    one = lives(KnownLife(BETA, 10))
    assert heartbeats(one, 9) is OLDER
    assert heartbeats(one, 10) is PRESENT
    assert heartbeats(one, 11) is PRESENT
    assert heartbeats(one, 10) is OLDER
    assert one.known() == (KnownLife(BETA, 11),)


def test_where_everbeat_has_spoken_heartbeat_needs_a_newer_generation() -> None:
    one = lives(KnownLife(BETA, 10, 10))
    assert heartbeats(one, 10) is OLDER
    assert heartbeats(one, 11) is PRESENT


def test_an_unproved_word_does_not_lock_out_the_one_that_answers() -> None:
    one = lives()
    judge(one, 10, 1, greeting())
    assert heartbeats(one, 12) is PRESENT
    assert judge(one, 10, 2, greeting()).verdict is PRESENT
    assert one.is_present(BETA, 10)


def test_an_everbeat_that_says_nothing_of_lives_is_not_believed() -> None:
    assert judge(lives(), 7, 1, None, is_everbeat=True).verdict is UNPROVED


# -- bounds ------------------------------------------------------------------------------------


def test_recordings_of_many_lives_make_us_say_no_more_than_so_much() -> None:
    one, answers = lives(), 0
    for moment in range(ANSWERS_MS):
        judge(one, 7, moment + 1, greeting(f"{moment:032x}", None), moment)
        due_ms = one.answer_due_ms()
        if due_ms is not None and due_ms <= moment:
            one.fields(moment)
            answers += 1
    assert answers == ANSWERS_MAX
    assert one.answer_due_ms() == ANSWERS_MS  # then the next


def named_by(one: Lives, now_ms: int = 0) -> list[str]:
    return [word.split(":")[2] for word in one.fields(now_ms)["eb_knows"].split(" ")]


def test_recordings_of_older_lives_do_not_hide_the_one_that_starts() -> None:
    one = lives(KnownLife(BETA, 7, 7))
    judge(one, 8, 1, greeting(NEXT, None))
    for number in range(3 * NEWCOMERS_MAX):
        judge(one, 7, 500, greeting(f"{number:032x}", None))
        assert NEXT in named_by(one)
        assert len(named_by(one)) <= NEWCOMERS_MAX
    judge(one, 7, 500, greeting(THEIRS, None), NEWCOMER_MS)
    assert named_by(one, NEWCOMER_MS) == [THEIRS]


def test_recordings_of_newer_lives_do_not_hide_one_that_was_restored() -> None:
    one = lives(KnownLife(BETA, 5, 5))
    for number in range(NEWCOMERS_MAX - 1):
        judge(one, 9 + number, 500, greeting(f"{number:032x}", None))
    judge(one, 6, 1, greeting(NEXT, None))
    for number in range(NEWCOMERS_MAX - 1):
        judge(one, 9 + number, 501, greeting(f"{number:032x}", None))
    assert NEXT in named_by(one)


def test_both_nodes_restored_from_a_backup_meet_whatever_is_played_of_what_they_said_since() -> (
    None
):
    pair = {ALPHA: Lives(ALPHA, OURS, FRESH_MS), BETA: Lives(BETA, THEIRS, FRESH_MS)}
    verdicts = set[LifeStatus]()
    for number in range(3):
        for listener, speaker in ((ALPHA, BETA), (BETA, ALPHA)):
            for order, words in (
                ((105, 1_000), {"eb_life": NEXT, "eb_stamp": "1"}),
                ((101, number), pair[speaker].fields(number)),
            ):
                said = greeting_from_message(message_of(**words))
                judged = pair[listener].on_status(
                    speaker, order, said, number, reference=TIME_S, is_everbeat=True
                )
        verdicts.add(judged.verdict)
    assert verdicts == {PRESENT}


def test_who_never_answers_is_told_of_after_a_while() -> None:
    one = lives()
    judge(one, 7, 1, greeting(names=None), 0)
    assert doubts(one) == []
    judge(one, 7, 2, greeting(names=None), PATIENCE_MS)
    assert doubts(one, PATIENCE_MS) == [LifeDoubt(kind=Doubt.DEAF, heard=7, known=0)]
    judge(one, 7, 3, greeting(), PATIENCE_MS)
    assert doubts(one, PATIENCE_MS) == [None]


def test_strangers_are_forgotten_before_those_that_were_believed() -> None:
    one = lives()
    judge(one, 7, 1, greeting())
    for number in range(2 * REMEMBERED_MAX):
        name, said = NodeName(f"n{number}"), greeting(f"{number:032x}", None)
        one.on_status(name, (1, 1), said, 0, reference=TIME_S, is_everbeat=True)
    assert one.is_present(BETA, 7)
    assert len(one.fields(0)["eb_knows"].split(" ")) == REMEMBERED_MAX


# -- words -------------------------------------------------------------------------------------


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_breaks_the_reading(life: str, knows: str) -> None:
    said = greeting_from_message(message_of(eb_life=life, eb_knows=knows))
    assert said is None or said.life == life


def test_words_that_are_broken_are_passed_over() -> None:
    words = f"alpha:64:{OURS}:a x :1:{OURS}:1 beta:g:{OURS}:1 beta:1:{OURS[1:]}:1 a:b:2:{NEXT}:0"
    said = greeting_from_message(message_of(eb_life=THEIRS, eb_knows=words, eb_stamp="1f"))
    named = (Named(ALPHA, 100, OURS, 10), Named(NodeName("a:b"), 2, NEXT))
    assert said == Greeting(THEIRS, 31, named)


# -- what holds whatever is heard --------------------------------------------------------------

STATUSES = st.tuples(
    st.integers(0, 12),
    st.integers(1, 40),
    st.sampled_from([THEIRS, NEXT]),
    st.sampled_from([None, OURS, FORMER]),
    st.booleans(),
)


@given(st.lists(STATUSES, max_size=60))
def test_without_an_answer_no_generation_of_an_everbeat_is_present(
    said: list[tuple[int, int, str, str | None, bool]],
) -> None:
    one, answered = lives(KnownLife(BETA, 5, 5)), set[int]()
    for moment, (generation, number, life, names, is_plain) in enumerate(said):
        newest = one.newest(BETA) or 0
        spoken = None if is_plain else greeting(life, names)
        verdict = judge(one, generation, number, spoken, moment, is_everbeat=not is_plain).verdict
        if spoken is not None and names == OURS and verdict is PRESENT:
            answered.add(generation)
        if verdict is PRESENT and spoken is not None:
            assert generation in answered
        if verdict is PRESENT and spoken is None:
            assert generation >= newest
            assert generation not in answered
            assert generation > 5
