r"""Sealed messages: a message as bytes with its digest, and back.

    seal:           message -> [compress] -> [inner auth] -> ###..%%% -> trailer LEN:N TOKEN,
    open_datagram:  bytes -> find the end -> verify -> decode -> [decompress] -> message

Enters: bytes from anyone. Leaves: Opened, or Rejected with a reason; never an exception, and
nothing is decoded or decompressed before the digest is good: what strangers can make us do is
find a marker and compute a digest.

3.0.6 sends netstring datagrams only; with `msgfmt classic` (default) the digest of the string
form travels inside as the last field, unless a struct is in the message. It accepts both forms,
told apart by the first bytes.

Source: measured on 3.0.6 (docs/protocol/wire.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from everbeat.model.message import Field, FieldType, Message
from everbeat.wire import netstring, string_form
from everbeat.wire.auth import key_number, token, verify
from everbeat.wire.chunk import encode_chunk, read_chunk
from everbeat.wire.errors import WireError
from everbeat.wire.limits import DATAGRAM_BYTES_MAX
from everbeat.wire.packing import (
    as_plain_structs,
    decode_plain,
    encode_plain,
    needs_netstring,
    packed,
    unpacked,
    with_packed_fields,
)

if TYPE_CHECKING:
    from everbeat.model.keys import AuthKeys

_AUTH_LINE: Final = b"\nauth="


class Form(StrEnum):
    """The two forms of a message."""

    STRING = "string"
    NETSTRING = "netstring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A verified message, its `auth` field removed. `is_compressed`: it came so as a whole."""

    message: Message
    key_number: int
    form: Form
    is_compressed: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """Dropped bytes: no-auth, bad-digest, unknown-key, malformed or too-large."""

    reason: str


def seal(
    message: Message,
    keys: AuthKeys,
    *,
    msgfmt: str = "classic",
    compression: str = "",
    threshold_kib: int = 2,
    is_traditional: bool = False,
) -> bytes:
    """Return the datagram 3.0.6 sends for this message. Raises WireError, too-large among them."""
    text = text_from_message(
        message,
        keys if msgfmt == "classic" else None,
        msgfmt=msgfmt,
        compression=compression,
        threshold_kib=threshold_kib,
        is_traditional=is_traditional,
    )
    datagram = text + encode_chunk(token(keys, keys.signing, text).encode())
    if len(datagram) > DATAGRAM_BYTES_MAX:
        raise WireError("too-large", f"{len(datagram)} bytes")
    return datagram


def text_from_message(
    message: Message,
    inner_keys: AuthKeys | None = None,
    *,
    msgfmt: str = "netstring",
    compression: str = "",
    threshold_kib: int = 2,
    is_traditional: bool = False,
) -> bytes:
    """Return the netstring form, compressed as configured; `inner_keys` sign inside it."""
    if compression and is_traditional:
        outer = as_plain_structs(message)
    elif compression:
        outer = with_packed_fields(message, compression, msgfmt)
    else:
        outer = message
    if inner_keys is not None and not needs_netstring(outer):
        outer = _with_inner_auth(outer, inner_keys)
    if compression and is_traditional and _is_above(outer, msgfmt, threshold_kib):
        outer = packed(outer, compression, msgfmt)
    return netstring.encode_netstring(outer)


def message_from_text(text: bytes) -> tuple[Message, bool]:
    """Return the message of a verified text, and whether all of it was compressed.

    Raises WireError.
    """
    outer = decode_plain(text)
    inner = unpacked(outer)
    return (outer if inner is None else inner).without("auth"), inner is not None


def seal_string(message: Message, keys: AuthKeys) -> bytes:
    """Return the string form with `auth` as its last line: what a serial line carries."""
    data = string_form.encode_string(_with_inner_auth(message, keys))
    if len(data) > DATAGRAM_BYTES_MAX:
        raise WireError("too-large", f"{len(data)} bytes")
    return data


def open_datagram(data: bytes, keys: AuthKeys) -> Opened | Rejected:
    """Verify and decode a datagram of either form."""
    if data.startswith(string_form.BEGIN):
        return open_string(data, keys)
    if len(data) > DATAGRAM_BYTES_MAX:
        return Rejected("too-large")
    # A trailer cannot hold the end marker: the last one in the data is the message's own.
    end = data.rfind(netstring.END) + len(netstring.END)
    if not data.startswith(netstring.BEGIN) or end < len(netstring.BEGIN + netstring.END):
        return Rejected("malformed")
    if end == len(data):
        return Rejected("no-auth")
    try:
        token_text = _trailer(data, end)
        if reason := verify(keys, token_text, data[:end]):
            return Rejected(reason)
        message, is_compressed = message_from_text(data[:end])
    except WireError as error:
        is_much = error.reason in {"too-large", "too-many-parts"}
        return Rejected("too-large" if is_much else "malformed")
    return Opened(
        message=message,
        key_number=key_number(token_text),
        form=Form.NETSTRING,
        is_compressed=is_compressed,
    )


def open_string(data: bytes, keys: AuthKeys) -> Opened | Rejected:
    """Verify and decode a message in string form, as serial lines carry it."""
    if len(data) > DATAGRAM_BYTES_MAX:
        return Rejected("too-large")
    text = data.removesuffix(b"\0")
    if not (text.startswith(string_form.BEGIN) and text.endswith(b"\n" + string_form.END)):
        return Rejected("malformed")
    start = text.find(_AUTH_LINE)
    if start < 0:
        return Rejected("no-auth")
    end = text.index(b"\n", start + 1)
    if text.find(_AUTH_LINE, end) >= 0:
        return Rejected("malformed")
    token_text = text[start + len(_AUTH_LINE) : end].decode("latin-1")
    signed = text[len(string_form.BEGIN) : start + 1] + text[end + 1 : -len(string_form.END)]
    if reason := verify(keys, token_text, signed):
        return Rejected(reason)
    try:
        message = string_form.decode_string(text)
    except WireError:
        return Rejected("malformed")
    return Opened(
        message=message.without("auth"),
        key_number=key_number(token_text),
        form=Form.STRING,
        is_compressed=False,
    )


def _trailer(data: bytes, start: int) -> str:
    begin, end = read_chunk(data, start)
    if end + 1 != len(data):
        raise WireError("trailing-bytes")
    return data[begin:end].decode("latin-1")


def _is_above(message: Message, msgfmt: str, threshold_kib: int) -> bool:
    return len(encode_plain(message, msgfmt)) > threshold_kib * 1024


def _with_inner_auth(message: Message, keys: AuthKeys) -> Message:
    plain = message.without("auth")
    digest = token(keys, keys.signing, string_form.signed_lines(plain))
    return plain.with_fields(Field(FieldType.STRING, "auth", digest))
