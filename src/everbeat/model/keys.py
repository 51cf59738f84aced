"""The keys of authkeys: those that are accepted, and the one that signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

AUTH_KEYS_MAX: Final = 16
METHODS: Final = ("aes-siv", "sha256", "sha1", "md5", "crc")


@dataclass(frozen=True, slots=True)
class AuthKey:
    """One key of authkeys. `method`: crc, md5, sha1, sha256 or aes-siv; the last two are our own.

    The secret is raw bytes (crc: empty).
    """

    number: int
    method: str
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class AuthKeys:
    """The keys we accept and the one we sign with (`auth N`)."""

    signing: int
    keys: tuple[AuthKey, ...]

    def key(self, number: int) -> AuthKey | None:
        """Return the key of this number, or None."""
        return next((key for key in self.keys if key.number == number), None)
