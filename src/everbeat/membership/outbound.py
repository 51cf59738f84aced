"""What we sent: kept to be sent again, and how far each peer has acknowledged it.

    asked for   acknowledged by the asker   ignored
                above our highest           ignored
                below what we keep          NAK "seqno too low"
                sent again < 240 ms ago     ignored (another receiver asked)
                kept                        sent again, field by field the same

Flow control: when the slowest live peer is more than FLOW_WINDOW numbers behind, clients are to
pause; heartbeats go on. Peers of the old protocol acknowledge nothing and are not counted.

Source: measured on 3.0.6 (captures rexmit, lifecycle).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.membership.inbound import HISTORY_MAX

if TYPE_CHECKING:
    from everbeat.model.message import Message
    from everbeat.model.names import NodeName

RESENT_PER_REQUEST_MAX: Final = 50
RESEND_PAUSE_MS: Final = 240
FLOW_WINDOW: Final = 250


@dataclass(frozen=True, slots=True)
class Refusal:
    """A number that can't be sent again: to be answered by NS_nak_rexmit."""

    number: int
    reason: str


@dataclass(slots=True)
class _Sent:
    message: Message
    resent_ms: int | None = None


class History:
    """Our last HISTORY_MAX numbered messages."""

    def __init__(self) -> None:
        self._sent: dict[int, _Sent] = {}  # ascending
        self.highest = 0

    def add(self, number: int, message: Message) -> None:
        """Keep a message; forget the oldest one when full."""
        self._sent[number] = _Sent(message)
        self.highest = number
        if len(self._sent) > HISTORY_MAX:
            del self._sent[next(iter(self._sent))]

    def again(self, first: int, last: int, acked: int, now_ms: int) -> list[Message | Refusal]:
        """Return what to answer to a request for first..last by a peer that has `acked`."""
        answers: list[Message | Refusal] = []
        lowest = next(iter(self._sent), self.highest + 1)
        first, last = max(first, acked + 1), min(last, self.highest)
        for number in range(first, min(last, first + RESENT_PER_REQUEST_MAX - 1) + 1):
            sent = self._sent.get(number)
            if sent is None:
                reason = "seqno too low" if number < lowest else "seqno not found"
                answers.append(Refusal(number, reason))
            elif sent.resent_ms is None or now_ms - sent.resent_ms >= RESEND_PAUSE_MS:
                sent.resent_ms = now_ms
                answers.append(sent.message)
        return answers


@dataclass(slots=True)
class _Receiver:
    since: int  # our highest number when it began to take part
    acked: int = 0
    is_counted: bool = False


class Acknowledgements:
    """How far each peer has heard us."""

    def __init__(self) -> None:
        self._receivers: dict[NodeName, _Receiver] = {}

    def begin(self, node: NodeName, highest: int) -> None:
        """Note that a peer starts afresh: first heard, or restarted."""
        self._receivers[node] = _Receiver(since=highest)

    def remove(self, node: NodeName) -> None:
        """Forget a peer."""
        self._receivers.pop(node, None)

    def restart(self) -> None:
        """Note that our own numbers start again at 1."""
        for receiver in self._receivers.values():
            receiver.since = receiver.acked = 0

    def count(self, node: NodeName, highest: int, *, is_counted: bool) -> None:
        """Say whether a peer takes part in flow control now; if it begins to, it is not behind."""
        receiver = self._receivers.setdefault(node, _Receiver(since=highest))
        if is_counted and not receiver.is_counted:
            receiver.since = highest
        receiver.is_counted = is_counted

    def on_ack(self, node: NodeName, number: int, highest: int) -> None:
        """Take an acknowledgement; those that go back or beyond what we sent are ignored."""
        receiver = self._receivers.get(node)
        if receiver and receiver.acked < number <= highest:
            receiver.acked = number

    def acked(self, node: NodeName) -> int:
        """Return the highest number a peer has acknowledged, 0 for none."""
        receiver = self._receivers.get(node)
        return receiver.acked if receiver else 0

    def must_pause(self, highest: int) -> bool:
        """Say whether the slowest counted peer is too far behind."""
        reached = [max(r.since, r.acked) for r in self._receivers.values() if r.is_counted]
        return bool(reached) and highest - min(reached) > FLOW_WINDOW
