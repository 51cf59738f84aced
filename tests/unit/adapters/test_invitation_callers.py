"""Whoever calls without the token neither holds up nor ends what waits for the one who has it."""

from __future__ import annotations

import contextlib
import socket
import time
from ipaddress import ip_address

from everbeat.adapters.cipher import AesSiv
from everbeat.adapters.invitation_socket import (
    CALLERS_MAX,
    CALLERS_OF_ADDRESS_MAX,
    FIRST_BYTES_MAX,
    PROOF_S,
    Callers,
    listening,
    talk_to_inviter,
)
from everbeat.wire.invitation import NONCE_BYTES, Token, greeting
from lab.slowness import machine

STRANGER = "127.0.0.2"


def invitation() -> tuple[socket.socket, Token]:
    waiting = listening("127.0.0.1", 0)
    token = Token(
        address=ip_address("127.0.0.1"),
        port=waiting.getsockname()[1],
        expires_s=int(time.time()) + 60,
        secret=bytes(range(16)),
    )
    return waiting, token


def stranger(token: Token, length: int, address: str = STRANGER) -> socket.socket:
    """Call, greet, and promise so many bytes."""
    caller = socket.create_connection((str(token.address), token.port), 5, (address, 0))
    with contextlib.suppress(OSError):
        caller.sendall(greeting(bytes(NONCE_BYTES)) + length.to_bytes(4, "big"))
    return caller


def test_who_has_the_token_gets_through_whatever_others_do() -> None:
    waiting, token = invitation()
    with contextlib.ExitStack() as opened:
        opened.enter_context(contextlib.closing(waiting))
        callers = opened.enter_context(contextlib.closing(Callers(waiting, token, AesSiv())))
        for _ in range(12):
            stranger(token, 0).close()
        for _ in range(3 * CALLERS_OF_ADDRESS_MAX):
            opened.enter_context(stranger(token, FIRST_BYTES_MAX))  # and then nothing
        began_ms = time.monotonic() * 1000
        talk = opened.enter_context(contextlib.closing(talk_to_inviter(token, AesSiv())))
        talk.say({"name": "gamma"})
        while (call := callers.next_call(PROOF_S)) is not None and call.talk is None:
            assert (call.source, call.asked) == (STRANGER, {})
        assert call is not None
        assert call.asked == {"name": "gamma"}
        allowed = machine().allowed(PROOF_S * 1000 / 2, began_ms)
        assert time.monotonic() * 1000 - began_ms < allowed.ms, allowed
        assert call.talk is not None
        call.talk.say({"files": "x" * 2 * FIRST_BYTES_MAX})
        assert len(talk.hear()["files"]) == 2 * FIRST_BYTES_MAX
        call.talk.close()


def test_strangers_with_many_addresses_keep_no_place_from_who_has_the_token() -> None:
    waiting, token = invitation()
    with contextlib.ExitStack() as opened:
        opened.enter_context(contextlib.closing(waiting))
        callers = opened.enter_context(contextlib.closing(Callers(waiting, token, AesSiv())))
        for number in range(2 * CALLERS_MAX):
            address = f"127.0.1.{number % (CALLERS_MAX // 2)}"
            opened.enter_context(stranger(token, FIRST_BYTES_MAX, address))  # and then nothing
        talk = opened.enter_context(contextlib.closing(talk_to_inviter(token, AesSiv())))
        talk.say({"name": "gamma"})
        while (call := callers.next_call(PROOF_S)) is not None and call.talk is None:
            assert call.source.startswith("127.0.1.")
        assert call is not None
        assert call.asked == {"name": "gamma"}
        assert call.talk is not None
        call.talk.close()


def test_a_caller_that_promises_too_much_or_says_too_little_is_hung_up_on() -> None:
    waiting, token = invitation()
    with (
        contextlib.closing(waiting),
        contextlib.closing(Callers(waiting, token, AesSiv())) as callers,
        stranger(token, FIRST_BYTES_MAX + 1),
        stranger(token, 2) as slow,
    ):
        call = callers.next_call(PROOF_S)
        assert call is not None
        assert "does not speak as an everbeat does" in call.error
        slow.settimeout(PROOF_S + 5)
        with contextlib.suppress(ConnectionError):
            while slow.recv(100):
                pass
        call = callers.next_call(PROOF_S)
        assert call is not None
        assert "no answer" in call.error
