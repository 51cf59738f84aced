r"""A node's identity on disk and on the wire: uuid and generation.

    hb_uuid         16 raw bytes
    hb_generation   16 bytes: the number in decimal, right-aligned to 15, and a newline

`uuidfrom nodename` makes a uuid of the node's name alone: a hash of the name seeds the C
library's pseudo-random numbers, and 32 of them give a hex digit each. Not secret, not unique
beyond the name; reproduced so that a node keeps its identity when the product changes.

Source: measured on 3.0.6 with glibc.
"""

from __future__ import annotations

import re
from typing import Final

from everbeat.wire.errors import WireError

UUID_BYTES: Final = 16
GENERATION_BYTES: Final = 16

_GENERATION_MAX: Final = 10 ** (GENERATION_BYTES - 1) - 1
_UUID_TEXT: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)


def generation_text(generation: int) -> bytes:
    """Return the content of hb_generation."""
    assert 0 <= generation <= _GENERATION_MAX
    return b"%15d\n" % generation


def generation_from_bytes(content: bytes) -> int:
    """Return the number in hb_generation, below the last. Raises WireError bad-generation."""
    digits = content.strip()
    if not digits.isdigit() or len(digits) >= GENERATION_BYTES or int(digits) == _GENERATION_MAX:
        raise WireError("bad-generation", repr(content[:32]))
    return int(digits)


def uuid_text(uuid: bytes) -> str:
    """Return a uuid as people write it: 8-4-4-4-12 lower-case hex digits."""
    assert len(uuid) == UUID_BYTES
    digits = uuid.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def uuid_from_text(text: str) -> bytes:
    """Return the bytes of a uuid as people write it. Raises WireError bad-uuid."""
    if not _UUID_TEXT.fullmatch(text):
        raise WireError("bad-uuid", repr(text[:40]))
    return bytes.fromhex(text.replace("-", ""))


def uuid_from_bytes(content: bytes) -> bytes:
    """Return the uuid in hb_uuid. Raises WireError bad-uuid for any other length or all zeros."""
    if len(content) != UUID_BYTES or not any(content):
        raise WireError("bad-uuid", f"{len(content)} bytes")
    return content


def uuid_from_node_name(name: str) -> bytes:
    """Return the uuid that `uuidfrom nodename` gives this node."""
    seed = 0
    for byte in name.encode():
        character = byte - 256 if byte > 127 else byte  # C's char is signed
        seed = (seed * 31 + character) & 0xFFFFFFFF
    numbers = _glibc_random(seed, 2 * UUID_BYTES)
    return bytes.fromhex("".join(f"{number % 16:x}" for number in numbers))


def _glibc_random(seed: int, count: int) -> list[int]:
    """Return the first `count` results of rand() after srand(seed).

    31 words from the generator word * 16807 mod 2^31-1; then each word is the sum of those 3 and
    31 places before it. The first 310 sums are thrown away, the lowest bit of each is cut off.
    """
    signed_seed = seed - (1 << 32) if seed >= 1 << 31 else seed
    words = [signed_seed or 1]
    words.extend(_next_start_word(words[-1]) for _ in range(30))
    words += words[:3]
    for position in range(34, 344 + count):
        words.append((words[position - 3] + words[position - 31]) & 0xFFFFFFFF)
    return [word >> 1 for word in words[344:]]


def _next_start_word(word: int) -> int:
    # C divides towards zero, which matters for the one word that may be negative: the seed.
    quotient = abs(word) // 127_773 * (1 if word >= 0 else -1)
    following = 16_807 * (word - quotient * 127_773) - 2_836 * quotient
    return following + 2_147_483_647 if following < 0 else following
