from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everbeat.adapters.cipher import AesSiv
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.wire.datagram import Rejected
from everbeat.wire.dialect import (
    MAGIC,
    SIGNED,
    Origin,
    Unsealed,
    can_seal,
    derived_key,
    from_serial,
    open_own,
    seal_own,
    to_serial,
)

SIGNING = AuthKey(1, "sha256", b"a secret of twenty characters")
ENCRYPTING = AuthKey(2, "aes-siv", b"another secret")
KEYS = AuthKeys(1, (SIGNING, ENCRYPTING))
ORIGIN = Origin(bytes(range(16)), 7, 1 << 40)
CIPHER = AesSiv()

texts = st.binary(max_size=200)
keys = st.sampled_from(KEYS.keys)


@given(texts, keys)
def test_what_was_sealed_opens_with_its_origin(text: bytes, key: AuthKey) -> None:
    datagram = seal_own(text, ORIGIN, key, CIPHER)
    assert open_own(datagram, KEYS, CIPHER) == Unsealed(text, key.number, ORIGIN)


@given(texts, keys, st.data())
def test_a_changed_bit_anywhere_is_noticed(text: bytes, key: AuthKey, data: st.DataObject) -> None:
    datagram = bytearray(seal_own(text, ORIGIN, key, CIPHER))
    bit = data.draw(st.integers(0, len(datagram) * 8 - 1))
    datagram[bit // 8] ^= 1 << bit % 8
    assert isinstance(open_own(bytes(datagram), KEYS, CIPHER), Rejected)


@given(st.binary(max_size=300))
def test_whatever_a_stranger_sends_is_rejected(data: bytes) -> None:
    assert isinstance(open_own(MAGIC + data, KEYS, CIPHER), Rejected)


@given(texts, keys)
def test_a_serial_line_carries_the_same(text: bytes, key: AuthKey) -> None:
    datagram = seal_own(text, ORIGIN, key, CIPHER)
    assert from_serial(to_serial(datagram)) == datagram


def test_an_encrypted_text_cannot_be_read() -> None:
    assert b"secret plan" not in seal_own(b"secret plan", ORIGIN, ENCRYPTING, CIPHER)


def test_a_key_of_another_method_opens_nothing() -> None:
    """A number that became another method's: a signature may not be taken for encryption."""
    datagram = seal_own(b"text", ORIGIN, SIGNING, CIPHER)
    other = AuthKeys(1, (AuthKey(1, "aes-siv", SIGNING.secret),))
    assert open_own(datagram, other, CIPHER) == Rejected("unknown-key")


def test_without_the_cipher_encrypted_datagrams_are_rejected() -> None:
    datagram = seal_own(b"text", ORIGIN, ENCRYPTING, CIPHER)
    assert open_own(datagram, KEYS, None) == Rejected("bad-digest")


def test_crc_has_no_secret_to_seal_with() -> None:
    assert not can_seal(AuthKey(1, "crc"))
    assert can_seal(AuthKey(1, "sha1", b"secret"))


def test_derived_keys_are_those_of_rfc_5869() -> None:
    """Computed beside this code with the HKDF of the cryptography package."""
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - the peer of one test
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    theirs = HKDF(SHA256(), 32, b"everbeat", b"datagram 1").derive(b"secret")
    assert derived_key(b"secret", SIGNED) == theirs
