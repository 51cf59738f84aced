r"""A token that lets one machine join, and the conversation it protects.

    token   eb1-BASE64URL of
            expiry (4 bytes, Unix s), port (2), address (4 or 16), secret (16), check (4)

    joiner ── EVBJ nonce (16) ──►  inviter          both nonces and the secret give two keys,
           ◄── EVBJ nonce (16) ──                   one for each direction (HKDF, RFC 5869)
           ── length (4) AES-SIV ──►  ◄── …         RFC 5297; number and direction authenticated

Whoever answers readably has the secret: both sides are proven, and nothing of an earlier
conversation can be said again, for each side's nonce is new. `check` tells a mistyped token from a
wrong one. Numbers are big-endian.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from everbeat.wire.derivation import derived

if TYPE_CHECKING:
    from everbeat.ports.cipher import Cipher

PREFIX: Final = "eb1-"
MAGIC: Final = b"EVBJ"
NONCE_BYTES: Final = 16
SECRET_BYTES: Final = 16
GREETING_BYTES: Final = len(MAGIC) + NONCE_BYTES
SEALED_BYTES_MAX: Final = 1024 * 1024
"""The longest thing either side may say, sealed."""

_CHECK_BYTES: Final = 4
_HEAD: Final = struct.Struct(">IH")
_KEY_BYTES: Final = 64
_PACKED_BYTES: Final = {
    _HEAD.size + size + SECRET_BYTES + _CHECK_BYTES: size for size in (4, 16)
}  # of the whole token: of its address


class InvitationError(Exception):
    """A token or what was said under it is not right; the text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Where the inviter waits, until when, and the secret."""

    address: IPv4Address | IPv6Address
    port: int
    expires_s: int
    secret: bytes = field(repr=False)


def token_text(token: Token) -> str:
    """Return a token as one word."""
    packed = _HEAD.pack(token.expires_s, token.port) + token.address.packed + token.secret
    return PREFIX + base64.urlsafe_b64encode(packed + _check(packed)).decode().rstrip("=")


def token_from_text(text: str) -> Token:
    """Return the token of a word. Raises InvitationError."""
    word = text.strip()
    if not word.startswith(PREFIX):
        raise InvitationError(f"a token begins with {PREFIX}; copy the whole of it")
    body = word.removeprefix(PREFIX)
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvitationError("the token is damaged: copy the whole of it") from error
    packed, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    size = _PACKED_BYTES.get(len(data))
    if size is None or _check(packed) != check:
        raise InvitationError("the token is damaged: copy the whole of it")
    expires_s, port = _HEAD.unpack_from(packed)
    address = packed[_HEAD.size : _HEAD.size + size]
    return Token(
        address=ip_address(address),
        port=port,
        expires_s=expires_s,
        secret=packed[_HEAD.size + size :],
    )


class Conversation:
    """One side of a conversation. `seal` what is said, `open` what is heard, each in order."""

    def __init__(
        self, secret: bytes, joiner: bytes, inviter: bytes, cipher: Cipher, *, is_inviter: bool
    ) -> None:
        purpose = b"join " + joiner + inviter
        keys = derived(secret, purpose, 2 * _KEY_BYTES)
        ours, theirs = keys[:_KEY_BYTES], keys[_KEY_BYTES:]
        self._ours, self._theirs = (theirs, ours) if is_inviter else (ours, theirs)
        self._cipher = cipher
        self._said = self._heard = 0

    def seal(self, text: bytes) -> bytes:
        """Return what to send: length and sealed text. Raises InvitationError."""
        data = self._cipher.encrypt(self._ours, _number(self._said), text)
        self._said += 1
        if len(data) > SEALED_BYTES_MAX:
            raise InvitationError(f"{len(data)} bytes are too long for a conversation")
        return len(data).to_bytes(4, "big") + data

    def open(self, data: bytes) -> bytes:
        """Return the text of what was received behind its length. Raises InvitationError."""
        text = self._cipher.decrypt(self._theirs, _number(self._heard), data)
        if text is None:
            raise InvitationError("the other side does not have this token")
        self._heard += 1
        return text


def greeting(nonce: bytes) -> bytes:
    """Return the first bytes of either side."""
    return MAGIC + nonce


def nonce_from_greeting(data: bytes) -> bytes:
    """Return the other side's nonce. Raises InvitationError."""
    if len(data) != GREETING_BYTES or not data.startswith(MAGIC):
        raise InvitationError("what answers there is no everbeat that waits for a node")
    return data[len(MAGIC) :]


def _number(count: int) -> bytes:
    return MAGIC + count.to_bytes(4, "big")


def _check(packed: bytes) -> bytes:
    return hashlib.sha256(b"everbeat token " + packed).digest()[:_CHECK_BYTES]
