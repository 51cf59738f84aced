"""Hostile datagrams without end: captured ones, broken in the ways that break parsers.

Half of them get a good digest again, so that what lies behind the digest is reached as well.
Everything follows from the seed. Use it for any receiver of datagrams:

    for data in Mutator(corpus, keys, Random(seed)).datagrams(1_000_000): receive(data)
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.wire.auth import token
from everbeat.wire.chunk import encode_chunk, read_chunk
from everbeat.wire.errors import WireError
from everbeat.wire.stream import StreamSplitter
from golden.keyfiles import read_keys
from golden.pcap import read_datagrams

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from everbeat.model.keys import AuthKeys

OWN: Final = Path(__file__).parents[1] / "golden" / "captures"
SHARED: Final = Path(os.environ.get("EVERBEAT_SHARED", Path(__file__).parents[3] / "shared"))
KEYS: Final = read_keys(OWN / "authkeys.example")

_DATAGRAM_BYTES_MAX: Final = 65_507
_TOKENS: Final = (
    *(b"###\n", b"%%%\n", b">>>\n", b"<<<\n", b"\n", b"\0", b",", b":", b"=", b"(", b")"),
    *(b"0:,", b"7:(0)t=xy,", b"(0)", b"(1)", b"(2)", b"(3)", b"(4)", b"(5)", b"(9)", b"auth="),
    *(b"-1", b"99999999999999999999", b"4294967296", b"2147483648", b"\x13", b"\x14", b"\xff"),
    *(b"(0)seq=", b"(0)hg=ffffffff", b"(0)ts=", b"(0)src=", b"t=NS_rexmit", b"t=repnodes"),
    *(b"(2)s=###\n%%%\n", b"(3)l=1:a,2:bc,", b"_compressed_payload", b"_compression_algorithm"),
)
_REPEATS: Final = (*([1] * 60), 500)
_DIGITS: Final = re.compile(rb"\d+")


def captured_datagrams() -> list[bytes]:
    """Return the datagrams kept here, and those of the facts folder if it is there."""
    kept = [path.read_bytes() for path in sorted(OWN.glob("*.bin")) if ".hb_" not in path.name]
    serial = [message for stream in kept for message in StreamSplitter().feed(stream)]
    pcaps = sorted((SHARED / "heartbeat" / "captures").glob("*.pcap"))
    captured = [datagram.payload for path in pcaps for datagram in read_datagrams(path)]
    return list(dict.fromkeys([*(data for data in kept if data[:1] == b"#"), *serial, *captured]))


class Mutator:
    """An endless source of broken datagrams made from a corpus."""

    def __init__(self, corpus: list[bytes], keys: AuthKeys, random: Random) -> None:
        self._corpus = corpus
        self._keys = keys
        self._random = random
        self._ways = (
            self._flip_bit,
            self._set_byte,
            self._delete,
            self._repeat,
            self._insert_token,
            self._change_number,
            self._splice,
            self._truncate,
            self._swap,
            self._grow,
        )

    def datagrams(self, count: int) -> Iterator[bytes]:
        """Yield this many datagrams; the first of a hundred is left as it was captured."""
        for number in range(count):
            yield self._next() if number % 100 else self._random.choice(self._corpus)

    def _next(self) -> bytes:
        data = self._random.choice(self._corpus)
        if data.startswith(b"###\n") and self._random.randrange(3) == 0:
            return self._with_broken_fields(data)[:_DATAGRAM_BYTES_MAX]
        data = self._mutated(data)[:_DATAGRAM_BYTES_MAX]
        match self._random.randrange(20):
            case 0:
                return self._compressed(data)
            case lot if lot < 10:
                return self._sealed(data)
            case _:
                return data

    def _mutated(self, data: bytes) -> bytes:
        for _ in range(self._random.choice((1, 1, 1, 2, 3, 8))):
            data = self._random.choice(self._ways)(data)
        return data

    def _with_broken_fields(self, data: bytes) -> bytes:
        """Break fields, put right lengths around them and sign: reaches what reads the fields."""
        texts = _field_texts(data)
        for _ in range(self._random.choice((1, 1, 2, 4))):
            at = self._random.randrange(len(texts) + 1)
            match self._random.randrange(5):
                case 0:
                    texts[at : at + 1] = []
                case 1:
                    texts[at:at] = texts[at : at + 1] * self._random.choice(_REPEATS)
                case 2:
                    texts[at:at] = _field_texts(self._random.choice(self._corpus))[:2]
                case _:
                    texts[at : at + 1] = [
                        text[:4] + self._mutated(text[4:]) for text in texts[at : at + 1]
                    ]
        return self._sealed(b"###\n" + b"".join(map(encode_chunk, texts)) + b"%%%\n")

    def _place(self, data: bytes) -> int:
        return self._random.randrange(len(data) + 1)

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._place(data)
        return start, start + self._random.choice((1, 2, 4, 16, 64))

    def _flip_bit(self, data: bytes) -> bytes:
        at = self._place(data)
        flipped = bytes(byte ^ (1 << self._random.randrange(8)) for byte in data[at : at + 1])
        return data[:at] + flipped + data[at + 1 :]

    def _set_byte(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._random.randbytes(1) + data[at + 1 :]

    def _delete(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:end] + data[start:end] * self._random.choice((1, 1, 2, 20)) + data[end:]

    def _insert_token(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._random.choice(_TOKENS) + data[at:]

    def _change_number(self, data: bytes) -> bytes:
        found = list(_DIGITS.finditer(data))
        if not found:
            return data
        digits = self._random.choice(found)
        value = int(digits[0][:30])
        changed = self._random.choice((0, value + 1, value - 1, value * 10, 2**31, 2**63))
        return data[: digits.start()] + b"%d" % changed + data[digits.end() :]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._corpus)
        return data[: self._place(data)] + other[self._place(other) :]

    def _truncate(self, data: bytes) -> bytes:
        return data[: self._place(data)]

    def _swap(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[start:end][::-1] + data[end:]

    def _grow(self, data: bytes) -> bytes:
        if self._random.randrange(50):
            return data
        start, end = self._span(data)
        return data[:end] + data[start:end] * self._random.randrange(1, 4_000) + data[end:]

    def _sealed(self, data: bytes) -> bytes:
        """Give the data a good digest in its form."""
        number = self._random.choice(self._keys.keys).number
        if data.startswith(b">>>\n"):
            lines = [line for line in data[4:].split(b"\n") if not line.startswith(b"auth=")]
            body = b"".join(line + b"\n" for line in lines if line not in {b"", b"<<<"})
            digest = token(self._keys, number, body).encode()
            return b">>>\n" + body + b"auth=" + digest + b"\n<<<\n"
        end = data.rfind(b"%%%\n")
        text = data[: end + 4] if end >= 0 else data + b"%%%\n"
        digest = token(self._keys, number, text).encode()
        if self._random.randrange(50) == 0:
            digest = b"9" + digest[1:]  # a key nobody has
        return text + encode_chunk(digest)

    def _compressed(self, data: bytes) -> bytes:
        """Send the data as the payload of a compressed message, sometimes broken, well signed."""
        payload = zlib.compress(data, 1)
        if self._random.randrange(3) == 0:
            payload = self._flip_bit(payload)
        field = encode_chunk(b"(1)_compressed_payload=" + payload)
        name = self._random.choice((b"zlib", b"zlib", b"zlib", b"bz2", b"lzma"))
        return self._sealed(
            b"###\n" + field + encode_chunk(b"(0)_compression_algorithm=" + name) + b"%%%\n"
        )


def _field_texts(data: bytes) -> list[bytes]:
    """Return what stands in the top-level chunks, as far as they are whole."""
    texts: list[bytes] = []
    position = len(b"###\n")
    while data[position : position + 1].isdigit():
        try:
            begin, end = read_chunk(data, position)
        except WireError:
            break
        texts.append(data[begin:end])
        position = end + 1
    return texts
