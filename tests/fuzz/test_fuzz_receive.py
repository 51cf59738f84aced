"""A short run of the receive-path fuzzer."""

from __future__ import annotations

import pytest

from fuzz.fuzz_receive import fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_no_datagram_breaks_a_link_node(seed: int) -> None:
    outcomes = fuzz(2_500, seed)
    assert outcomes.total() == 2_500
    assert outcomes["taken 'status'"]
    assert outcomes["rejected bad-digest"]
