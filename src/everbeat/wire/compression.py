"""zlib and bz2 as 3.0.6's plugins use them: same streams, and a hard bound on what comes out.

Source: measured on 3.0.6: zlib at its default level, bz2 with 100 kB blocks.
"""

from __future__ import annotations

import bz2
import zlib
from typing import Final

from everbeat.wire.errors import WireError
from everbeat.wire.limits import UNCOMPRESSED_BYTES_MAX

_BZ2_LEVEL: Final = 1


def compress(algorithm: str, data: bytes) -> bytes:
    """Return the compressed bytes. Raises WireError too-large or unknown-compression."""
    if len(data) > UNCOMPRESSED_BYTES_MAX:
        raise WireError("too-large", f"{len(data)} bytes")
    match algorithm:
        case "zlib":
            return zlib.compress(data)
        case "bz2":
            return bz2.compress(data, _BZ2_LEVEL)
        case _:
            raise WireError("unknown-compression", algorithm)


def decompress(algorithm: str, data: bytes, limit: int = UNCOMPRESSED_BYTES_MAX) -> bytes:
    """Return at most `limit` bytes; never holds more.

    Raises WireError: unknown-compression, bad-compression, truncated, too-large.
    """
    stream = _stream(algorithm)
    try:
        result = stream.decompress(data, max_length=limit + 1)
    except (zlib.error, OSError, ValueError) as error:
        raise WireError("bad-compression", str(error)) from error
    if len(result) > limit:
        raise WireError("too-large", f"more than {limit} bytes")
    if not stream.eof:
        raise WireError("truncated", algorithm)
    return result


class _Zlib:
    """zlib's decompressor with the keyword of bz2's."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._stream.decompress(data, max_length)


def _stream(algorithm: str) -> _Zlib | bz2.BZ2Decompressor:
    match algorithm:
        case "zlib":
            return _Zlib()
        case "bz2":
            return bz2.BZ2Decompressor()
        case _:
            raise WireError("unknown-compression", algorithm)
