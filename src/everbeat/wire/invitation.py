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

from everbeat.model.names import is_interface_name, is_node_name, node_name_from_text
from everbeat.wire.derivation import derived

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from everbeat.model.names import NodeName
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Joiner:
    """What a machine says of itself that wants to join."""

    name: NodeName
    address: IPv4Address | IPv6Address
    interface: str


def joiner_from_json(value: Mapping[str, object]) -> Joiner:
    """Return who wants to join. Raises InvitationError; what is no name is not repeated raw.

    All of it comes from a machine that has a token and nothing else; the name and the address
    go into ha.cf of every node.
    """
    name, address, interface = (_text(value, key) for key in ("name", "address", "interface"))
    if not is_node_name(node_name_from_text(name)):
        raise InvitationError(f"{name[:60]!a} is no name a node can have")
    if not is_interface_name(interface):
        raise InvitationError(f"{interface[:60]!a} is no name of a network interface")
    try:
        parsed = ip_address(address)
    except ValueError as error:
        raise InvitationError(f"{address[:60]!a} is no address") from error
    scope = parsed.scope_id if isinstance(parsed, IPv6Address) else None
    if scope is not None and not is_interface_name(scope):
        raise InvitationError(f"{address[:60]!a} is no address")
    return Joiner(name=node_name_from_text(name), address=parsed, interface=interface)


def _text(value: Mapping[str, object], key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""


def files_from_json(value: object, names: Collection[str]) -> dict[str, bytes]:
    """Return the files that an inviter sends, each of `names`. Raises InvitationError."""
    files: dict[str, bytes] = {}
    if isinstance(value, dict):
        for name, content in value.items():
            if not isinstance(content, str) or any(ord(char) > 255 for char in content):
                raise InvitationError("the cluster has sent something that is no file")
            files[str(name)] = content.encode("latin-1")
    if set(files) != set(names):
        raise InvitationError(
            "the cluster has not sent its files; is it another version of everbeat?"
        )
    return files


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
