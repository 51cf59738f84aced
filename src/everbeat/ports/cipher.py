"""Encryption as the wire needs it; real in `adapters.cipher`, which loads its library on demand."""

from __future__ import annotations

from typing import Protocol


class Cipher(Protocol):
    """Deterministic authenticated encryption, AES-SIV with a 64-byte key (RFC 5297)."""

    def encrypt(self, key: bytes, header: bytes, text: bytes) -> bytes:
        """Return 16 bytes of SIV and the encrypted text; `header` is authenticated with it."""
        ...

    def decrypt(self, key: bytes, header: bytes, data: bytes) -> bytes | None:
        """Return the text, or None if header or data are not what was encrypted."""
        ...
