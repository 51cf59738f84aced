"""Values to bytes and back: a msgpack array `[type name, body]` with an explicit registry.

In: the frozen dataclasses of `model`, the structs of `ipc.messages`. Out: bytes. Decoding checks
every field against its annotation; only registered types come out. A Message, whose fields are
typed at run time, travels as a list of `[field type, name, value]`.

A file of Heartbeat may hold bytes that are no UTF-8, which are lone surrogates in its text
(`config.files`), and JSON of another node may hold any of them: msgpack takes none. A value with
such a text travels as `[type name + ESCAPED, body]`, each of its texts as the characters of its
bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from everbeat.ipc.messages import PROTOCOL_VERSION
from everbeat.model.message import Field, FieldType, FieldValue, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MESSAGE_DEPTH_MAX = 16
"""Structs nested deeper than Heartbeat's own limit are refused."""

ESCAPED: Final = "*"
"""Behind the name of a type: the texts of the body are escaped. No type is called so."""


class IpcError(Exception):
    """Bytes from another of our processes make no sense, or it cannot be talked to."""


class NotRunning(IpcError):  # noqa: N818 - names the state a person reads about
    """Nobody listens on the socket."""


class Hello(msgspec.Struct, frozen=True):
    """The first value in either direction: who speaks, and which version of the vocabulary."""

    program: str
    version: int = PROTOCOL_VERSION


class Codec:
    """Encodes and decodes the values of one socket."""

    def __init__(self, types: Iterable[type]) -> None:
        registered = {kind.__name__: kind for kind in types}
        registered[Hello.__name__] = Hello
        self._names = {kind: name for name, kind in registered.items()}
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
        self._envelope = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
        self._kinds = registered
        self._decoders: dict[str, msgspec.msgpack.Decoder[object]] = {
            name: msgspec.msgpack.Decoder(kind, dec_hook=_rich) for name, kind in registered.items()
        }

    def encode(self, value: object) -> bytes:
        """Return the wire form. Raise IpcError for a type that is not registered."""
        name = self._names.get(type(value))
        if name is None:
            raise IpcError(f"{type(value).__name__} is not spoken on this socket")
        try:
            return self._encoder.encode((name, value))
        except UnicodeEncodeError:
            plain = msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=_plain)
            return self._encoder.encode((name + ESCAPED, _with_texts(plain, _escaped)))

    def decode(self, data: bytes) -> object:
        """Return the value. Raise IpcError if the bytes are not one of a registered type."""
        try:
            name, body = self._envelope.decode(data)
            decoder = self._decoders.get(name)
            if decoder is not None:
                return decoder.decode(body)
            kind = self._kinds.get(name.removesuffix(ESCAPED))
            if kind is None:
                raise IpcError(f"{name!r} is not spoken on this socket")
            plain = _with_texts(msgspec.msgpack.decode(body), _unescaped)
            return msgspec.convert(plain, kind, builtin_types=(bytes,), dec_hook=_rich)
        except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError) as error:
            raise IpcError(f"malformed value: {error}") from error


def check_hello(value: object) -> Hello:
    """Return the peer's Hello. Raise IpcError if it is none, or of another version."""
    if not isinstance(value, Hello):
        raise IpcError(f"expected Hello, got {type(value).__name__}")
    if value.version != PROTOCOL_VERSION:
        raise IpcError(
            f"{value.program} speaks protocol version {value.version}, this program"
            f" {PROTOCOL_VERSION}: after an upgrade restart everbeat"
        )
    return value


def _escaped(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _unescaped(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogatepass")


def _with_texts(plain: Any, change: Callable[[str], str]) -> Any:  # Any: what msgpack can hold
    """Return plain values with every text in them changed."""
    match plain:
        case str():
            return change(plain)
        case list() | tuple():
            return [_with_texts(each, change) for each in plain]
        case dict():
            return {
                _with_texts(name, change): _with_texts(each, change) for name, each in plain.items()
            }
        case _:
            return plain


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return [(int(field.type), field.name, field.value) for field in value.fields]
    raise IpcError(f"{type(value).__name__} has no wire form")


def _rich(kind: type, plain: Any) -> object:  # Any: what msgpack happened to hold
    if kind is not Message:
        raise IpcError(f"{kind.__name__} has no wire form")
    try:
        return _message(plain, MESSAGE_DEPTH_MAX)
    except (ValueError, TypeError) as error:
        raise IpcError(f"malformed message: {error}") from error


def _message(rows: Any, depth_left: int) -> Message:  # Any: checked here
    if depth_left == 0:
        raise ValueError("nested too deeply")
    fields = []
    for number, name, plain in rows:
        if not isinstance(name, str):
            raise TypeError("a field's name is no text")
        fields.append(_field(FieldType(number), name, plain, depth_left))
    return Message(fields)


def _field(kind: FieldType, name: str, plain: Any, depth_left: int) -> Field:  # Any: checked here
    value: FieldValue
    match kind:
        case FieldType.STRING if isinstance(plain, str):
            value = plain
        case FieldType.BINARY if isinstance(plain, bytes):
            value = plain
        case FieldType.COMPRESSED | FieldType.UNCOMPRESSED | FieldType.STRUCT:
            value = plain if isinstance(plain, bytes) else _message(plain, depth_left - 1)
        case FieldType.LIST:
            value = tuple(_text(item) for item in plain)
        case _:
            raise TypeError(f"field {name!r} does not hold {kind.name}")
    return Field(kind, name, value)


def _text(item: object) -> str:
    if not isinstance(item, str):
        raise TypeError("a list holds something other than text")
    return item
