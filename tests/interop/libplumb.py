"""The message coding library that Heartbeat 3.0.6 itself uses, called through ctypes.

Debian: libplumb2 1.0.12, cluster-glue (the compression plugins). One process, one message format
at a time: the library keeps its settings in globals.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Final

from everbeat.model.message import Field, FieldType, Message

PLUGINS: Final = Path("/usr/lib/heartbeat/plugins/compress")
_NETSTRING, _CLASSIC = 1, 0
_FOUND: Final = 1  # HA_OK


class _HaMsg(ctypes.Structure):
    _fields_ = (
        ("nfields", ctypes.c_int),
        ("nalloc", ctypes.c_int),
        ("names", ctypes.POINTER(ctypes.c_void_p)),
        ("nlens", ctypes.POINTER(ctypes.c_size_t)),
        ("values", ctypes.POINTER(ctypes.c_void_p)),
        ("vlens", ctypes.POINTER(ctypes.c_size_t)),
        ("types", ctypes.POINTER(ctypes.c_int)),
    )


_Pointer = ctypes.POINTER(_HaMsg)


class Libplumb:
    """Raises OSError where the library is not installed."""

    def __init__(self) -> None:
        for name in ("libglib-2.0.so.0", "libltdl.so.7", "libpils.so.2"):
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)  # its plugins look for these symbols
        self._library = ctypes.CDLL("libplumb.so.2", mode=ctypes.RTLD_GLOBAL)
        self._new = self._function("ha_msg_new", _Pointer, ctypes.c_int)

    def configure(
        self, *, msgfmt: str, compression: str, threshold: int, is_traditional: bool
    ) -> None:
        """Set what ha.cf sets. `threshold` in bytes."""
        name = compression.encode()
        assert self._function("cl_compress_load_plugin", ctypes.c_int, ctypes.c_char_p)(name)
        assert self._function("cl_set_compress_fns", ctypes.c_int, ctypes.c_char_p)(name) == _FOUND
        self._function("cl_set_msg_format", None, ctypes.c_int)(
            _NETSTRING if msgfmt == "netstring" else _CLASSIC
        )
        self._function("cl_set_compression_threshold", None, ctypes.c_size_t)(threshold)
        self._function("cl_set_traditional_compression", None, ctypes.c_int)(int(is_traditional))

    def encode_string(self, message: Message) -> bytes:
        encode = self._function("msg2string", ctypes.c_void_p, _Pointer)
        return ctypes.string_at(encode(self._built(message)))

    def encode_netstring(self, message: Message) -> bytes:
        return self._encoded("msg2netstring_noauth", message)

    def encode_wire(self, message: Message) -> bytes:
        """Encode for the network: compressed if configured, without digest."""
        return self._encoded("msg2wirefmt", message)

    def decode_string(self, data: bytes) -> Message | None:
        decode = self._function("string2msg", _Pointer, ctypes.c_char_p, ctypes.c_size_t)
        return self._read(decode(data, len(data)))

    def decode_netstring(self, data: bytes) -> Message | None:
        decode = self._function(
            "netstring2msg", _Pointer, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
        )
        return self._read(decode(data, len(data), 0))

    def _function(self, name: str, result: Any, *arguments: Any) -> Any:
        function = self._library[name]
        function.restype, function.argtypes = result, arguments
        return function

    def _encoded(self, name: str, message: Message) -> bytes:
        encode = self._function(name, ctypes.c_void_p, _Pointer, ctypes.POINTER(ctypes.c_size_t))
        length = ctypes.c_size_t()
        address = encode(self._built(message), ctypes.byref(length))
        return ctypes.string_at(address, length.value)

    def _built(self, message: Message) -> Any:
        built = self._new(0)
        for field in message.fields:
            assert self._add(built, field) == _FOUND
        return built

    def _add(self, built: Any, field: Field) -> int:
        name = field.name.encode("latin-1")
        match field.type, field.value:
            case FieldType.LIST, tuple(elements):
                add = self._text_adder("cl_msg_list_add_string")
                return min(add(built, name, element.encode("latin-1")) for element in elements)
            case FieldType.UNCOMPRESSED, Message() as inner:
                add = self._function(
                    "ha_msg_addstruct_compress", ctypes.c_int, _Pointer, ctypes.c_char_p, _Pointer
                )
                return int(add(built, name, self._built(inner)))
            case FieldType.STRUCT, Message() as inner:
                add = self._function(
                    "ha_msg_addstruct", ctypes.c_int, _Pointer, ctypes.c_char_p, _Pointer
                )
                return int(add(built, name, self._built(inner)))
            case _, (str() | bytes()) as value:
                raw = value.encode("latin-1") if isinstance(value, str) else value
                return self._add_raw(built, name, raw, field.type)
            case _:
                raise AssertionError(field)

    def _text_adder(self, name: str) -> Any:
        return self._function(name, ctypes.c_int, _Pointer, ctypes.c_char_p, ctypes.c_char_p)

    def _add_raw(self, built: Any, name: bytes, raw: bytes, kind: FieldType) -> int:
        add = self._function(
            "ha_msg_nadd_type",
            ctypes.c_int,
            *(_Pointer, ctypes.c_char_p, ctypes.c_size_t),
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int),
        )
        return int(add(built, name, len(name), raw, len(raw), kind))

    def _read(self, pointer: Any) -> Message | None:
        if not pointer:
            return None
        content = pointer.contents
        return Message(self._field(content, index) for index in range(content.nfields))

    def _field(self, content: Any, index: int) -> Field:
        kind = FieldType(content.types[index])
        name = ctypes.string_at(content.names[index], content.nlens[index]).decode("latin-1")
        address, length = content.values[index], content.vlens[index]
        match kind:
            case FieldType.STRING:
                return Field(kind, name, ctypes.string_at(address, length).decode("latin-1"))
            case FieldType.BINARY | FieldType.COMPRESSED:
                return Field(kind, name, ctypes.string_at(address, length))
            case FieldType.STRUCT | FieldType.UNCOMPRESSED:
                inner = self._read(ctypes.cast(address, _Pointer))
                assert inner is not None
                return Field(kind, name, inner)
            case FieldType.LIST:
                return Field(kind, name, tuple(_elements(address)))


def _elements(address: int | None) -> list[str]:
    """Return the strings of a GList: data, next, previous."""
    elements: list[str] = []
    while address:
        node = ctypes.cast(address, ctypes.POINTER(ctypes.c_void_p))
        elements.append(ctypes.string_at(node[0]).decode("latin-1"))
        address = node[1]
    return elements
