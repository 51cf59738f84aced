"""Questions to the witness and its answers as bytes: one datagram each way, of one size.

    seal_ask:    WitnessAsk -> 288 bytes        open_ask:   bytes + many clusters' keys -> OpenedAsk
    seal_reply:  WitnessReply -> 288 bytes      open_reply: bytes + our keys -> WitnessReply

Enters: bytes from anyone. Leaves: a value, or Rejected; never an exception, and nothing is decoded
before the digest is good. What a stranger can make us do is one look-up and one digest; he gets no
answer. An answer is as long as its question, so nobody can be flooded by means of a witness.

The digest is HMAC-SHA-256 with the secret of a line of authkeys, whatever method that line names:
no 3.0.6 ever reads these datagrams. A line without a secret (crc) cannot be used. The key id, 8
bytes derived from the secret, lets a witness find the key among those of many clusters.

The layout is in docs/protocol/witness.md; big-endian.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.names import NODE_NAME_BYTES_MAX, NodeName
from everbeat.model.quorum import Want, WitnessAsk, WitnessReason, WitnessReply
from everbeat.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.keys import AuthKey, AuthKeys

WITNESS_BYTES: Final = 288
"""The length of every datagram to and from a witness."""

DEAD_MS_MAX: Final = 24 * 3_600 * 1_000
"""A longer deadtime would let one question block the other side for days."""

LIFE_BITS: Final = 64
"""A witness's life, drawn at its start; 0: none known."""

