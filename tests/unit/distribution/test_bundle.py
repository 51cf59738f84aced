"""What is sealed comes back, for whom it is meant and under its own offer alone."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.adapters.cipher import AesSiv
from everbeat.config.secrets import holds_secret
from everbeat.distribution.bundle import (
    BundleError,
    opened,
    packed_reports,
    sealed,
    unpacked_reports,
)
from everbeat.model.distribution import FILE_NAMES, Bundle, FileContent
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.reports import Place, Report, Severity
from everbeat.wire.derivation import derived

KEYS = AuthKeys(1, (AuthKey(1, "sha1", b"a secret word"),))
FILES = Bundle((FileContent("haresources", b"alpha 10.0.0.1\n"),), (("haresources", "ab"),))
PASSWORD = Bundle((FileContent("ha.cf", b"stonith_host alpha fence_x password=x\n"),))
SECRET = Bundle((FileContent("authkeys", b"auth 1\n1 sha1 new\n"),))


@given(st.dictionaries(st.sampled_from(FILE_NAMES), st.binary(max_size=500), min_size=1))
def test_any_bytes_come_back_whether_encrypted_or_signed(files: dict[str, bytes]) -> None:
    bundle = Bundle(tuple(FileContent(n, files[n]) for n in FILE_NAMES if n in files))
    assert opened(sealed(bundle, "a-1", KEYS, AesSiv()), "a-1", KEYS, AesSiv()) == bundle
    if not any(holds_secret(file.name, file.content) for file in bundle.files):
        assert opened(sealed(bundle, "a-1", KEYS, None), "a-1", KEYS, None) == bundle


@pytest.mark.parametrize("cipher", [AesSiv(), None])
def test_a_bundle_is_good_for_its_offer_and_its_keys_alone(cipher: AesSiv | None) -> None:
    field = sealed(FILES, "a-1", KEYS, cipher)
    others = AuthKeys(1, (AuthKey(1, "sha1", b"another"),))
    for offer, keys in (("a-2", KEYS), ("a-1", others), ("a-1", replace(KEYS, keys=()))):
        with pytest.raises(BundleError):
            opened(field, offer, keys, AesSiv())


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=200))
def test_what_nobody_sealed_is_no_bundle(field: str) -> None:
    with pytest.raises(BundleError):
        opened(field, "a-1", KEYS, AesSiv())


def test_a_secret_leaves_encrypted_or_not_at_all() -> None:
    for bundle in (SECRET, PASSWORD):
        with pytest.raises(BundleError, match="apt install python3-cryptography"):
            sealed(bundle, "a-1", KEYS, None)
    with pytest.raises(BundleError, match="crc"):
        sealed(FILES, "a-1", AuthKeys(1, (AuthKey(1, "crc"),)), AesSiv())


def test_files_that_fit_no_message_are_refused_by_the_sender() -> None:
    long = Bundle((FileContent("haresources", b"alpha 10.0.0.1\n" * 9_000),))
    assert sealed(long, "a-1", KEYS, None)
    digests = (sha256(bytes((i % 256, i // 256))).digest() for i in range(2_000))
    wild = Bundle((FileContent("haresources", b"".join(digests)),))
    with pytest.raises(BundleError, match="too long"):
        sealed(wild, "a-1", KEYS, None)


def test_reports_come_back() -> None:
    report = Report(
        code="address-malformed",
        severity=Severity.ERROR,
        summary="no address…",
        remedy="10.0.0.1",
        place=Place("haresources", 3, "alpha x"),
    )
    assert unpacked_reports(packed_reports((report,))) == (report,)
    assert unpacked_reports("nonsense") == ()


@pytest.mark.parametrize("line", [-1, 10**30, "9" * 40, 1e400, None])
def test_a_report_is_of_a_line_that_a_file_can_have(line: object) -> None:
    text = json.dumps([["code", 2, "summary", "remedy", "ha.cf", line, "text"]])
    assert unpacked_reports(base64.b64encode(zlib.compress(text.encode())).decode()) == ()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"files": ' * 50_000, "Infinity", "[1e999]"])
def test_no_json_of_a_holder_of_the_key_raises_anything_else(text: str) -> None:
    key = KEYS.keys[0]
    header = bytes([1, key.number])
    packed = zlib.compress(text.encode())
    secret = derived(key.secret, b"files encrypted", 64)
    field = base64.b64encode(header + AesSiv().encrypt(secret, header + b"id", packed)).decode()
    with pytest.raises(BundleError, match="no bundle of files"):
        opened(field, "id", KEYS, AesSiv())


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',  # from Python 3.12 on a slice is a key like any other
        "[" * 100_000,
        '[["code", 1, "", "", "", Infinity, ""]]',
        '[["code", 1e999, "", "", "", 1, ""]]',
        '[["code", NaN, "", "", "", 1, ""]]',
        "7",
    ],
)
def test_what_are_no_reports_are_none(text: str) -> None:
    assert unpacked_reports(base64.b64encode(zlib.compress(text.encode())).decode()) == ()
