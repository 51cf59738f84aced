"""What a Heartbeat message says of itself."""

from __future__ import annotations

import pytest

from everbeat.model.message import message_of


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ({"hg": "4a", "seq": "1f"}, (0x4A, 0x1F)),
        ({"hg": "4a"}, (0x4A, 0)),
        ({"hg": "", "seq": "none"}, (0, 0)),
        ({}, (0, 0)),
    ],
)
def test_a_messages_order_is_its_generation_and_its_number(
    fields: dict[str, str], order: tuple[int, int]
) -> None:
    assert message_of(t="resource", **fields).order == order
