"""One connection to the client API and which of the cluster's messages it wants.

    connected --signon--> signed on --signoff, fault, hang-up--> gone

Filter bits as measured on 3.0.6: 01 whatever changes something, 02 heartbeats that change
nothing. 04 to 20 (acknowledgements, duplicates, ...) are accepted; the client API is handed none
of that traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from everbeat.clients.authorization import Credentials
    from everbeat.model.message import Message

FILTER_DEFAULT: Final = 0x01
FILTER_BITS: Final = 0x3F
SENDS_PER_SECOND_MAX: Final = 1_000  # a client that broadcasts more is hung up on
_CHANGES: Final = 0x01
_HEARTBEATS: Final = 0x02


@dataclass(slots=True)
class Session:
    """The state of one client, owned by ClientApi."""

    credentials: Credentials
    connected_ms: int
    is_stranger: bool = False  # no apiauth rule named its user when it came
    name: str = ""  # empty until signed on
    is_casual: bool = False
    generation: int = 0
    filter: int = FILTER_DEFAULT
    second_began_ms: int = 0
    sent_in_second: int = 0  # messages broadcast for it since then

    @property
    def is_signed_on(self) -> bool:
        """Whether signon succeeded."""
        return bool(self.name)

    def wants(self, message: Message, *, is_heartbeat: bool) -> bool:
        """Whether a message from the cluster is for this client."""
        if not self.is_signed_on:
            return False
        receiver = message.text("to_id")
        if receiver is not None:
            return receiver in {self.name, str(self.credentials.pid)}
        return bool(self.filter & (_HEARTBEATS if is_heartbeat else _CHANGES))


def is_within_rate(session: Session, now_ms: int) -> bool:
    """Count one more message to the cluster; return whether the client keeps to the limit."""
    if now_ms - session.second_began_ms >= 1_000:
        session.second_began_ms, session.sent_in_second = now_ms, 0
    session.sent_in_second += 1
    return session.sent_in_second <= SENDS_PER_SECOND_MAX


def filter_from_text(text: str | None) -> int | None:
    """Return the filter of a setfilter request (hex), or None if 3.0.6 would refuse it."""
    if text is None or not 0 < len(text) <= 8:
        return None
    try:
        value = int(text, 16)
    except ValueError:
        return None
    return value if value & FILTER_BITS else None
