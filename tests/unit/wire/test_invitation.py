"""Tokens come back, damaged ones are known, and only who has the secret understands."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.adapters.cipher import AesSiv
from everbeat.wire.invitation import (
    Conversation,
    InvitationError,
    Token,
    greeting,
    nonce_from_greeting,
    token_from_text,
    token_text,
)

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
TOKENS = st.builds(
    Token,
    address=ADDRESSES,
    port=st.integers(1, 65535),
    expires_s=st.integers(0, 2**32 - 1),
    secret=st.binary(min_size=16, max_size=16),
)
NONCE, OTHER = b"a" * 16, b"b" * 16


@given(TOKENS)
def test_a_token_comes_back(token: Token) -> None:
    assert token_from_text(f" {token_text(token)}\n") == token
    assert isinstance(token.address, IPv4Address | IPv6Address)


@given(TOKENS, st.integers(0, 200), st.sampled_from("ABCxyz019-_"))
def test_a_mistyped_token_is_known_as_damaged(token: Token, place: int, letter: str) -> None:
    text = token_text(token)
    place = 4 + place % (len(text) - 4)
    typed = text[:place] + letter + text[place + 1 :]
    with contextlib.suppress(InvitationError):
        assert token_from_text(typed) == token  # the same, or bits that base64 does not use


@given(st.text(max_size=80))
def test_any_word_is_a_token_or_an_error(word: str) -> None:
    with pytest.raises(InvitationError):
        token_from_text(word)


def pair(secret: bytes, other: bytes) -> tuple[Conversation, Conversation]:
    joiner = Conversation(secret, NONCE, OTHER, AesSiv(), is_inviter=False)
    return joiner, Conversation(other, NONCE, OTHER, AesSiv(), is_inviter=True)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=99)), max_size=9))
def test_both_sides_understand_each_other_in_order(said: list[tuple[bool, bytes]]) -> None:
    joiner, inviter = pair(b"s" * 16, b"s" * 16)
    for is_joiner, text in said:
        speaker, hearer = (joiner, inviter) if is_joiner else (inviter, joiner)
        assert hearer.open(speaker.seal(text)[4:]) == text


def test_another_secret_a_second_time_and_our_own_words_are_not_understood() -> None:
    joiner, inviter = pair(b"s" * 16, b"t" * 16)
    with pytest.raises(InvitationError):
        inviter.open(joiner.seal(b"hello")[4:])
    joiner, inviter = pair(b"s" * 16, b"s" * 16)
    data = joiner.seal(b"hello")[4:]
    with pytest.raises(InvitationError):
        joiner.open(data)
    assert inviter.open(data) == b"hello"
    with pytest.raises(InvitationError):
        inviter.open(data)


def test_a_greeting_names_its_nonce() -> None:
    assert nonce_from_greeting(greeting(NONCE)) == NONCE
    for wrong in (b"", b"SSH-2.0-OpenSSH_9.2\n", greeting(NONCE)[:-1]):
        with pytest.raises(InvitationError):
            nonce_from_greeting(wrong)
    assert ip_address("10.0.0.1").version == 4
