"""A short run of the fuzzer, so that it stays able to run."""

from __future__ import annotations

from fuzz.fuzz_wire import codec_receiver, fuzz


def test_a_few_thousand_broken_datagrams_do_no_harm() -> None:
    outcomes = fuzz(codec_receiver(), inputs=5_000, seed=7)
    assert outcomes.total() == 5_000
    assert {
        "opened netstring",
        "opened string",
        "opened netstring compressed",
        "rejected bad-digest",
        "rejected malformed",
        "rejected no-auth",
        "rejected unknown-key",
    } <= outcomes.keys()


def test_the_same_seed_gives_the_same_outcomes() -> None:
    assert fuzz(codec_receiver(), 500, 3) == fuzz(codec_receiver(), 500, 3)
