"""authkeys: the secrets, and which of them signs.

    auth NUMBER
    NUMBER METHOD [SECRET]

`#` begins a comment only at the start of a line. A line beginning with `a` is an auth line; it must
stand before the key it names. Source: measured reactions of Heartbeat 3.0.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.files import QUOTES, ConfigFile, Line, bytes_from_text, lines_of, words_of
from everbeat.config.plain_text import (
    begins_foreign_comment,
    comment_report,
    plain_file,
    unseen_in,
)
from everbeat.config.secrets import READABLE_BY_OTHERS
from everbeat.config.suggestions import nearest
from everbeat.config.values import leading_number, number_from_word
from everbeat.model.keys import AUTH_KEYS_MAX, METHODS, AuthKey, AuthKeys
from everbeat.model.reports import Place, Severity

if TYPE_CHECKING:
    from everbeat.model.reports import Report

OWN_METHODS: Final = frozenset({"aes-siv", "sha256"})  # of everbeat's dialect, unknown to 3.0.6
SECRET_SHORT: Final = 8
NO_COMMENT: Final = "a # inside a line of authkeys is no comment"
_NUMBER: Final = re.compile(r"[+-]?[0-9]", re.ASCII)
SHOWN_WORD_MAX: Final = 12


@dataclass(slots=True)
class _Sheet:
    """What was read so far."""

    file: str
    auth: int | None = None  # the last auth line's number
    auth_line: Line | None = None
    signing: int | None = None  # the last key that followed an auth line naming it
    keys: dict[int, AuthKey] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    def report(self, code: str, line: Line, summary: str, remedy: str = "") -> None:
        """Remember a problem. The quoted line loses its secret."""
        place = Place(line.file, line.number, _masked(line.text))
        self.reports.append(report_of(code, place, summary, remedy))


def read_authkeys(file: ConfigFile) -> tuple[AuthKeys | None, tuple[Report, ...]]:
    """Read the keys; None if anything is an error."""
    sheet = _Sheet(file.name)
    if file.text is None:
        remedy = (
            "everbeat keys new writes one (--method sha1 with Heartbeat 3.0.6); same on all nodes"
        )
        summary = f"{file.name} does not exist or is unreadable"
        return None, (report_of("file-missing", Place(file.name), summary, remedy),)
    if file.mode & READABLE_BY_OTHERS:
        summary = f"{file.name} has mode {file.mode & 0o777:o}: others can read the keys"
        remedy = f"chmod 600 {file.name}"
        sheet.reports.append(report_of("authkeys-mode", Place(file.name), summary, remedy))
    plain, reports = plain_file(file)
    sheet.reports += reports
    for line in lines_of(plain):
        _read_line(sheet, line)
    _check_signing(sheet)
    if any(report.severity is Severity.ERROR for report in sheet.reports):
        return None, tuple(sheet.reports)
    assert sheet.signing is not None
    return AuthKeys(sheet.signing, tuple(sheet.keys.values())), tuple(sheet.reports)


def _read_line(sheet: _Sheet, line: Line) -> None:
    words = words_of(line.text)
    if not words or words[0].startswith("#"):
        return
    if begins_foreign_comment(line.text):
        sheet.reports.append(comment_report(Place(line.file, line.number, "…"), line.text, "# …"))
        return
    if unseen := unseen_in(line.text):
        summary = f"{unseen} is a part of the word it stands at, also of a secret"
        sheet.report("key-unseen", line, summary, "a plain blank or nothing, on every node")
    if not QUOTES.isdisjoint(line.text):
        summary = "typographic quotes are a part of the word they stand at, also of a secret"
        sheet.report("key-quotes", line, summary, "the line without them, on every node")
    if words[0].startswith("a"):
        _read_auth(sheet, line, words)
    else:
        _read_key(sheet, line, words)


def _read_auth(sheet: _Sheet, line: Line, words: tuple[str, ...]) -> None:
    """Read `auth NUMBER`; Heartbeat needs no blank between them, and reads leading digits."""
    text = " ".join(words)
    number_text = text.removeprefix("auth").strip()
    if text == number_text or _NUMBER.match(number_text) is None:
        sheet.report("auth-malformed", line, "an auth line is `auth` and a number", "auth 1")
        return
    number = leading_number(number_text)
    if words != ("auth", str(number)):
        summary = f"'{text[:SHOWN_WORD_MAX]}' is read as auth {number}"
        summary = f"{NO_COMMENT}; the line is read as auth {number}" if "#" in text else summary
        sheet.report("auth-sloppy", line, summary, f"auth {number}")
    if not 0 <= number < AUTH_KEYS_MAX:
        summary = f"key numbers go from 0 to {AUTH_KEYS_MAX - 1}, not to {number}"
        sheet.report("key-number", line, summary, "auth 1")
        return
    if sheet.auth_line is not None:
        summary = f"a second auth line; the first is line {sheet.auth_line.number}"
        sheet.report("auth-twice", line, summary, "keep one auth line")
    sheet.auth, sheet.auth_line = number, line


def _read_key(sheet: _Sheet, line: Line, words: tuple[str, ...]) -> None:
    number = number_from_word(words[0])
    if number is None or len(words) < 2:
        sheet.report("key-malformed", line, "not a key line", "1 sha1 SECRET")
        return
    if not 0 <= number < AUTH_KEYS_MAX:
        summary = f"key numbers go from 0 to {AUTH_KEYS_MAX - 1}, not to {number}"
        sheet.report("key-number", line, summary, f"1 {words[1]} SECRET")
        return
    method = words[1]
    if method not in METHODS:
        meant = nearest(method, METHODS) or "sha1"
        shown = f"'{method[:SHOWN_WORD_MAX]}'" if len(words) > 2 else "the second word"
        summary = f"{shown} is none of the methods {', '.join(METHODS)}"
        sheet.report("key-method-unknown", line, summary, f"{number} {meant} SECRET")
        return
    secret = words[2] if len(words) > 2 else ""
    if not _is_secret_right(sheet, line, number, method, secret):
        return
    _warn_of_key(sheet, line, number, words)
    sheet.keys[number] = AuthKey(number, method, bytes_from_text(secret))
    if number == sheet.auth:
        sheet.signing = number


def _is_secret_right(sheet: _Sheet, line: Line, number: int, method: str, secret: str) -> bool:
    if method == "crc" and secret:
        summary = "crc takes no secret"
        summary = f"{NO_COMMENT}, and {summary}" if secret.startswith("#") else summary
        sheet.report("key-secret-unexpected", line, summary, f"{number} crc")
        return False
    if method != "crc" and not secret:
        summary = f"{method} needs a secret"
        sheet.report("key-secret-missing", line, summary, f"{number} {method} SECRET")
        return False
    return True


def _warn_of_key(sheet: _Sheet, line: Line, number: int, words: tuple[str, ...]) -> None:
    method = words[1]
    if number in sheet.keys:
        summary = f"key {number} stands here again and replaces the former one"
        sheet.report("key-twice", line, summary, "give every key its own number")
    if method != "crc" and words[2].startswith("#"):
        summary = f"{NO_COMMENT}: the word that begins with it is the secret"
        remedy = f"{number} {method} SECRET, the comment on a line of its own"
        sheet.report("key-comment", line, summary, remedy)
    elif len(words) > 3:
        code = "key-comment" if words[3].startswith("#") else "key-surplus"
        summary = "the secret is the third word alone; the rest of the line is ignored"
        summary = f"{NO_COMMENT}; {summary}" if code == "key-comment" else summary
        sheet.report(code, line, summary, f"{number} {method} SECRET, without blanks in SECRET")
    if method == "crc":
        summary = "crc: anyone on the network can send commands to this cluster"
        sheet.report("key-crc", line, summary, f"{number} sha1 SECRET")
        return
    if method in OWN_METHODS:
        summary = f"Heartbeat 3.0.6 does not know {method}: every node must run everbeat"
        sheet.report("key-own-method", line, summary, "sha1 while Heartbeat nodes remain")
    if len(words[2]) < SECRET_SHORT:
        summary = f"the secret has only {len(words[2])} characters"
        sheet.report("key-short", line, summary, "a secret of 20 random characters")


def _check_signing(sheet: _Sheet) -> None:
    """Report what keeps us from signing, unless a broken line explains it."""
    auth, line = sheet.auth, sheet.auth_line
    broken = {r.code for r in sheet.reports if r.severity is Severity.ERROR} - {"authkeys-mode"}
    if auth is None or line is None:
        if not broken & {"auth-malformed", "key-number"}:
            summary = "no auth line says which key signs"
            remedy = f"auth {next(iter(sheet.keys), 1)} as the first line"
            sheet.reports.append(report_of("auth-missing", Place(sheet.file), summary, remedy))
    elif sheet.signing is not None:
        if len(sheet.keys) > 1 and sheet.keys[sheet.signing].method not in OWN_METHODS:
            summary = "peers running Heartbeat 3.0.6 verify every key with their own signing key"
            remedy = "change keys on all nodes at the same time while Heartbeat nodes remain"
            sheet.report("key-several", line, summary, remedy)
    elif auth in sheet.keys:
        summary = f"auth {auth} must stand before the key it names"
        sheet.report("auth-after-key", line, summary, f"auth {auth} as the first line")
    elif not broken:
        known = ", ".join(map(str, sheet.keys)) or "none"
        summary = f"auth {auth}: there is no key {auth}; the file has {known}"
        remedy = f"auth {next(iter(sheet.keys))}" if sheet.keys else f"{auth} sha1 SECRET"
        sheet.report("auth-key-missing", line, summary, remedy)


def reports_of_recordings(keys: AuthKeys, place: Place) -> tuple[Report, ...]:
    """Report a key that Heartbeat knows, for a cluster that promises one holder at a time."""
    signing = keys.key(keys.signing)
    if signing is None or signing.method in OWN_METHODS:
        return ()
    summary = (
        f"{signing.method} is spoken with Heartbeat 3.0.6 as well, of which nobody can tell a "
        "recording from the present: beside one, whoever records the network can make two holders"
    )
    remedy = "everbeat keys rotate, once every node runs everbeat (docs/protocol/wire.md, Lives)"
    return (report_of("auth-recordings", place, summary, remedy),)


def _masked(text: str) -> str:
    """Return a line as a report may show it: number and method, nothing that may be a secret."""
    words = words_of(text)
    is_auth = words[0].startswith("au")
    if not is_auth and number_from_word(words[0]) is None:
        return "…"
    shown = [words[0][:SHOWN_WORD_MAX]]
    if len(words) > 1 and (words[1] in METHODS or is_auth or len(words) > 2):
        shown.append(words[1][:SHOWN_WORD_MAX])
    return " ".join([*shown, "…"] if len(words) > len(shown) else shown)
