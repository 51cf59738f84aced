"""The answer to a request."""

from __future__ import annotations

from everbeat.model.verdict import Verdict


def test_a_verdict_with_a_reason_is_a_refusal() -> None:
    assert not Verdict[str](reason="it is heard").is_accepted
    assert Verdict[str](effects=("begun",)).is_accepted


def test_what_the_effects_lead_to_leaves_the_answer_as_it_is() -> None:
    refused = Verdict(reason="it is paused", effects=(1,)).with_effects(["due", "anyhow"])
    assert refused == Verdict(reason="it is paused", effects=("due", "anyhow"))
    assert Verdict(effects=(1,), text="resumed").with_effects([]) == Verdict[int](text="resumed")