_MAGIC: Final = b"ebw2"
_HEAD: Final = struct.Struct(">4sB3x8s")  # magic, kind, key id
_ASK: Final = struct.Struct(">QQQBII99s99sQ")
_REPLY: Final = struct.Struct(">QQBBBxI99sQ")
_DIGEST_BYTES: Final = 32
_SIGNED_BYTES: Final = WITNESS_BYTES - _DIGEST_BYTES
_KIND_ASK: Final = 1
_KIND_REPLY: Final = 2
_KEY_ID_TEXT: Final = b"everbeat witness key id"
_WANTS: Final = (Want.LEASE, Want.VOTE, Want.PRESENCE)
_REASONS: Final = (
    WitnessReason.GRANTED,
    WitnessReason.HELD,
    WitnessReason.STARTING,
    WitnessReason.UNSAFE,
    WitnessReason.PRESENT,
    WitnessReason.AGAIN,
    WitnessReason.OLDER,
)
_NUMBER_LIMIT: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A secret both sides know. `cluster`: whose it is, as the witness calls that cluster."""

    cluster: str
    id: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class OpenedAsk:
    """An authentic question and the key its answer is to be sealed with."""

    ask: WitnessAsk
    key: WitnessKey


@dataclass(frozen=True, slots=True)
class RejectedWitness:
    """Dropped bytes: not-ours, unknown-key, bad-digest or malformed."""

    reason: str


class WitnessKeyring:
    """The keys of all clusters a witness serves, found by their ids."""

    def __init__(self, keys: Iterable[WitnessKey]) -> None:
        self._by_id = {key.id: key for key in keys}

    def find(self, key_id: bytes) -> WitnessKey | None:
        """Return the key of this id, or None."""
        return self._by_id.get(key_id)


def witness_keys(cluster: str, keys: AuthKeys) -> tuple[WitnessKey, ...]:
    """Return the keys of a cluster that have a secret, the signing one first."""
    ordered = sorted(keys.keys, key=lambda key: key.number != keys.signing)
    return tuple(_witness_key(cluster, key) for key in ordered if key.secret)


def seal_ask(ask: WitnessAsk, key: WitnessKey) -> bytes:
    """Return the datagram of a question. Raise WireError for a value that does not fit."""
    if not 0 < ask.dead_ms <= DEAD_MS_MAX or not 0 < ask.lease_ms <= DEAD_MS_MAX:
        raise WireError("malformed", f"lease {ask.lease_ms} ms, deadtime {ask.dead_ms} ms")
    body = _ASK.pack(
        _number(ask.generation),
        _number(ask.stamp_ms),
        _number(ask.nonce),
        _WANTS.index(ask.wants),
        ask.lease_ms,
        ask.dead_ms,
        _name_bytes(ask.node),
        _name_bytes(ask.about),
        _number(ask.life),
    )
    return _sealed(_KIND_ASK, body, key)


def open_ask(data: bytes, keyring: WitnessKeyring) -> OpenedAsk | RejectedWitness:
    """Verify and decode a question."""
    key = _verified(_KIND_ASK, data, keyring)
    if isinstance(key, RejectedWitness):
        return key
    fields = _ASK.unpack_from(data, _HEAD.size)
    generation, stamp_ms, nonce, want, lease_ms, dead_ms, node_bytes, about_bytes, life = fields
    node, about = _name(node_bytes), _name(about_bytes)
    is_timed = 0 < lease_ms <= DEAD_MS_MAX and 0 < dead_ms <= DEAD_MS_MAX
    if not node or not about or node == about or want >= len(_WANTS) or not is_timed:
        return RejectedWitness("malformed")
    ask = WitnessAsk(
        node=node,
        generation=generation,
        stamp_ms=stamp_ms,
        nonce=nonce,
        about=about,
        wants=_WANTS[want],
        lease_ms=lease_ms,
        dead_ms=dead_ms,
        life=life,
    )
    return OpenedAsk(ask, key)


def seal_reply(reply: WitnessReply, key: WitnessKey) -> bytes:
    """Return the datagram of an answer. Raise WireError for a value that does not fit."""
    body = _REPLY.pack(
        _number(reply.stamp_ms),
        _number(reply.nonce),
        _WANTS.index(reply.wants),
        reply.is_granted,
        _REASONS.index(reply.reason),
        reply.retry_after_ms,
        _name_bytes(reply.holder),
        _number(reply.life),
    )
    return _sealed(_KIND_REPLY, body, key)


def open_reply(data: bytes, keyring: WitnessKeyring) -> WitnessReply | RejectedWitness:
    """Verify and decode an answer; whether we asked that is for the caller to see."""
    key = _verified(_KIND_REPLY, data, keyring)
    if isinstance(key, RejectedWitness):
        return key
    fields = _REPLY.unpack_from(data, _HEAD.size)
    stamp_ms, nonce, want, granted, reason, retry_after_ms, holder_bytes, life = fields
    holder = _name(holder_bytes)
    is_known = want < len(_WANTS) and granted <= 1 and reason < len(_REASONS)
    if holder is None or not is_known or retry_after_ms > DEAD_MS_MAX:
        return RejectedWitness("malformed")
    return WitnessReply(
        stamp_ms=stamp_ms,
        nonce=nonce,
        wants=_WANTS[want],
        is_granted=bool(granted),
        holder=holder,
        reason=_REASONS[reason],
        retry_after_ms=retry_after_ms,
        life=life,
    )


def _witness_key(cluster: str, key: AuthKey) -> WitnessKey:
    return WitnessKey(cluster, hmac.digest(key.secret, _KEY_ID_TEXT, "sha256")[:8], key.secret)


def _sealed(kind: int, body: bytes, key: WitnessKey) -> bytes:
    signed = (_HEAD.pack(_MAGIC, kind, key.id) + body).ljust(_SIGNED_BYTES, b"\0")
    return signed + hmac.digest(key.secret, signed, "sha256")


def _verified(kind: int, data: bytes, keyring: WitnessKeyring) -> WitnessKey | RejectedWitness:
    if len(data) != WITNESS_BYTES:
        return RejectedWitness("not-ours")
    magic, kind_here, key_id = _HEAD.unpack_from(data)
    if magic != _MAGIC or kind_here != kind:
        return RejectedWitness("not-ours")
    key = keyring.find(key_id)
    if key is None:
        return RejectedWitness("unknown-key")
    digest = hmac.digest(key.secret, data[:_SIGNED_BYTES], "sha256")
    if not hmac.compare_digest(digest, data[_SIGNED_BYTES:]):
        return RejectedWitness("bad-digest")
    return key


def _number(value: int) -> int:
    if not 0 <= value < _NUMBER_LIMIT:
        raise WireError("malformed", f"{value} is no number of 64 bits")
    return value


def _name_bytes(name: NodeName) -> bytes:
    text = name.encode()
    if len(text) > NODE_NAME_BYTES_MAX or b"\0" in text:
        raise WireError("malformed", f"{name!r} is no name of a node")
    return text


def _name(padded: bytes) -> NodeName | None:
    """Return a name, "" among them; None for bytes that no name has."""
    text, _, rest = padded.partition(b"\0")
    if rest.strip(b"\0") or len(text) > NODE_NAME_BYTES_MAX:
        return None
    try:
        name = text.decode()
    except UnicodeDecodeError:
        return None
    return NodeName(name) if name.isprintable() else None
