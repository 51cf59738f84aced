from __future__ import annotations

import doctest
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[3] / "docs" / "protocol"


@pytest.mark.parametrize(
    ("page", "examples"), [("wire.md", 30), ("dialect.md", 6), ("distribution.md", 4)]
)
def test_every_example_of_the_page_is_true(page: str, examples: int) -> None:
    results = doctest.testfile(str(PAGES / page), module_relative=False)
    assert results.attempted >= examples
    assert results.failed == 0
