"""Laws of the configuration checker: it never raises, never differs, and tells why it refuses."""

from __future__ import annotations

import string

from hypothesis import example, given, settings
from hypothesis import strategies as st

from config_cases import GOOD, HOST
from everbeat.commands.render_reports import render_reports, render_reports_json
from everbeat.config.codes import CODES
from everbeat.config.configuration import ConfigFile, ConfigFiles, Parsed, config_from_files
from everbeat.config.files import bytes_from_text, text_from_bytes
from everbeat.config.ha_cf import DIRECTIVES
from everbeat.model.reports import Severity

WORDS = st.one_of(
    st.sampled_from(
        [
            "alpha",
            "beta",
            "eth0",
            "eth9",
            "10.99.0.2",
            "fe80::1",
            "239.0.0.1",
            "694",
            "1",
            "0",
            "-1",
        ]
    ),
    st.sampled_from(
        ["on", "off", "legacy", "500ms", "10s", "root", "/bin/true", "uid=root", "#", ","]
    ),
    st.sampled_from(["auth", "sha1", "crc", "\\", "::", "IPaddr::10.0.0.1/24/eth0", "a" * 6000]),
    st.text(max_size=12),
)
LINES = st.builds(
    lambda name, words, blank: blank.join((name, *words)),
    st.one_of(st.sampled_from(sorted(DIRECTIVES)), WORDS),
    st.lists(WORDS, max_size=6),
    st.sampled_from([" ", "\t", ",", "  "]),
)
TEXTS = st.one_of(
    st.none(),
    st.lists(LINES, max_size=12).map("\n".join),
    st.text(max_size=300),
    st.binary(max_size=300).map(text_from_bytes),
    st.text(alphabet=string.printable, max_size=200),
)
MODES = st.integers(0, 0o7777)


def parsed_of(
    ha_cf: str | None, authkeys: str | None, haresources: str | None, mode: int
) -> Parsed:
    files = ConfigFiles(
        ConfigFile("ha.cf", ha_cf),
        ConfigFile("authkeys", authkeys, mode),
        ConfigFile("haresources", haresources),
    )
    return config_from_files(files, HOST)


@given(TEXTS, TEXTS, TEXTS, MODES)
@example("\0" * 100, "\0", "\0", 0o600)
@example("x" * 1_000_000, "1 " * 100_000, "alpha " + "1.2" * 100_000, 0o600)
@example("deadtime " + "9" * 5000, "auth " + "9" * 5000, "9.9.9." * 2000, 0o600)
@settings(max_examples=300)
def test_any_text_is_read_without_raising_and_always_the_same(
    ha_cf: str | None, authkeys: str | None, haresources: str | None, mode: int
) -> None:
    parsed = parsed_of(ha_cf, authkeys, haresources, mode)
    assert parsed == parsed_of(ha_cf, authkeys, haresources, mode)
    assert {report.code for report in parsed.reports} <= set(CODES)
    failed = {r.place.file for r in parsed.reports if r.severity is Severity.ERROR}
    assert (parsed.config is None) == ("ha.cf" in failed)
    assert (parsed.keys is None) == ("authkeys" in failed)
    assert not parsed.groups or "haresources" not in failed
    text = render_reports(parsed.reports, "/etc/ha.d", color=False)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert text.encode()
    assert render_reports_json(parsed.reports).encode()


@given(st.binary())
def test_bytes_survive_as_text(data: bytes) -> None:
    assert bytes_from_text(text_from_bytes(data)) == data


@given(
    st.binary(min_size=1, max_size=80).filter(lambda data: not set(data) & set(b"\0 \t\r\v\f\n"))
)
def test_a_secret_keeps_its_bytes(secret: bytes) -> None:
    authkeys = text_from_bytes(b"auth 1\n1 sha1 " + secret + b"\n")
    parsed = parsed_of(GOOD["ha.cf"], authkeys, GOOD["haresources"], 0o600)
    assert parsed.keys is not None
    assert parsed.keys.keys[0].secret == secret
    assert all(
        secret.decode("latin-1") not in report.place.text
        for report in parsed.reports
        if len(secret) > 6
    )


@given(st.binary(min_size=1, max_size=20), st.binary(max_size=20))
def test_a_secret_with_a_nul_byte_is_refused(before: bytes, behind: bytes) -> None:
    """To Heartbeat it ends there: the nodes would not sign with the same one."""
    authkeys = text_from_bytes(b"auth 1\n1 sha1 " + before + b"\0" + behind + b"\n")
    parsed = parsed_of(GOOD["ha.cf"], authkeys, GOOD["haresources"], 0o600)
    assert parsed.keys is None
    assert "nul-byte" in [report.code for report in parsed.reports]
