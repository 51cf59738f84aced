"""The three files in --etc as bytes: read, and replaced whole and durably.

A replaced file is kept as NAME.bak; there is no moment without NAME. What holds a secret
is for root alone, also as NAME.bak.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from everbeat.adapters.own_files import flush_folder
from everbeat.config.secrets import holds_secret
from everbeat.model.distribution import FILE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

USUAL_MODE: Final = 0o644
SECRET_MODE: Final = 0o600


class StoreError(Exception):
    """A file cannot be written; the text says which and why."""


def read_files(etc: Path) -> dict[str, bytes | None]:
    """Return each of FILE_NAMES with its content, None where there is no readable file."""
    found: dict[str, bytes | None] = dict.fromkeys(FILE_NAMES)
    for name in FILE_NAMES:
        with suppress(OSError):
            found[name] = (etc / name).read_bytes()
    return found


def mode_written(path: Path, content: bytes) -> int:
    """Return the permission bits that `content` gets here. Raise OSError.

    For root alone if a secret stands in it, whatever was there; else as the file that is there.
    """
    if holds_secret(path.name, content):
        return SECRET_MODE
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else USUAL_MODE


def install_file(path: Path, content: bytes) -> None:
    """Write one file: new beside it, flushed, renamed; the former one is NAME.bak."""
    new, former = path.with_name(path.name + ".new"), path.with_name(path.name + ".bak")
    try:
        mode = mode_written(path, content)
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(new, flags, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if path.exists():
            former.unlink(missing_ok=True)
            os.link(path, former)
            if holds_secret(path.name, former.read_bytes()):
                former.chmod(stat.S_IMODE(former.stat().st_mode) & SECRET_MODE)
        new.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
