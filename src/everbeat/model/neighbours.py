"""Where nodes reach an address: what is asked of executors, and what they found.

A MAC is written as `02:00:00:00:00:01`; an empty one means there is none. Addresses are written
as Python's ipaddress writes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from everbeat.model.names import NodeName


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressAnnounced:
    """The neighbours were told that an address is here, at `mac`.

    `own_macs`: of every interface of this machine; by default Linux answers for an address on each
    interface of its network.
    """

    address: str
    mac: str
    own_macs: tuple[str, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class RepeatAnnouncement:
    """Order: if this address is here, tell the neighbours once more. Unanswered."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAddresses:
    """Order: ask the network who has these addresses; answered by AddressesProbed.

    Nobody's cache learns anything from the question. `asker` and `number` come back.
    """

    asker: NodeName
    number: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where one machine reaches an address."""

    address: str
    is_near: bool  # on a network of this machine, and the question could be asked
    held_at: str = ""  # the MAC of this machine's interface, if the address is on it
    cached: str = ""  # the MAC this machine had been sending to before it asked
    answers: tuple[str, ...] = ()  # MACs, in order of arrival, each once


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesProbed:
    """What was found; one finding for each address of the order, in its order."""

    asker: NodeName
    number: int
    findings: tuple[Finding, ...]
