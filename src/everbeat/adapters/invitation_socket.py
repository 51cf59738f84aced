"""A conversation under a token over TCP, blocking, with a limit for every wait."""

from __future__ import annotations

import json
import secrets
import socket
from typing import TYPE_CHECKING, Any, Final

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


class Talk:
    """What both sides say to each other: JSON objects. Close it."""

    def __init__(self, peer: socket.socket, conversation: Conversation) -> None:
        self._socket = peer
        self._conversation = conversation
        peer.settimeout(WAIT_S)

    def say(self, value: dict[str, Any]) -> None:  # Any: JSON
        """Send one object. Raises InvitationError."""
        try:
            self._socket.sendall(self._conversation.seal(json.dumps(value).encode()))
        except OSError as error:
            raise InvitationError(f"the other side is gone: {error.strerror or error}") from error

    def hear(self) -> dict[str, Any]:  # Any: JSON
        """Return the next object; an `error` in it is raised as InvitationError."""
        size = int.from_bytes(_exactly(self._socket, 4), "big")
        if size > SEALED_BYTES_MAX:
            raise InvitationError("the other side does not speak as an everbeat does")
        text = self._conversation.open(_exactly(self._socket, size))
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
    peer.settimeout(GREETING_S)
    theirs = nonce_from_greeting(_exactly(peer, GREETING_BYTES))
    ours = secrets.token_bytes(NONCE_BYTES)
    try:
        peer.sendall(greeting(ours))
    except OSError as error:
        raise InvitationError("the other side is gone") from error
    return Talk(peer, Conversation(token.secret, theirs, ours, cipher, is_inviter=True))


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
        waiting.listen(4)
    except OSError:
        waiting.close()
        raise
    return waiting


def _shown(text: str) -> str:
    """Return the other side's words as lines that a terminal can show."""
    lines = text[:ERROR_CHARACTERS_MAX].split("\n")
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            more = peer.recv(size - len(data))
        except OSError as error:
            raise InvitationError(f"no answer: {error.strerror or error}") from error
        if not more:
            raise InvitationError("the other side does not know this token, and has hung up")
        data += more
    return data
