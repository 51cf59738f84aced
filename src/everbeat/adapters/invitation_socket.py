"""A conversation under a token over TCP, blocking, with a limit for every wait."""

from __future__ import annotations

import contextlib
import json
import queue
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from everbeat.wire.invitation import (
    GREETING_BYTES,
    NONCE_BYTES,
    SEALED_BYTES_MAX,
    Conversation,
    InvitationError,
    greeting,
    nonce_from_greeting,
)

if TYPE_CHECKING:
    from everbeat.ports.cipher import Cipher
    from everbeat.wire.invitation import Token

WAIT_S: Final = 60.0
"""How long the other side may take: it checks and distributes files."""

GREETING_S: Final = 5.0
CONNECT_S: Final = 5.0
ERROR_CHARACTERS_MAX: Final = 4_000

PROOF_S: Final = 5.0
"""How long a caller may take until it has shown that it has the token."""

FIRST_BYTES_MAX: Final = 4_096
"""The longest first thing that a caller says, sealed."""

_LOOK_S: Final = 0.2
CALLERS_MAX: Final = 16
CALLERS_OF_ADDRESS_MAX: Final = 4
"""So many callers without proof are heard at a time, in all and from one address. Another one takes
the place of the one that has kept it longest: of its own address, or of that with the most."""


class Talk:
    """What both sides say to each other: JSON objects. Close it."""

    def __init__(
        self, peer: socket.socket, conversation: Conversation, proof_by_s: float | None = None
    ) -> None:
        """Begin. `proof_by_s`: until when the other side must have been understood once."""
        self._socket = peer
        self._conversation = conversation
        self._proof_by_s = proof_by_s
        peer.settimeout(WAIT_S)

    def say(self, value: dict[str, Any]) -> None:  # Any: JSON
        """Send one object. Raises InvitationError."""
        try:
            self._socket.sendall(self._conversation.seal(json.dumps(value).encode()))
        except OSError as error:
            raise InvitationError(f"the other side is gone: {error.strerror or error}") from error

    def hear(self) -> dict[str, Any]:  # Any: JSON
        """Return the next object; an `error` in it is raised as InvitationError."""
        by_s = self._proof_by_s
        size = int.from_bytes(_exactly(self._socket, 4, by_s), "big")
        if size > (SEALED_BYTES_MAX if by_s is None else FIRST_BYTES_MAX):
            raise InvitationError("the other side does not speak as an everbeat does")
        text = self._conversation.open(_exactly(self._socket, size, by_s))
        self._proof_by_s = None
        self._socket.settimeout(WAIT_S)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvitationError("the other side does not speak as an everbeat does") from error
        if not isinstance(value, dict):
            raise InvitationError("the other side does not speak as an everbeat does")
        if value.get("error"):
            raise InvitationError(_shown(str(value["error"])))
        return value

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def talk_to_inviter(token: Token, cipher: Cipher) -> Talk:
    """Call the inviter. Raises InvitationError."""
    place = (str(token.address), token.port)
    try:
        peer = socket.create_connection(place, CONNECT_S)
    except ConnectionRefusedError as error:
        raise InvitationError(
            f"nobody waits at {place[0]}:{place[1]} any more: the token was used or its command "
            "was ended; write on a node of the cluster: everbeat invite"
        ) from error
    except OSError as error:
        raise InvitationError(
            f"{place[0]}:{place[1]} cannot be reached: {error.strerror or error}"
        ) from error
    ours = secrets.token_bytes(NONCE_BYTES)
    peer.settimeout(GREETING_S)
    try:
        peer.sendall(greeting(ours))
        theirs = nonce_from_greeting(_exactly(peer, GREETING_BYTES))
    except (OSError, InvitationError):
        peer.close()
        raise
    return Talk(peer, Conversation(token.secret, ours, theirs, cipher, is_inviter=False))


def talk_to_joiner(peer: socket.socket, token: Token, cipher: Cipher) -> Talk:
    """Greet who has called. Raises InvitationError."""
    proof_by_s = time.monotonic() + PROOF_S
    theirs = nonce_from_greeting(_exactly(peer, GREETING_BYTES, proof_by_s))
    ours = secrets.token_bytes(NONCE_BYTES)
    try:
        peer.sendall(greeting(ours))
    except OSError as error:
        raise InvitationError("the other side is gone") from error
    conversation = Conversation(token.secret, theirs, ours, cipher, is_inviter=True)
    return Talk(peer, conversation, proof_by_s)


