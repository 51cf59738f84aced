"""The verdicts in the golden cases are Heartbeat 3.0.6's own: start it on each and look."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from config_cases import all_cases
from interop.config_lab import verdict_of

CASES_PER_RUN = 60  # of the comparable ones; all take four times as long


@pytest.mark.real
@pytest.mark.usefixtures("with_heartbeat")
def test_heartbeat_refuses_and_accepts_what_the_cases_say() -> None:
    comparable = [case for case in all_cases() if case.heartbeat]
    sample = random.Random(306).sample(comparable, CASES_PER_RUN)  # noqa: S311 - a fixed choice
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(verdict_of, sample))
    said = {case.name: verdict.word for case, verdict in zip(sample, verdicts, strict=True)}
    assert said == {case.name: case.heartbeat[0] for case in sample}
