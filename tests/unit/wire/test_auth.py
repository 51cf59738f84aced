from __future__ import annotations

import hashlib
import hmac

import pytest

from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.wire.auth import METHODS, crc, token, verify
from everbeat.wire.errors import WireError

KEYS = AuthKeys(1, (AuthKey(1, "sha1", b"secret"), AuthKey(2, "md5", b"secret"), AuthKey(3, "crc")))


def crc_by_the_book(data: bytes) -> int:
    """CRC-32 bit by bit: polynomial 0x04C11DB7, most significant bit first, from 0."""
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
            register &= 0xFFFFFFFF
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize("data", [b"", b"\0", b"a", b"123456789", bytes(range(256)) * 3])
def test_crc_is_cksum_without_the_length(data: bytes) -> None:
    assert crc(b"", data) == f"{crc_by_the_book(data):x}"


def test_crc_is_written_without_leading_zeros() -> None:
    short = next(d for n in range(1 << 16) if crc_by_the_book(d := b"%d" % n) < 1 << 24)
    assert len(crc(b"", short)) < 8
    assert verify(KEYS, token(KEYS, 3, short), short) == ""


@pytest.mark.parametrize("secret", [b"k" * 64, b"k" * 65, b"k" * 130, "schlüssel".encode(), b"#a"])
@pytest.mark.parametrize("method", ["sha1", "md5"])
def test_secrets_of_any_length_make_standard_hmacs(method: str, secret: bytes) -> None:
    keys = AuthKeys(7, (AuthKey(7, method, secret),))
    expected = hmac.new(secret, b"data", getattr(hashlib, method)).hexdigest()
    assert token(keys, 7, b"data") == f"7 {expected}"


def test_a_token_is_checked_with_the_key_of_its_own_number() -> None:
    for number in (1, 2, 3):
        assert verify(KEYS, token(KEYS, number, b"data"), b"data") == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 " + "0" * 40, "bad-digest"),
        (token(KEYS, 1, b"data").upper(), "malformed"),
        (token(KEYS, 1, b"data") + "0", "bad-digest"),
        ("2" + token(KEYS, 1, b"data")[1:], "bad-digest"),
        ("7" + token(KEYS, 1, b"data")[1:], "unknown-key"),
        ("", "malformed"),
        ("1", "malformed"),
        ("1 ", "malformed"),
        ("-1 abc", "malformed"),
        ("one abc", "malformed"),
        ("1  abc", "malformed"),
        ("1 abc\n", "malformed"),
        ("\u0661 abc", "malformed"),
        ("111 abc", "malformed"),
    ],
)
def test_a_token_that_is_not_good_says_why(text: str, reason: str) -> None:
    assert verify(KEYS, text, b"data") == reason


def test_a_key_nobody_has_cannot_sign() -> None:
    with pytest.raises(WireError) as caught:
        token(KEYS, 9, b"data")
    assert caught.value.reason == "unknown-key"


def test_a_method_we_do_not_know_verifies_nothing() -> None:
    keys = AuthKeys(1, (AuthKey(1, "rot13", b"secret"),))
    assert verify(keys, "1 abc", b"data") == "unknown-key"


def test_the_methods_are_those_of_authkeys() -> None:
    assert sorted(METHODS) == ["crc", "md5", "sha1"]
