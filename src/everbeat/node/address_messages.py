"""The two messages by which nodes check where they reach an address. 3.0.6 ignores both.

    eb_address_check   nodes=beta gamma  number=7  addresses=10.0.0.50 fd77::50
    eb_address_seen    dest=alpha        number=7  seen=10.0.0.50/1//MAC/MAC,MAC ...

A word of `seen`: address, whether it is near, the MAC it is held at, the MAC used before the
question, and those that answered. What no everbeat node writes is passed over.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from everbeat.model.neighbours import AddressesProbed, Finding, ProbeAddresses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.message import Message

CHECK_TYPE: Final = "eb_address_check"
SEEN_TYPE: Final = "eb_address_seen"
ADDRESSES_MAX: Final = 32
"""Addresses in one question; more go into the next one. What a message has beyond is unread."""
ANSWERS_MAX: Final = 8
"""MACs told of one address; more than two are a broken network in any case."""

_NODES: Final = "nodes"
_NUMBER: Final = "number"
_ADDRESSES: Final = "addresses"
_SEEN: Final = "seen"
_PARTS: Final = 5
_NUMBER_DIGITS_MAX: Final = 18
_MAC: Final = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def check_message(nodes: Iterable[NodeName], number: int, addresses: Iterable[str]) -> Message:
    """Return the question to these nodes."""
    fields = {_NODES: " ".join(nodes), _NUMBER: str(number), _ADDRESSES: " ".join(addresses)}
    return message_of(t=CHECK_TYPE, **fields)


def probe_from_message(message: Message, own: NodeName) -> ProbeAddresses | None:
    """Return what a question has this node do; None if it is ours, for others, or no question."""
    asker = message.text("src") or ""
    number = _number(message)
    is_asked = own in (message.text(_NODES) or "").split()
    if message.type != CHECK_TYPE or asker in {"", own} or not is_asked or number is None:
        return None
    words = (message.text(_ADDRESSES) or "").split()[:ADDRESSES_MAX]
    addresses = tuple(word for word in words if _is_address(word))
    if not addresses:
        return None
    return ProbeAddresses(asker=NodeName(asker), number=number, addresses=addresses)


def seen_message(probed: AddressesProbed) -> Message:
    """Return the answer to whoever asked."""
    words = " ".join(_word_of(finding) for finding in probed.findings)
    return message_of(t=SEEN_TYPE, dest=probed.asker, number=str(probed.number), seen=words)


def probed_from_message(message: Message, own: NodeName) -> AddressesProbed | None:
    """Return what another node found for us, or None."""
    number = _number(message)
    if message.type != SEEN_TYPE or message.text("dest") != own or number is None:
        return None
    words = (message.text(_SEEN) or "").split()[:ADDRESSES_MAX]
    findings = tuple(f for word in words if (f := _finding_from_word(word)) is not None)
    return AddressesProbed(asker=own, number=number, findings=findings)


def _number(message: Message) -> int | None:
    text = message.text(_NUMBER) or ""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _NUMBER_DIGITS_MAX
    return int(text) if is_number else None


def _is_address(word: str) -> bool:
    try:
        address = ip_address(word)
    except ValueError:
        return False
    return str(address) == word  # no scope, no other spelling


def _word_of(finding: Finding) -> str:
    answers = ",".join(finding.answers[:ANSWERS_MAX])
    near = "1" if finding.is_near else "0"
    return f"{finding.address}/{near}/{finding.held_at}/{finding.cached}/{answers}"


def _finding_from_word(word: str) -> Finding | None:
    parts = word.split("/")
    if len(parts) != _PARTS or parts[1] not in {"0", "1"}:
        return None
    answers = parts[4].split(",")[:ANSWERS_MAX] if parts[4] else []
    macs = [mac for mac in (parts[2], parts[3], *answers) if mac]
    if not all(_MAC.fullmatch(mac) for mac in macs):
        return None
    return Finding(
        address=parts[0],
        is_near=parts[1] == "1",
        held_at=parts[2],
        cached=parts[3],
        answers=tuple(answers),
    )
