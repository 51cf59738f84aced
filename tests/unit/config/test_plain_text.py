"""What no person sees in a file: it is reported once, and what was meant is read on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_cases import GOOD, HOST
from everbeat.config.codes import CODES
from everbeat.config.configuration import ConfigFile, ConfigFiles, Parsed, config_from_files
from everbeat.config.files import text_from_bytes
from everbeat.model.reports import Severity

NAMES = ("ha.cf", "authkeys", "haresources")


def read(**changed: str) -> Parsed:
    """Check the good files, some of them changed (`ha_cf`, `authkeys`, `haresources`)."""
    texts = {name: changed.get(name.replace(".", "_"), GOOD[name]) for name in NAMES}
    files = (ConfigFile(name, text) for name, text in texts.items())
    return config_from_files(ConfigFiles(*files), HOST)


def errors(parsed: Parsed) -> list[tuple[str, str, int]]:
    """Return code, file and line of each error."""
    found = [report for report in parsed.reports if report.severity is Severity.ERROR]
    return [(report.code, report.place.file, report.place.line) for report in found]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_an_old_mac_has_one_fault_and_no_dos_line_ends(name: str) -> None:
    parsed = read(**{name.replace(".", "_"): "# ours\r" + GOOD[name].replace("\n", "\r")})
    assert errors(parsed) == [("mac-line-ends", name, 1)]
    assert "dos-line-ends" not in {report.code for report in parsed.reports}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_a_word_processor_has_one_fault(name: str, encoding: str) -> None:
    text = text_from_bytes(GOOD[name].encode(encoding))
    assert errors(read(**{name.replace(".", "_"): text})) == [("byte-order-mark", name, 1)]


def test_a_cr_before_the_end_of_a_line_is_none_of_a_mac() -> None:
    assert errors(read(ha_cf=GOOD["ha.cf"].replace("\n", " \r \r\r\n"))) == []


def test_the_secret_of_a_key_behind_a_foreign_comment_is_not_shown() -> None:
    parsed = read(authkeys="//1 sha1 OldSecretKey\n" + GOOD["authkeys"])
    assert errors(parsed) == [("comment-sign", "authkeys", 1)]
    assert not any("OldSecret" in f"{report}" for report in parsed.reports)


def test_a_comment_of_another_kind_within_a_group_ends_nothing() -> None:
    parsed = read(haresources="alpha 10.99.0.50 \\\n // mail \\\n nginx\nbeta 10.99.0.51 nginx\n")
    assert errors(parsed) == [("comment-sign", "haresources", 2)]


@given(st.text(), st.sampled_from(NAMES))
def test_no_text_makes_the_checker_stumble(text: str, name: str) -> None:
    parsed = read(**{name.replace(".", "_"): text})
    assert {report.code for report in parsed.reports} <= set(CODES)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]))
def test_no_bytes_behind_a_mark_make_the_checker_stumble(data: bytes, mark: bytes) -> None:
    assert read(ha_cf=text_from_bytes(mark + data)).config is None
