"""Asking the witness: one UDP socket for each family, names resolved aside, nothing that blocks.

    ask(question) ── sealed ──> lowest IPv4 and lowest IPv6 address of HOST
    on_reply(answer) <── verified ── whatever arrives

HOST must be one machine. Of several addresses of a family the lowest is asked, so that all nodes
ask the same; asking another one after a failure could give both sides a witness.

HOST is resolved at the start, and again every LOOK_S as long as that fails or the witness does not
answer. It is asked for its presence every PRESENCE_S, so that its loss is known before it is
needed. `on_trouble(text)`: what keeps it from helping, after "the witness HOST"; empty: it answers
again. `on_heard()`: it has answered. Who is told that his key is not known tries his other ones:
while keys change, the witness may have the former one alone. An answer to none of the last
questions is passed over: it may be a recording, and proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.model.quorum import Want
from everbeat.wire.witness import (
    RejectedWitness,
    WitnessKeyring,
    open_reply,
    seal_ask,
    witness_keys,
)
from everbeat.wire.witness_notice import notice_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.model.cluster import WitnessPlace
    from everbeat.model.keys import AuthKeys
    from everbeat.model.quorum import WitnessAsk, WitnessReply
    from everbeat.wire.witness import WitnessKey

LOOK_S: Final = 5.0
PRESENCE_S: Final = 30.0
RESOLVE_TIMEOUT_S: Final = 5.0
UNANSWERED_MAX: Final = 4
"""Questions in a row without an answer before it is called trouble."""

NONCES_MAX: Final = 64
NONCE_BITS: Final = 64
UNKNOWN_KEY: Final = "does not know our key: everbeat add witness HOST brings it there"

NOTICES_MAX: Final = 16
"""Questions whose notice is still taken."""

RECEIVE_BATCH_MAX: Final = 100
_DATAGRAM_BYTES_MAX: Final = 2_048
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)


class WitnessClient:
    """Owns the sockets. `open()` once, then `keep_present()` as a task; `close()` at the end."""

    def __init__(
        self,
        place: WitnessPlace,
        keys: AuthKeys,
        presence: WitnessAsk,
        *,
        on_reply: Callable[[WitnessReply], None],
        on_trouble: Callable[[str], None],
        on_heard: Callable[[], None],
    ) -> None:
        self._place = place
        self._presence = presence
        self._on_reply = on_reply
        self._on_trouble = on_trouble
        self._on_heard = on_heard
        self._notices: deque[bytes] = deque(maxlen=NOTICES_MAX)  # to questions asked last
        self._is_stranger = False
        self._sockets: dict[socket.AddressFamily, socket.socket] = {}
        self._addresses: tuple[tuple[socket.AddressFamily, str], ...] = ()
        self._unanswered = 0
        self._nonces: deque[int] = deque(maxlen=NONCES_MAX)  # of the last questions
        self._heard_s = -PRESENCE_S
        self._trouble = ""
        self.use_keys(keys)

    def use_keys(self, keys: AuthKeys) -> None:
        """Sign and verify with other keys from now on; with none that has a secret: ask nothing."""
        self._usable = witness_keys(self._place.host, keys)
        self._key: WitnessKey | None = self._usable[0] if self._usable else None
        self._keyring = WitnessKeyring(self._usable)
        self._is_stranger = False
        self._heard_s = -PRESENCE_S  # ask soon whether it knows them

    def open(self) -> None:
        """Open the sockets; a family this machine does not have is left out."""
        loop = asyncio.get_running_loop()
        for family in _FAMILIES:
            with contextlib.suppress(OSError):
                opened = socket.socket(
                    family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                )
                self._sockets[family] = opened
                loop.add_reader(opened.fileno(), self._receive, opened)

    async def keep_present(self) -> None:
        """Resolve HOST, and look every LOOK_S whether the witness is there, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._addresses or self._unanswered >= UNANSWERED_MAX:
                await self._resolve()
            if loop.time() - self._heard_s >= PRESENCE_S:
                self._ask_presence()
            await asyncio.sleep(LOOK_S)

    def ask(self, question: WitnessAsk) -> None:
        """Send a question; one that cannot be sent is lost, and the next one follows soon."""
        if self._key is None:
            self._tell("cannot tell who asks: authkeys has no secret, but crc")
            return
        data = seal_ask(question, self._key)
        self._nonces.append(question.nonce)
        self._notices.append(notice_of(data))
        for family, address in self._addresses:
            opened = self._sockets.get(family)
            if opened is not None:
                with contextlib.suppress(OSError):
                    opened.sendto(data, (address, self._place.port))
        self._unanswered += 1
        if self._unanswered >= UNANSWERED_MAX and self._addresses:
            self._tell(UNKNOWN_KEY if self._is_stranger else "does not answer")

    def drain(self) -> None:
        """Take every answer that has arrived, so that time does not overtake it."""
        for opened in self._sockets.values():
            self._receive(opened)

    def close(self) -> None:
        """Close the sockets."""
        loop = asyncio.get_running_loop()
        for opened in self._sockets.values():
            loop.remove_reader(opened.fileno())
            opened.close()
        self._sockets.clear()

    def _ask_presence(self) -> None:
        self.ask(replace(self._presence, nonce=secrets.randbits(NONCE_BITS)))

    def _receive(self, opened: socket.socket) -> None:
        for _ in range(RECEIVE_BATCH_MAX):
            try:
                data = opened.recv(_DATAGRAM_BYTES_MAX)
            except OSError:
                return
            reply = open_reply(data, self._keyring)
            if data in self._notices:
                self._on_unknown_key()
            if not isinstance(reply, RejectedWitness) and reply.nonce in self._nonces:
                self._unanswered = 0
                self._heard_s = asyncio.get_running_loop().time()
                self._is_stranger = False
                self._tell("")
                self._on_heard()
                if reply.wants is not Want.PRESENCE:
                    self._on_reply(reply)

    def _on_unknown_key(self) -> None:
        """Try the next key; say so once none is known."""
        self._notices.clear()
        keys = self._usable
        if self._key is None or self._key not in keys:
            return
        following = keys.index(self._key) + 1
        self._key = keys[following % len(keys)]
        if following < len(keys):
            self._ask_presence()
        else:
            self._is_stranger = True
            self._tell(UNKNOWN_KEY)

    async def _resolve(self) -> None:
        host = self._place.host
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host.partition("%")[0])
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            self._addresses = ((family, host),)
            return
        resolving = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        try:
            found = await asyncio.wait_for(resolving, RESOLVE_TIMEOUT_S)
        except TimeoutError:
            self._tell("is not found: the resolver does not answer")
            return
        except (OSError, UnicodeError) as error:
            self._tell(f"is not found: {error}")
            return
        self._addresses = _lowest_of_each_family([(f, str(a[0])) for f, _, _, _, a in found])

    def _tell(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self._on_trouble(text)


def _lowest_of_each_family(
    found: list[tuple[socket.AddressFamily, str]],
) -> tuple[tuple[socket.AddressFamily, str], ...]:
    chosen: list[tuple[socket.AddressFamily, str]] = []
    for family in _FAMILIES:
        addresses = [address for f, address in found if f == family]
        if addresses:
            chosen.append((family, min(addresses, key=_number_of)))
    return tuple(chosen)


def _number_of(address: str) -> int:
    return int(ipaddress.ip_address(address.partition("%")[0]))
