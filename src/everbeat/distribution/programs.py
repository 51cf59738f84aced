"""Lines that decide what root runs here: another node may not change them by itself.

    files of another node ──► a guarded line is new or gone ──► refused, unless ha.cf here says
                              `distribute programs`, or a person wrote the same line here

Guarded are lines of ha.cf that name programs, users, files or devices, and resource words of
haresources with a path among their parameters (a configuration to load, a file system to mount).
An address that is malformed is refused as what it is: a site's own script would be given it.
Whoever has the key, or an old backup of it, is then not root everywhere: it moves groups, and
starts what is installed here, as it is installed here.

Lines are compared as they are written, and shown without their secrets: what is reported goes to
the other node and into the log.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.files import (
    ConfigFile,
    first_word_and_rest,
    lines_of,
    text_from_bytes,
    values_of,
    without_comment,
    words_of,
)
from everbeat.config.haresources import logical_lines
from everbeat.config.resources import address_arguments
from everbeat.config.secrets import masked_file
from everbeat.model.distribution import HA_CF, HARESOURCES
from everbeat.model.service_address import faults_of, read_address, well_formed, word_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from everbeat.model.distribution import Bundle
    from everbeat.model.reports import Place, Report

DIRECTIVE: Final = "distribute"
PROGRAMS: Final = "programs"
GUARDED: Final = frozenset({
    "respawn", "failfast", "stonith", "stonith_host", "apiauth", "env",
    "logfile", "debugfile", "coreroot", "watchdog", "serial", DIRECTIVE,
})  # fmt: skip
"""Directives that name programs, users, files or devices; and the word that lets them change."""


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A line or word that is guarded: as written, as it may be shown, and where it stands."""

    text: str
    shown: str
    place: Place


def program_reports(bundle: Bundle, present: Mapping[str, bytes | None]) -> tuple[Report, ...]:
    """Return an error for each guarded line that these files of another node would change here.

    `present`: this node's files by name.
    """
    if allows_programs(present.get(HA_CF)):
        return ()
    offered = {file.name: file.content for file in bundle.files}
    reports: list[Report] = []
    for name, entries in ((HA_CF, _guarded_lines), (HARESOURCES, _guarded_words)):
        if name in offered:
            here = list(entries(name, present.get(name)))
            there = list(entries(name, offered[name]))
            reports += _differences(name, here, there)
    return tuple(reports)


def allows_programs(ha_cf: bytes | None) -> bool:
    """Whether an ha.cf lets other nodes change what is guarded: `distribute programs`."""
    for line in lines_of(_file(HA_CF, ha_cf)):
        directive, rest = first_word_and_rest(without_comment(line.text))
        if directive == DIRECTIVE and PROGRAMS in values_of(rest):
            return True
    return False


def _differences(name: str, here: list[_Guarded], there: list[_Guarded]) -> Iterator[Report]:
    known = Counter(guarded.text for guarded in here)
    for guarded in there:
        if known[guarded.text]:
            known[guarded.text] -= 1
            continue
        arguments = address_arguments(guarded.shown) if name == HARESOURCES else None
        faults = faults_of(read_address(arguments)[1]) if arguments is not None else ()
        if arguments is not None and faults:
            summary = f"'{guarded.shown}' cannot be served: {faults[0].problem}"
            remedy = word_of(well_formed(arguments))
            yield report_of("address-not-allowed", guarded.place, summary, remedy)
            continue
        summary = f"'{guarded.shown}' names what root is to use here; another node may not bring it"
        remedy = (
            f"this line in {name} of this node by hand, then distribute again; "
            f"or {DIRECTIVE} {PROGRAMS} in its ha.cf"
        )
        yield report_of("program-not-allowed", guarded.place, summary, remedy)
    if name == HARESOURCES:
        return  # what is gone is stopped, as a standby does
    for guarded in here:
        if known[guarded.text]:
            known[guarded.text] -= 1
            summary = (
                f"'{guarded.shown}' stands here and not in the other node's file; it may not "
                "remove it"
            )
            remedy = (
                f"delete it in {name} of this node by hand, then distribute again; "
                f"or {DIRECTIVE} {PROGRAMS} in its ha.cf"
            )
            yield report_of("program-not-allowed", guarded.place, summary, remedy)


def _guarded_lines(name: str, content: bytes | None) -> Iterator[_Guarded]:
    file = _file(name, content)
    for line, masked in zip(lines_of(file), lines_of(masked_file(file)), strict=True):
        words = words_of(without_comment(line.text))
        if words and words[0] in GUARDED:
            shown = words_of(without_comment(masked.text))
            yield _Guarded(" ".join(words), " ".join(shown), masked.place)


def _guarded_words(name: str, content: bytes | None) -> Iterator[_Guarded]:
    file = _file(name, content)
    pairs = zip(logical_lines(file, []), logical_lines(masked_file(file), []), strict=True)
    for logical, masked in pairs:
        words = zip(words_of(logical.text), words_of(masked.text), strict=True)
        for word, shown in tuple(words)[1:]:
            if "/" in word and not _is_served(word):
                yield _Guarded(word, shown, masked.line.place)


def _is_served(word: str) -> bool:
    """Whether a resource word is an address, its prefix and interface, and nothing else."""
    arguments = address_arguments(word)
    return arguments is not None and not faults_of(read_address(arguments)[1])


def _file(name: str, content: bytes | None) -> ConfigFile:
    return ConfigFile(name, None if content is None else text_from_bytes(content))
