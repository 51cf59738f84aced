"""Makes datagrams: numbers, stamps and seals what we say, and keeps it to say it again.

    payload ─ stamp ─► message ─ seal ─► netstring form for UDP, string form for serial lines
                          └─ history (numbered messages)

Invariants: a number is used once per generation, and only after it was reserved; a generation is
used only after it was persisted. A message that can't be sealed uses up no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.membership.envelope import UNNUMBERED_PREFIX, Stamp, stamped, with_ttl
from everbeat.membership.identity import SEQUENCE_BLOCK, Identity
from everbeat.membership.outbound import History
from everbeat.model.cluster import MediumKind
from everbeat.model.message import Message, message_of
from everbeat.node.link_effects import PersistGeneration, ReserveSequence, SendEffect, Transmit
from everbeat.wire.datagram import seal, seal_string, text_from_message
from everbeat.wire.dialect import OWN_METHODS, Origin, can_seal, seal_own, to_serial
from everbeat.wire.errors import WireError

if TYPE_CHECKING:
    from everbeat.model.cluster import HaConfig
    from everbeat.model.keys import AuthKeys
    from everbeat.ports.cipher import Cipher

UDP_BYTES_MAX: Final = 65_507
"""The longest datagram IPv4 carries."""

COUNTER_BITS_PER_MS: Final = 16
"""A process may send 2^16 datagrams in each millisecond of its life before counters meet."""


class LinkSender:
    """Our own voice. One instance per link process.

    `has_own_ears`: everybody who listens understands our own dialect. It is spoken then, and with
    keys that 3.0.6 does not know.
    """

    def __init__(
        self, config: HaConfig, keys: AuthKeys, identity: Identity, cipher: Cipher | None = None
    ) -> None:
        self._config = config
        self.keys = keys
        self.cipher = cipher
        self.has_own_ears = False
        self._counter = 0
        self.generation = identity.generation
        self.history = History()
        self._uuid = identity.uuid
        self._next_seq = identity.first_seq
        self._reserved = identity.first_seq - 1
        self.wall_s = 0
        self._load = ""
        media = list(enumerate(config.media))
        self._serial = tuple(i for i, m in media if m.kind is MediumKind.SERIAL)
        self._others = tuple(
            i for i, m in media if m.kind is not MediumKind.SERIAL and not m.kind.is_ping
        )

    @property
    def highest(self) -> int:
        """Return the number used last."""
        return self._next_seq - 1

    @property
    def speaks_own(self) -> bool:
        """Whether we seal in our own dialect now."""
        key = self.keys.key(self.keys.signing)
        if key is not None and key.method in OWN_METHODS:
            return True
        return self.has_own_ears and can_seal(key)

    def on_start(self, now_ms: int) -> None:
        """Count datagrams from here: above all that a former process of this boot has counted."""
        self._counter = now_ms << COUNTER_BITS_PER_MS

    def on_surroundings(self, wall_s: int, load: str) -> None:
        """Note what `ts` and `ld` are to say from now on."""
        self.wall_s, self._load = wall_s, load

    def send(
        self, payload: Message, *, ttl: int, destination_uuid: bytes = b""
    ) -> tuple[Message, list[SendEffect]]:
        """Return the full message and the effects of sending it. Raises WireError."""
        is_numbered = not payload.type.startswith(UNNUMBERED_PREFIX)
        message = stamped(
            payload,
            self._stamp(ttl),
            sequence=self._next_seq if is_numbered else None,
            destination_uuid=destination_uuid,
        )
        transmits = self._transmits(message)
        if not is_numbered:
            return message, transmits
        self.history.add(self._next_seq, message)
        self._next_seq += 1
        return message, [*self.reserve(), *transmits]

    def again(self, message: Message) -> list[SendEffect]:
        """Return the effects of sending a message of our history as it was."""
        return self._transmits(message)

    def forward(self, message: Message, ttl: int, medium: int) -> list[SendEffect]:
        """Return the effects of passing a message on to the other serial lines, one hop less.

        Raises WireError for a message that can be read but not be written.
        """
        targets = tuple(index for index in self._serial if index != medium)
        if not targets or ttl <= 0:
            return []
        return [Transmit(targets, self._seal_serial(with_ttl(message, ttl - 1)))]

    def pings(self, more: dict[str, str]) -> list[SendEffect]:
        """Return the echo requests of all ping media, with these fields besides."""
        return [
            Transmit((index,), self._seal(self._ping_payload(medium.link, more)))
            for index, medium in enumerate(self._config.media)
            if medium.kind.is_ping
        ]

    def raise_generation(self) -> list[SendEffect]:
        """Begin a new life: generation + 1, numbers from 1, nothing to say again."""
        self.generation += 1
        self.history = History()
        self._next_seq, self._reserved = 1, 0
        return [PersistGeneration(self.generation), *self.reserve()]

    def reserve(self) -> list[SendEffect]:
        """Reserve numbers ahead of use, a block at a time."""
        if self._next_seq + SEQUENCE_BLOCK // 2 <= self._reserved:
            return []
        self._reserved = self._next_seq + SEQUENCE_BLOCK
        return [ReserveSequence(self._reserved)]

    def _stamp(self, ttl: int) -> Stamp:
        return Stamp(
            own=self._config.node,
            uuid=self._uuid,
            generation=self.generation,
            wall_s=self.wall_s,
            load=self._load,
            ttl=ttl,
        )

    def _ping_payload(self, host: str, more: dict[str, str]) -> Message:
        stamp = f"{self.wall_s:x}"
        return message_of(t="NS_st", st="ping", info="ping", src=host, ts=stamp, **more)

    def _transmits(self, message: Message) -> list[SendEffect]:
        transmits: list[SendEffect] = []
        if self._others:
            media = self._others if self._serial else ()
            transmits.append(Transmit(media, self._seal(message)))
        if self._serial:
            media = self._serial if self._others else ()
            transmits.append(Transmit(media, self._seal_serial(message)))
        return transmits

    def _seal_serial(self, message: Message) -> bytes:
        if self.speaks_own:
            return to_serial(self._seal_own(message))
        return seal_string(message, self.keys)

    def _seal(self, message: Message) -> bytes:
        config = self._config
        if self.speaks_own:
            data = self._seal_own(message)
        else:
            data = seal(
                message,
                self.keys,
                msgfmt=config.msgfmt,
                compression=config.compression,
                threshold_kib=config.compression_threshold_kib,
                is_traditional=config.is_traditional_compression,
            )
        if len(data) > UDP_BYTES_MAX:
            raise WireError("too-large", f"{len(data)} bytes")
        return data

    def _seal_own(self, message: Message) -> bytes:
        config = self._config
        text = text_from_message(
            message,
            compression=config.compression,
            threshold_kib=config.compression_threshold_kib,
            is_traditional=config.is_traditional_compression,
        )
        key = self.keys.key(self.keys.signing)
        if key is None:
            raise WireError("unknown-key", str(self.keys.signing))
        self._counter += 1
        origin = Origin(self._uuid, self.generation, self._counter)
        return seal_own(text, origin, key, self.cipher)
