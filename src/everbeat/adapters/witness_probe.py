"""Whether a witness knows a key, asked by a command: one question for its presence, and again."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from everbeat.wire.witness import RejectedWitness, WitnessKeyring, open_reply, seal_ask
from everbeat.wire.witness_notice import notice_of

if TYPE_CHECKING:
    from everbeat.model.cluster import WitnessPlace
    from everbeat.model.quorum import WitnessAsk
    from everbeat.wire.witness import WitnessKey

ASK_S: Final = 0.5
TRIES: Final = 4
_DATAGRAM_BYTES_MAX: Final = 2_048


class Knows(Enum):
    """What a witness said of a key."""

    YES = auto()
    NO = auto()
    SILENT = auto()  # it did not answer, or has no address


def ask_witness(place: WitnessPlace, key: WitnessKey, presence: WitnessAsk) -> Knows:
    """Ask at every address of the witness, TRIES times, until one answers."""
    question = replace(presence, nonce=secrets.randbits(64))  # no recording answers this one
    data = seal_ask(question, key)
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return Knows.SILENT
    told = Knows.SILENT
    for _ in range(TRIES):
        for family, kind, protocol, _, address in found:
            with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as asking:
                asking.connect(address)
                asking.send(data)
                told = _answer(asking, data, key, question.nonce)
                if told is not Knows.SILENT:
                    return told
    return told


def _answer(asking: socket.socket, data: bytes, key: WitnessKey, nonce: int) -> Knows:
    end_s = time.monotonic() + ASK_S
    while (left_s := end_s - time.monotonic()) > 0:
        asking.settimeout(left_s)
        received = asking.recv(_DATAGRAM_BYTES_MAX)
        if received == notice_of(data):
            return Knows.NO
        reply = open_reply(received, WitnessKeyring((key,)))
        if not isinstance(reply, RejectedWitness) and reply.nonce == nonce:
            return Knows.YES
    return Knows.SILENT
