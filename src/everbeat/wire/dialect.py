r"""everbeat's own datagrams: every one, of any type, sealed, counted and perhaps encrypted.

     0      4     5      6          22           30        38
     | EVB1 | key | kind | uuid     | generation | counter | body …

     kind 1   text, then HMAC-SHA256 of header and text (32 bytes; RFC 2104)
     kind 2   AES-SIV of the text, the header authenticated with it (RFC 5297)

uuid, generation, counter: of the node that put the datagram on this wire. Numbers are big-endian.
Keys are derived from the secret of authkeys, one for each kind (HKDF-Expand, RFC 5869), so that no
secret is used for two things. AES-SIV needs no nonce: nothing is lost if a counter came twice.
The text is the message in netstring form. A serial line carries all this in base64, as the
one field `eb_sealed` of a message in string form.

Nothing is decoded before its seal is good.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.message import message_of
from everbeat.wire import string_form
from everbeat.wire.datagram import Rejected
from everbeat.wire.derivation import derived
from everbeat.wire.errors import WireError
from everbeat.wire.limits import DATAGRAM_BYTES_MAX

if TYPE_CHECKING:
    from everbeat.model.keys import AuthKey, AuthKeys
    from everbeat.ports.cipher import Cipher

VERSION: Final = 1
MAGIC: Final = b"EVB1"
DIALECT_FIELD: Final = "eb_dialect"
"""In a status message: the dialect its sender understands. 3.0.6 ignores the field."""

SIGNED: Final = 1
ENCRYPTED: Final = 2
_HEADER: Final = struct.Struct(">4sBB16sQQ")
_TAG_BYTES: Final = 32
_KEY_BYTES: Final = {SIGNED: 32, ENCRYPTED: 64}
_SERIAL_FIELD: Final = "eb_sealed"
_SERIAL_START: Final = string_form.BEGIN + _SERIAL_FIELD.encode() + b"="
_KINDS: Final = {"md5": SIGNED, "sha1": SIGNED, "sha256": SIGNED, "aes-siv": ENCRYPTED}
OWN_METHODS: Final = frozenset({"sha256", "aes-siv"})
"""Methods of authkeys that only this dialect knows. With md5 and sha1 it signs by SHA-256, too."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who put a datagram on the wire. `counter` grows by one with each, within a generation."""

    uuid: bytes  # 16 bytes
    generation: int
    counter: int


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A verified text."""

    text: bytes
    key_number: int
    origin: Origin


def can_seal(key: AuthKey | None) -> bool:
    """Whether this key has a secret for our dialect: all but crc."""
    return key is not None and key.method in _KINDS


def seal_own(text: bytes, origin: Origin, key: AuthKey, cipher: Cipher | None) -> bytes:
    """Return the datagram of a text. Raises WireError: unknown-key, too-large."""
    kind = _KINDS.get(key.method)
    if kind is None:
        raise WireError("unknown-key", str(key.number))
    header = _HEADER.pack(MAGIC, key.number, kind, origin.uuid, origin.generation, origin.counter)
    derived = derived_key(key.secret, kind)
    if kind == SIGNED:
        data = header + text + hmac.digest(derived, header + text, "sha256")
    elif cipher is None:
        raise WireError("unknown-key", "no cipher")
    else:
        data = header + cipher.encrypt(derived, header, text)
    if len(data) > DATAGRAM_BYTES_MAX:
        raise WireError("too-large", f"{len(data)} bytes")
    return data


def open_own(data: bytes, keys: AuthKeys, cipher: Cipher | None) -> Unsealed | Rejected:
    """Verify, and decrypt, a datagram that begins with MAGIC."""
    if len(data) > DATAGRAM_BYTES_MAX:
        return Rejected("too-large")
    if len(data) < _HEADER.size:
        return Rejected("malformed")
    header, body = data[: _HEADER.size], data[_HEADER.size :]
    magic, number, kind, uuid, generation, counter = _HEADER.unpack(header)
    key = keys.key(number)
    if magic != MAGIC:
        return Rejected("malformed")
    if key is None or _KINDS.get(key.method) != kind:
        return Rejected("unknown-key")
    text = _open_body(header, body, derived_key(key.secret, kind), kind, cipher)
    if text is None:
        return Rejected("bad-digest")
    return Unsealed(text, number, Origin(uuid, generation, counter))


def to_serial(datagram: bytes) -> bytes:
    """Return what a serial line carries for a sealed datagram."""
    text = base64.b64encode(datagram).decode()
    return string_form.encode_string(message_of(**{_SERIAL_FIELD: text}))


def from_serial(data: bytes) -> bytes | None:
    """Return the sealed datagram a serial message carries, or None if it carries none."""
    end = data.removesuffix(b"\0")
    if not end.startswith(_SERIAL_START) or not end.endswith(b"\n" + string_form.END):
        return None
    try:
        return base64.b64decode(end[len(_SERIAL_START) : -len(string_form.END) - 1], validate=True)
    except binascii.Error:
        return None


def derived_key(secret: bytes, kind: int) -> bytes:
    """Return the key of a kind."""
    return derived(secret, b"datagram %d" % kind, _KEY_BYTES[kind])


def _open_body(
    header: bytes, body: bytes, key: bytes, kind: int, cipher: Cipher | None
) -> bytes | None:
    if kind == ENCRYPTED:
        return None if cipher is None else cipher.decrypt(key, header, body)
    text, tag = body[:-_TAG_BYTES], body[-_TAG_BYTES:]
    good = hmac.digest(key, header + text, "sha256")
    return text if hmac.compare_digest(good, tag) else None
