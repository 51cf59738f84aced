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
    Joiner,
    Token,
    files_from_json,
    greeting,
    joiner_from_json,
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


GOOD = {"name": "gamma", "address": "192.0.2.9", "interface": "eth0"}


def test_who_wants_to_join_is_parsed_into_names() -> None:
    joiner = joiner_from_json({**GOOD, "name": " Gamma\n", "more": 1})
    assert joiner == Joiner(name="gamma", address=ip_address("192.0.2.9"), interface="eth0")
    six = joiner_from_json({**GOOD, "address": "fe80::9%eth1"})
    assert str(six.address) == "fe80::9%eth1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "gamma\nrespawn root /usr/bin/id"),
        ("name", "gamma respawn"),
        ("name", "../gamma"),
        ("name", "g\x1b[2Jamma"),
        ("name", "g\u202eamma"),
        ("name", "gämma"),
        ("name", "g" * 100),
        ("name", ""),
        ("name", None),
        ("name", ["gamma"]),
        ("name", "#gamma"),
        ("name", "-gamma"),
        ("address", "192.0.2.9\nrespawn root /usr/bin/id"),
        ("address", "fe80::9%x\nrespawn root /usr/bin/id"),
        ("address", "fe80::9%x respawn"),
        ("address", "192.0.2.0/24"),
        ("address", "host.example.org"),
        ("address", 7),
        ("interface", "eth0 x"),
        ("interface", "eth0\nrespawn"),
        ("interface", "../eth0"),
        ("interface", "x" * 16),
        ("interface", ""),
        ("interface", "eth\x9b0"),
    ],
)
def test_what_is_no_name_joins_nothing_and_is_shown_escaped(field: str, value: object) -> None:
    with pytest.raises(InvitationError) as caught:
        joiner_from_json({**GOOD, field: value})
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    with pytest.raises(InvitationError):
        joiner_from_json({key: text for key, text in GOOD.items() if key != field})


@given(st.dictionaries(st.sampled_from([*GOOD]), st.text(max_size=30)))
def test_any_words_are_names_or_an_error(words: dict[str, str]) -> None:
    try:
        joiner = joiner_from_json({**GOOD, **words})
    except InvitationError:
        return
    for text in (joiner.name, str(joiner.address), joiner.interface):
        assert len(text.split()) == 1
        assert text.isprintable()
        assert not set(text) & set("/#")


def test_files_of_an_inviter_are_bytes_by_name() -> None:
    assert files_from_json({"a": "\xff", "b": ""}, ("a", "b")) == {"a": b"\xff", "b": b""}
    for wrong in (None, [], {"a": "x"}, {"a": 1, "b": ""}, {"a": "\u0100", "b": ""}):
        with pytest.raises(InvitationError):
            files_from_json(wrong, ("a", "b"))
