"""Files that another node sends: may they replace our own, and do they fit this machine.

Nodes have the same ha.cf but for the names of their network interfaces: a line that names one
which this machine has not gets the one this machine speaks through.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.config.files import bytes_from_text, text_from_bytes, words_of
from everbeat.model.distribution import HA_CF, Bundle, FileContent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_NAMES_AN_INTERFACE: Final = frozenset({"bcast", "ucast", "mcast", "ucast6", "mcast6"})


def digest_of(content: bytes | None) -> str:
    """Return the word by which a file's content is known; empty for no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def refusal(bundle: Bundle, present: Mapping[str, bytes | None]) -> str:
    """Say why these files may not replace what is here, or nothing."""
    offered = {file.name: file.content for file in bundle.files}
    for name, digest in bundle.base:
        here = present.get(name)
        if here != offered.get(name) and digest_of(here) != digest:
            return (
                f"{name} differs here from what the other node had; "
                "make them the same first: everbeat reload --all on the node that has the right one"
            )
    return ""


def fitted(
    bundle: Bundle, present: Mapping[str, bytes | None], interfaces: Collection[str]
) -> Bundle:
    """Return the bundle as it is to be installed here."""
    here = present.get(HA_CF) or b""
    usual = usual_interface(here, interfaces)
    fitting = tuple(
        FileContent(file.name, localized(file.content, interfaces, usual))
        if file.name == HA_CF and file.content != here  # a person wrote this one here
        else file
        for file in bundle.files
    )
    return replace(bundle, files=fitting)


def usual_interface(ha_cf: bytes, interfaces: Collection[str]) -> str:
    """Return the interface through which an ha.cf speaks here; empty if it names none."""
    for line in text_from_bytes(ha_cf).split("\n"):
        words = words_of(line)
        if len(words) > 1 and words[0] in _NAMES_AN_INTERFACE and words[1] in interfaces:
            return words[1]
    return ""


def localized(ha_cf: bytes, interfaces: Collection[str], usual: str) -> bytes:
    """Return an ha.cf whose lines name `usual` where they name no interface of this machine."""
    if not usual:
        return ha_cf
    lines = text_from_bytes(ha_cf).split("\n")
    return bytes_from_text("\n".join(_localized_line(line, interfaces, usual) for line in lines))


def _localized_line(line: str, interfaces: Collection[str], usual: str) -> str:
    words = words_of(line)
    if len(words) < 2 or words[0] not in _NAMES_AN_INTERFACE or words[1] in interfaces:
        return line
    return line.replace(words[1], usual, 1)
