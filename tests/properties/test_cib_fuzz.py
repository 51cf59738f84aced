"""Broken CIBs: every command ends with a report or an answer, never with a traceback or a hang."""

from __future__ import annotations

import io
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.commands.check import check_cib_file
from everbeat.commands.crm_simulate import crm_simulate
from everbeat.commands.decision import Question, Streams
from everbeat.commands.simulate import simulate
from everbeat.commands.why import why
from properties.cib_mutations import mutated
from properties.generated_cibs import cibs
from scheduler.case_files import CASES

if TYPE_CHECKING:
    from collections.abc import Generator

NOW = 1_700_000_000
BYTES_MAX = 30_000  # larger cases take longer than they teach
SECONDS_MAX = 30
FILES = sorted(p for p in Path(CASES / "xml").glob("*.xml") if p.stat().st_size < BYTES_MAX)
SHORT = settings(max_examples=30, derandomize=True)


@pytest.fixture(autouse=True)
def no_hang() -> Generator[None]:
    """A hang ends the test with an alarm, not the whole run."""
    signal.alarm(SECONDS_MAX * SHORT.max_examples)
    yield
    signal.alarm(0)


def outcomes(text: bytes) -> dict[str, int]:
    """Ask every command about a document; return the exit statuses."""

    def streams() -> Streams:
        return Streams(out=io.StringIO(), err=io.StringIO(), stdin=io.BytesIO(text), now=NOW)

    question = Question(source="-")
    out, err = io.StringIO(), io.StringIO()
    return {
        "crm_simulate": crm_simulate(
            ["-x", "-", "-S", "-s"], out, err, stdin=io.BytesIO(text), now=NOW
        ),
        "simulate": simulate(question, streams(), shows_all=True, is_json=False),
        "simulate --json": simulate(question, streams(), shows_all=False, is_json=True),
        "why": why("r0", question, streams(), is_json=False),
        "check": check_cib_file(
            "-", as_json=False, color=False, stdin=io.BytesIO(text), out=io.StringIO()
        ),
    }


def hold(text: bytes) -> None:
    found = outcomes(text)
    assert found["crm_simulate"] in (0, 1, 70, 78)
    assert found["simulate"] in (0, 6)
    assert found["simulate"] == found["simulate --json"]
    assert found["why"] in (0, 2, 6)
    assert found["check"] in (0, 1, 6)
    if found["crm_simulate"] == 70:
        assert found["check"] == 6
    assert (found["crm_simulate"] in (0, 1)) == (found["simulate"] == 0)


@SHORT
@given(cibs(), st.integers(0, 2**32), st.integers(1, 4))
def test_a_broken_cluster_of_ours_gives_an_answer_or_a_report(
    text: str, seed: int, steps: int
) -> None:
    hold(mutated(text.encode(), random.Random(seed), steps))  # noqa: S311 - a seed, no secret


@pytest.mark.skipif(not FILES, reason=f"no regression cases at {CASES}")
@SHORT
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_broken_regression_case_gives_an_answer_or_a_report(seed: int, steps: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed, no secret
    hold(mutated(chance.choice(FILES).read_bytes(), chance, steps))


@SHORT
@given(st.binary(max_size=300))
def test_any_bytes_at_all_give_a_report(data: bytes) -> None:
    assert outcomes(data)["crm_simulate"] == 70
