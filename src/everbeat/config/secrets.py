"""Which lines of ha.cf and haresources hold a secret, and whether others may read it.

    NAME=PASSWORD              in any line, NAME as agents and mount options have it
    stonith_host … VALUE…      a plug-in's values in their order: one of them may be its password
    stonith TYPE FILE          the same, in a file of its own (`config.fencing` looks at its mode)

Whether a value in a place is a password only its plug-in knows, so all but those that take none
are taken to have one. Source: `stonith -t TYPE -n` of cluster-glue 1.0.12.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.files import (
    ConfigFile,
    Line,
    lines_of,
    text_from_bytes,
    without_comment,
    without_quotes,
    words_of,
)
from everbeat.model.distribution import SECRET_NAMES
from everbeat.model.fencing import MEATWARE, is_fence_agent
from everbeat.model.reports import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.model.reports import Report

READABLE_BY_OTHERS: Final = 0o044
WITHOUT_PASSWORD: Final = frozenset({
    MEATWARE, "null", "ssh", "suicide", "apcsmart", "bladehpi", "cyclades", "ibmhmc", "nw_rpc100s",
    "rcd_serial", "rps10", "external/drac5", "external/hetzner", "external/kdumpcheck",
    "external/libvirt", "external/ssh", "external/vcenter", "external/vmware", "external/xen0",
    "external/xen0-ha",
})  # fmt: skip
"""Fencing devices none of whose parameters is a password."""

_NAMED: Final = re.compile(r"(?:^|[\s:,;])([\w.-]+)=(?=\S)")
_SECRET_NAME: Final = re.compile(
    r"pass(?!iv)|pwd|secret|communit|token|psk|(?:api|access)[_-]?key|^pin$", re.IGNORECASE
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


def _secret_lines(file: ConfigFile) -> Iterator[Line]:
    for line in lines_of(file):
        content = without_quotes(without_comment(line.text))
        if any(map(_is_secret, _NAMED.findall(content))) or _hands_values_over(content):
            yield line


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None and _PATH_NAME.search(name) is None


def _hands_values_over(content: str) -> bool:
    """Whether this is a line of ha.cf that gives a plug-in values without their names."""
    directive, _, kind, *values = (*words_of(content), "", "", "")
    if directive != "stonith_host" or kind in WITHOUT_PASSWORD or is_fence_agent(kind):
        return False
    return any(value and "=" not in value for value in values)
