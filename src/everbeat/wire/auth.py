"""Digests: `"%d %s" % (key number, hex)` over the bytes of a message.

| method | digest |
|---|---|
| sha1, md5 | HMAC with the secret as raw bytes, lower-case hex |
| crc | CRC-32, 0x04C11DB7, most significant bit first, from 0, complemented; hex without leading zeros; no secret |

A message is verified with the key of the number it names. (3.0.6 takes that key's method but the
secret of its own signing key, so its peers must sign with the number it signs with.)

Source: measured on 3.0.6 (docs/protocol/wire.md).
"""  # noqa: E501 - a table row does not break

from __future__ import annotations

import hmac
import re
import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from everbeat.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from everbeat.model.keys import AuthKeys

_REVERSED_BITS: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_TOKEN: Final = re.compile(r"(\d{1,2}) ([0-9a-f]{1,128})", re.ASCII)


def crc(_secret: bytes, data: bytes) -> str:
    """Return 3.0.6's crc as hex without leading zeros.

    zlib's CRC has the same polynomial with the bits of each byte, and of the result, reversed;
    its start value 0xffffffff is our 0.
    """
    reflected = zlib.crc32(data.translate(_REVERSED_BITS), 0xFFFFFFFF)
    return f"{int(f'{reflected:032b}'[::-1], 2):x}"


def _hmac_with(hash_name: str) -> Callable[[bytes, bytes], str]:
    def digest(secret: bytes, data: bytes) -> str:
        return hmac.digest(secret, data, hash_name).hex()

    return digest


METHODS: Final[Mapping[str, Callable[[bytes, bytes], str]]] = MappingProxyType(
    {"crc": crc, "md5": _hmac_with("md5"), "sha1": _hmac_with("sha1")}
)
"""Every method by its name in authkeys: secret and data to lower-case hex."""


def token(keys: AuthKeys, number: int, data: bytes) -> str:
    """Return the token of these bytes under this key. Raises WireError unknown-key."""
    key = keys.key(number)
    if key is None or key.method not in METHODS:
        raise WireError("unknown-key", str(number))
    return f"{number} {METHODS[key.method](key.secret, data)}"


def verify(keys: AuthKeys, token_text: str, data: bytes) -> str:
    """Return "" for a good token, else bad-digest, unknown-key or malformed. Constant time."""
    found = _TOKEN.fullmatch(token_text)
    if found is None:
        return "malformed"
    key = keys.key(int(found[1]))
    if key is None or key.method not in METHODS:
        return "unknown-key"
    digest = METHODS[key.method](key.secret, data)
    return "" if hmac.compare_digest(digest, found[2]) else "bad-digest"


def key_number(token_text: str) -> int:
    """Return the key number of a token that was verified."""
    return int(token_text.partition(" ")[0])
