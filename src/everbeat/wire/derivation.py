"""Keys derived from a secret, one for each purpose (HKDF with SHA-256, RFC 5869)."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Final

_SALT: Final = b"everbeat"
_BLOCK_BYTES: Final = 32


@lru_cache(maxsize=64)
def derived(secret: bytes, purpose: bytes, size: int) -> bytes:
    """Return `size` bytes that tell nothing of the secret nor of any other purpose's bytes."""
    pseudorandom = hmac.digest(_SALT, secret, "sha256")
    output = block = b""
    for count in range(1, -(-size // _BLOCK_BYTES) + 1):
        block = hmac.digest(pseudorandom, block + purpose + bytes([count]), "sha256")
        output += block
    return output[:size]