class Call(NamedTuple):
    """Who has called: with the token a talk and what was asked, else why it is none of ours."""

    source: str
    talk: Talk | None
    asked: dict[str, Any]  # Any: JSON
    error: str = ""


class Callers:
    """Everybody who calls, each heard beside the others: nobody holds up who has the token."""

    def __init__(self, waiting: socket.socket, token: Token, cipher: Cipher) -> None:
        """Begin to take calls at a listening socket; `close` ends that."""
        self._waiting = waiting
        self._token = token
        self._cipher = cipher
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unproved: list[tuple[str, socket.socket]] = []  # in the order they called
        self._is_over = False
        waiting.settimeout(_LOOK_S)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def next_call(self, wait_s: float) -> Call | None:
        """Return the next call that is decided, or None if there is none in time."""
        with contextlib.suppress(queue.Empty):
            return self._calls.get(timeout=max(0.0, wait_s))
        return None

    def close(self) -> None:
        """Take no more calls."""
        self._is_over = True
        self._thread.join()

    def _accept(self) -> None:
        while not self._is_over:
            try:
                peer, address = self._waiting.accept()
            except OSError:
                continue
            source = str(address[0])
            with self._lock:
                self._make_room(source)
                self._unproved.append((source, peer))
            threading.Thread(target=self._hear, args=(peer, source), daemon=True).start()

    def _make_room(self, source: str) -> None:
        """Hang up on one caller if there is no place for another one from this address."""
        sources = [other for other, _ in self._unproved]
        crowded = source
        if sources.count(source) < CALLERS_OF_ADDRESS_MAX:
            if len(sources) < CALLERS_MAX:
                return
            crowded = max(sources, key=sources.count)
        _, oldest = self._unproved.pop(sources.index(crowded))
        with contextlib.suppress(OSError):  # it has hung up itself
            oldest.shutdown(socket.SHUT_RDWR)  # its thread hears of it, and closes it

    def _hear(self, peer: socket.socket, source: str) -> None:
        try:
            talk = talk_to_joiner(peer, self._token, self._cipher)
            call = Call(source, talk, talk.hear())
        except InvitationError as error:
            call = Call(source, None, {}, str(error))
        if not self._leave(peer, source) and call.talk is not None:
            call = Call(source, None, {}, "too many called at the same time")
        if call.talk is None:
            peer.close()
        self._calls.put(call)

    def _leave(self, peer: socket.socket, source: str) -> bool:
        """Give up a caller's place; False: another one has it already."""
        with self._lock:
            had_place = (source, peer) in self._unproved
            if had_place:
                self._unproved.remove((source, peer))
        return had_place


def own_address(token: Token) -> str:
    """Return the address of this machine that speaks with the inviter; empty without a way."""
    family = socket.AF_INET6 if token.address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((str(token.address), token.port))
        except OSError:
            return ""
        return str(asking.getsockname()[0])


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that waits for joiners. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    waiting = socket.socket(family, socket.SOCK_STREAM)
    waiting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        waiting.bind((address, port))
        waiting.listen(CALLERS_MAX)
    except OSError:
        waiting.close()
        raise
    return waiting


def _shown(text: str) -> str:
    """Return the other side's words as lines that a terminal can show."""
    lines = text[:ERROR_CHARACTERS_MAX].split("\n")
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def _exactly(peer: socket.socket, size: int, by_s: float | None = None) -> bytes:
    """Return so many bytes; `by_s`: when all of them must have come (monotonic clock)."""
    data = b""
    while len(data) < size:
        if by_s is not None:
            peer.settimeout(max(0.001, by_s - time.monotonic()))
        try:
            more = peer.recv(size - len(data))
        except OSError as error:
            raise InvitationError(f"no answer: {error.strerror or error}") from error
        if not more:
            raise InvitationError("the other side does not know this token, and has hung up")
        data += more
    return data
