"""From bytes on a medium to a message whose sender may speak: what stands before the link node.

    bytes ─ open ─► authentic message ─ envelope ─ admission ─► Entered: taken, of this node
              └─ Rejected               └─ malformed  └─ refused: told, counted, or ours

Enters: bytes. Leaves: values, never an exception. Nothing is decoded before its seal is good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.membership.admission import Admission, Arrived, Refused
from everbeat.membership.envelope import envelope_from_message
from everbeat.model.cluster import MediumKind
from everbeat.wire.datagram import Rejected, message_from_text, open_datagram, open_string
from everbeat.wire.dialect import MAGIC, from_serial, open_own
from everbeat.wire.errors import WireError

if TYPE_CHECKING:
    from everbeat.membership.admission import OwnLife
    from everbeat.membership.envelope import Envelope
    from everbeat.membership.lives import Lives
    from everbeat.membership.nodes import NodeRecord
    from everbeat.membership.roster import Roster
    from everbeat.model.cluster import HaConfig
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message
    from everbeat.node.link_sender import LinkSender
    from everbeat.wire.dialect import Origin


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """An authentic message. `origin`: who sealed it in our own dialect; None: a classic one."""

    message: Message
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of a message. `sender` None: it is not taken, and `reason` is to be counted."""

    facts: list[MembershipFact]
    reason: str = ""
    sender: NodeRecord | None = None
    envelope: Envelope | None = None
    is_fresh: bool = False  # of a status: it is a sign of life now


class LinkDoor:
    """Opens and admits. One instance per link process."""

    def __init__(self, config: HaConfig, own_uuid: bytes, roster: Roster, lives: Lives) -> None:
        self._config = config
        self._admission = Admission(config, own_uuid, roster, lives)

    def open(self, index: int, data: bytes, voice: LinkSender) -> OpenedMessage | Rejected:
        """Return the message of authentic bytes in either dialect; `voice` has the keys."""
        is_serial = self._config.media[index].kind is MediumKind.SERIAL
        own = from_serial(data) if is_serial else data if data.startswith(MAGIC) else None
        if own is None:
            opened = (open_string if is_serial else open_datagram)(data, voice.keys)
            return opened if isinstance(opened, Rejected) else OpenedMessage(opened.message, None)
        unsealed = open_own(own, voice.keys, voice.cipher)
        if isinstance(unsealed, Rejected):
            return unsealed
        try:
            return OpenedMessage(message_from_text(unsealed.text)[0], unsealed.origin)
        except WireError:
            return Rejected("malformed")

    def enter(self, index: int, opened: OpenedMessage, own: OwnLife, now_ms: int) -> Entered:
        """Judge who speaks, and in which life."""
        envelope = envelope_from_message(opened.message)
        if isinstance(envelope, str):
            return Entered([], envelope)
        arrived = Arrived(
            envelope=envelope, message=opened.message, origin=opened.origin, medium=index
        )
        admitted = self._admission.admit(arrived, own, now_ms)
        if isinstance(admitted.sender, Refused):
            return Entered(admitted.facts, admitted.sender.reason)
        return Entered(
            admitted.facts,
            sender=admitted.sender,
            envelope=envelope,
            is_fresh=admitted.is_fresh,
        )
