r"""What an editor, a word processor or a web page leaves in a file and no person sees there.

    whole file   UTF-16, byte-order mark, NUL, CR alone as line end ─► the text as meant, and errors
    a line       no-break spaces, marks without width, a comment that # does not begin

What is read on is the text as it was meant, so that nothing else is reported for the same cause;
the error keeps it from being used. Source: Heartbeat 3.0.6 takes a CR for a blank, and all else
here for a part of a word (measured).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.files import ConfigFile, bytes_from_text, has_lone_cr, split_at_lone_cr
from everbeat.model.reports import Place

if TYPE_CHECKING:
    from everbeat.model.reports import Report

COMMENT_SIGNS: Final = (";", "//", "/*", "*/", "--", "!", "%", "<!--")
"""Begin a comment elsewhere; no directive, node or key begins so."""

_LATIN_1_NO_BREAK: Final = "\udca0"
_BLANKS: Final = "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + _LATIN_1_NO_BREAK
_BLANK: Final = re.compile(f"[{_BLANKS}\u2000-\u200a]")
_WIDTHLESS: Final = re.compile("[\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_NUL: Final = "\0"
_BYTE_ORDER_MARK: Final = "\ufeff"
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def plain_file(file: ConfigFile) -> tuple[ConfigFile, list[Report]]:
    """Return the file as its text was meant, and an error for each thing that is not so."""
    reports: list[Report] = []
    text = file.text or ""
    if (data := bytes_from_text(text[:2])) in _UTF_16_MARKS:
        data = bytes_from_text(text)
        text = data[: len(data) & ~1].decode("utf-16", "replace")
        remedy = f"iconv -f UTF-16 -t UTF-8 {file.name} >NEW, then put NEW in its place"
        summary = f"{file.name} is UTF-16; it is read as UTF-8 or ASCII"
        reports.append(report_of("byte-order-mark", Place(file.name, 1), summary, remedy))
    elif text.startswith(_BYTE_ORDER_MARK):
        text = text.removeprefix(_BYTE_ORDER_MARK)
        summary = f"{file.name} begins with a byte-order mark, a part of its first word"
        remedy = f"sed -i '1s/^\\xEF\\xBB\\xBF//' {file.name}"
        reports.append(report_of("byte-order-mark", Place(file.name, 1), summary, remedy))
    if _NUL in text:
        place = Place(file.name, text.partition(_NUL)[0].count("\n") + 1)
        text = text.replace(_NUL, "")
        summary = f"{file.name} holds NUL bytes, the first in this line: it is damaged, or no text"
        remedy = f"{file.name} from a backup or another node; or tr -d '\\0' <{file.name} >NEW"
        reports.append(report_of("nul-byte", place, summary, remedy))
    if has_lone_cr(text):
        first, _ = split_at_lone_cr(text, 1)
        place = Place(file.name, first.count("\n") + 1)
        text = "\n".join(split_at_lone_cr(text))
        summary = "a CR alone ends a line here, as on old Macs; it is a blank, and the line goes on"
        remedy = f"sed -i 's/\\r$//; s/\\r/\\n/g' {file.name}"
        reports.append(report_of("mac-line-ends", place, summary, remedy))
    return (replace(file, text=text) if reports else file), reports


def unseen_in(text: str) -> str:
    """Name the first character of a text that nobody sees as what it is; "" if there is none."""
    found = _BLANK.search(text) or _WIDTHLESS.search(text)
    if found is None:
        return ""
    char = found[0]
    if char == _LATIN_1_NO_BREAK:
        return "byte A0 (no-break space in ISO 8859-1)"
    return f"U+{ord(char):04X} ({unicodedata.name(char, 'next line').lower()})"


def without_unseen(text: str) -> str:
    """Return the text with plain blanks, and without marks that have no width."""
    return _WIDTHLESS.sub("", _BLANK.sub(" ", text))


def unseen_report(place: Place, text: str, *, unseen: str) -> Report:
    """Return the error for a line of which `text` is all of it."""
    summary = f"{unseen} stands in this line: it is a part of a word, and separates nothing"
    return report_of("character-unseen", place, summary, without_unseen(text).strip())


def begins_foreign_comment(text: str) -> bool:
    """Whether a line begins as a comment does elsewhere."""
    return text.lstrip().startswith(COMMENT_SIGNS)


def comment_report(place: Place, text: str, remedy: str = "") -> Report:
    """Return the error for such a line, with its text behind # unless another remedy is given."""
    (sign, *_) = (sign for sign in COMMENT_SIGNS if text.lstrip().startswith(sign))
    rest = text.strip().removeprefix(sign).removesuffix("*/").removesuffix("-->").strip()
    summary = f"'{sign}' begins no comment here; # does"
    return report_of("comment-sign", place, summary, remedy or f"# {rest}")
