"""Which words of ha.cf and haresources are secrets: who may read the file, and what is shown of it.

    NAME=PASSWORD              in any line, NAME as agents and mount options have it
    --NAME PASSWORD            the same in two words, or in three around a lone `=`
    scheme://USER:PASSWORD@    in any line
    NUMBER METHOD SECRET       a line of authkeys in the wrong file
    stonith_host … VALUE…      a plug-in's values in their order: one of them may be its password
    stonith TYPE FILE          the same, in a file of its own (`config.fencing` looks at its mode)

Whether a value in a place is a password only its plug-in knows, so all but those that take none
are taken to have one. Source: `stonith -t TYPE -n` of cluster-glue 1.0.12.

Nothing of it leaves a file: reports are made from `masked_file`, and `masked` takes it out of
every text that quotes a resource, a command or what a program said. A mask has no length of its own
and stands for exactly one word, so that a masked line falls into the same words as the line.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.files import (
    QUOTES,
    ConfigFile,
    Line,
    lines_of,
    text_from_bytes,
    without_comment,
    without_quotes,
)
from everbeat.config.suggestions import nearest
from everbeat.model.distribution import HARESOURCES, SECRET_NAMES
from everbeat.model.fencing import MEATWARE, is_fence_agent
from everbeat.model.keys import METHODS
from everbeat.model.reports import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from everbeat.model.reports import Report

MASK: Final = "********"
"""What is shown of a secret, whatever its length."""

READABLE_BY_OTHERS: Final = 0o044
WITHOUT_PASSWORD: Final = frozenset({
    MEATWARE, "null", "ssh", "suicide", "apcsmart", "bladehpi", "cyclades", "ibmhmc", "nw_rpc100s",
    "rcd_serial", "rps10", "external/drac5", "external/hetzner", "external/kdumpcheck",
    "external/libvirt", "external/ssh", "external/vcenter", "external/vmware", "external/xen0",
    "external/xen0-ha",
})  # fmt: skip
"""Fencing devices none of whose parameters is a password."""

_BLANKS: Final = re.compile(r"([ \t\r\v\f\n]+)")
_QUOTES: Final = "".join(sorted(QUOTES))
_DIRECTIVES: Final = ("stonith", "stonith_host", "stonith_action", "stonith_timeout")
_NAME_AND_REST: Final = re.compile(r"([^=:,]*)[=:,]?(.*)", re.DOTALL)
_NAMED: Final = re.compile(r"(?<![\w.-])([\w.-]++)=(?=.)", re.DOTALL)
_NAME_AT_END: Final = re.compile(r"(?<![\w.-])([\w.-]++)=$")
_OPTION: Final = re.compile(r"-+[\w.-]+")
_URL_BEGINS: Final = re.compile(r"\w://[^\s/:@]*+:")
_URL_ENDS: Final = re.compile(r"\S*@")
_PARAMETER_ENDS: Final = re.compile(r"(::|,(?=[\w.-]+=))")
_CONTINUATION: Final = re.compile(r"\\[ \t\r]*$")
_SECRET_NAME: Final = re.compile(
    r"pass(?!iv)|pwd|secret|communit|token|psk|(?:api|access|auth|shared)[_-]?key|hexadecimal_kg"
    r"|(?:^|[_-])p(?:in|w)$",
    re.IGNORECASE,
)
_PATH_NAME: Final = re.compile(r"(?:script|file|path|dir)$", re.IGNORECASE)


def holds_secret(name: str, content: bytes) -> bool:
    """Whether nobody but root may read a file of this name with this content."""
    if name in SECRET_NAMES:
        return True
    return next(_secret_lines(ConfigFile(name, text_from_bytes(content))), None) is not None


def check_secrets(file: ConfigFile) -> tuple[Report, ...]:
    """Report a secret that others than its owner may read; its line is not quoted."""
    line = next(_secret_lines(file), None) if file.mode & READABLE_BY_OTHERS else None
    if line is None:
        return ()
    summary = f"{file.name} has mode {file.mode & 0o777:o}: others can read the secret in this line"
    place = Place(file.name, line.number)
    return (report_of("secret-readable", place, summary, f"chmod 600 {file.name}"),)


def masked_file(file: ConfigFile) -> ConfigFile:
    """Return ha.cf or haresources with masks for its secrets, and else the same lines and words."""
    if file.text is None:
        return file
    is_ha_cf = not _is_haresources(file)
    lines = (_masked_line(line, is_ha_cf=is_ha_cf) for line in file.text.split("\n"))
    return replace(file, text="\n".join(lines))


def masked(text: str) -> str:
    """Return a text of any origin with masks for what follows the name of a secret."""
    if "://" not in text and _SECRET_NAME.search(text) is None:
        return text
    return _rewritten(text, _masked_words)


def without_values(text: str, kind: str, parameters: tuple[str, ...], known: str) -> str:
    """Return what a fencing device's program said, with masks for the device's own secrets.

    `known`: the node that it was asked about; it and addresses are no secrets.
    """
    words = ("stonith_host", "*", kind, *parameters)
    pairs = zip(words, _masked_line_words(words, is_ha_cf=True), strict=True)
    values = {word[len(shown) - len(MASK) :] for word, shown in pairs if shown != word}
    for value in sorted(values - {known, ""}, key=lambda value: (-len(value), value)):
        if not _is_address(value):
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, text)
    return masked(text)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _secret_lines(file: ConfigFile) -> Iterator[Line]:
    is_ha_cf = not _is_haresources(file)
    for line in lines_of(file):
        if MASK in _masked_line(without_comment(line.text), is_ha_cf=is_ha_cf):
            yield line


def _is_haresources(file: ConfigFile) -> bool:
    return file.name.rpartition("/")[2] == HARESOURCES


def _masked_line(text: str, *, is_ha_cf: bool) -> str:
    """Mask one line. Behind a secret `#` may be a part of it: such a comment is masked as well."""
    end = None if is_ha_cf else _CONTINUATION.search(text)
    text, tail = (text[: end.start()], end.group()) if end else (text, "")
    parts = text.split("#")
    for index, part in enumerate(parts):
        content, begin = part, _URL_BEGINS.search(part)
        if begin and any(map(_URL_ENDS.match, parts[index + 1 : index + 2])):
            content = part[: begin.end()] + MASK
        parts[index] = _rewritten(content, partial(_masked_line_words, is_ha_cf=is_ha_cf))
        if MASK in parts[index]:
            rest = parts[index + 1 :]
            parts[index + 1 :] = [MASK if any(map(str.strip, rest)) else "".join(rest)][: len(rest)]
            break
    return "#".join(parts) + tail


def _rewritten(text: str, mask: Callable[[tuple[str, ...]], list[str]]) -> str:
    """Have the words of a text masked; blanks stay, and typographic quotes around a word."""
    parts = _BLANKS.split(text)
    at = [index for index, part in enumerate(parts) if index % 2 == 0 and without_quotes(part)]
    words = tuple(without_quotes(parts[index]) for index in at)
    for index, word, shown in zip(at, words, mask(words), strict=True):
        if shown != word:
            part = parts[index]
            begin = part[: len(part) - len(part.lstrip(_QUOTES))]
            parts[index] = begin + shown + part[len(part.rstrip(_QUOTES)) :]
    return "".join(parts)


def _masked_line_words(words: tuple[str, ...], *, is_ha_cf: bool) -> list[str]:
    """Mask the words of a line: what is named, and values in the order of a plug-in."""
    shown = _masked_words(words) if is_ha_cf else _masked_parameters(words)
    begin = _values_begin(words, is_ha_cf=is_ha_cf)
    values = words[begin:]
    has_names = begin > 0 and is_fence_agent(words[begin - 1])
    for index, word in enumerate(values, begin):
        name, _, value = word.partition("=")
        if _is_address(value or word):
            continue
        if has_names and name and value:
            shown[index] = f"{name}={MASK}"
        else:
            shown[index] = word if has_names and word.endswith("=") else MASK
            has_names = False  # from here on `=` may be a part of a value
    return shown


def _masked_parameters(words: tuple[str, ...]) -> list[str]:
    """Mask the words of haresources, where a secret ends before the next parameter or option."""
    shown = _masked_words(words)
    for index, word in enumerate(words):
        if shown[index] == _masked_word(word):
            shown[index] = "".join(map(_masked_word, _PARAMETER_ENDS.split(word)))
    return shown


def _masked_words(words: tuple[str, ...]) -> list[str]:
    """Mask what is named, by the same word or by those before it."""
    shown = [_masked_word(word) for word in words]
    for index in range(1, len(words)):
        word, before, first = words[index], words[index - 1], words[max(index - 2, 0)]
        name = _NAME_AT_END.search(before)
        is_named = name is not None and _is_secret(name[1])
        is_option = _OPTION.fullmatch(before) is not None and _is_secret(before)
        if is_named or (is_option and word != "=") or (before == "=" and _is_bare_secret(first)):
            shown[index] = MASK
        elif word.startswith("=") and word != "=" and _is_bare_secret(before):
            shown[index] = f"={MASK}"
    return shown


def _masked_word(word: str) -> str:
    for match in _NAMED.finditer(word):
        if _is_secret(match[1]):
            return word[: match.end()] + MASK
    begin, end = _URL_BEGINS.search(word), word.rfind("@")
    return f"{word[: begin.end()]}{MASK}{word[end:]}" if begin and begin.end() < end else word


def _is_bare_secret(word: str) -> bool:
    return "=" not in word and _is_secret(word)


def _is_secret(name: str) -> bool:
    name = name.strip("-._:")
    return _SECRET_NAME.search(name) is not None and _PATH_NAME.search(name) is None


def _values_begin(words: tuple[str, ...], *, is_ha_cf: bool) -> int:
    """Return the index of the first value that may be a secret without a name, or their number.

    A misspelt directive counts as well, also one with a sign behind it or without its host.
    """
    if not words:
        return 0
    at = 1 if words[0] in {"auth", "env"} and len(words) > 1 else 0
    if words[at].isdigit() and words[at + 1 : at + 2] and words[at + 1].lower() in METHODS:
        return at + 2
    if is_ha_cf and _is_bare_secret(words[at]):
        return at + 1
    parts = _NAME_AND_REST.fullmatch(words[0])
    assert parts is not None
    directive = nearest(parts[1], _DIRECTIVES) if is_ha_cf else parts[1]
    if directive == "stonith_host":
        begin = 2 if parts[2] or _is_type(words[1:2]) else 3
    elif directive == "stonith" and is_ha_cf:
        begin = 1 if parts[2] else 2
        begin += bool(words[begin : begin + 1]) and words[begin].startswith("/")
    else:
        begin = len(words)
    if begin >= len(words):
        return len(words)
    kind, values = words[begin - 1], words[begin:]
    ends = "" if is_fence_agent(kind) else "="  # a password may end with `=`
    are_named = all("=" in word.rstrip(ends).lstrip("=") for word in values)
    is_clean = kind in WITHOUT_PASSWORD or (are_named and directive == "stonith_host")
    return len(words) if is_clean else begin


def _is_type(words: tuple[str, ...]) -> bool:
    """Whether a type stands where the host of a device should."""
    return any("/" in word or is_fence_agent(word) for word in words)
