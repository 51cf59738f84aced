r"""STATE/files.version: of the files that another node, or this one, distributed here last.

A decimal number and a newline. It only grows, so that no older files are ever taken again. One that
cannot be read counts as 0: then any version is taken, but still only from a node that answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.adapters.disk_identity import replace_file
from everbeat.adapters.own_files import read_own

if TYPE_CHECKING:
    from pathlib import Path

VERSION_FILE: Final = "files.version"
_DIGITS_MAX: Final = 20


def read_files_version(state: Path) -> int:
    """Return what is kept."""
    try:
        text = read_own(state / VERSION_FILE)[: _DIGITS_MAX + 1].strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0


def keep_files_version(state: Path, version: int) -> None:
    """Replace what is kept, durably. Raise DiskIdentityError."""
    replace_file(state / VERSION_FILE, b"%d\n" % version)
