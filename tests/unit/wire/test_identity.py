from __future__ import annotations

import pytest

from everbeat.wire.errors import WireError
from everbeat.wire.identity import (
    generation_from_bytes,
    generation_text,
    uuid_from_bytes,
    uuid_from_node_name,
    uuid_from_text,
    uuid_text,
)


def test_a_generation_is_right_aligned_in_sixteen_bytes() -> None:
    assert generation_text(1_795_357_993) == b"     1795357993\n"
    assert generation_from_bytes(b"     1795357993\n") == 1_795_357_993


@pytest.mark.parametrize("content", [b"", b"\n", b"    -1\n", b"abc\n", b"1 2\n", b"9" * 16])
def test_a_file_that_holds_no_generation_is_refused(content: bytes) -> None:
    with pytest.raises(WireError) as caught:
        generation_from_bytes(content)
    assert caught.value.reason == "bad-generation"


@pytest.mark.parametrize("content", [b"", bytes(16), b"x" * 15, b"x" * 17])
def test_a_file_that_holds_no_uuid_is_refused(content: bytes) -> None:
    with pytest.raises(WireError) as caught:
        uuid_from_bytes(content)
    assert caught.value.reason == "bad-uuid"


def test_a_uuid_is_written_in_five_groups() -> None:
    text = "cc301fda-9190-a843-de51-a987ec340ccc"
    assert uuid_text(uuid_from_node_name("alpha")) == text
    assert uuid_from_text(text.upper()) == uuid_from_node_name("alpha")


@pytest.mark.parametrize(
    "text", ["", "cc301fda", "{cc301fda-9190-a843-de51-a987ec340ccc}", "g" * 36]
)
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        uuid_from_text(text)
