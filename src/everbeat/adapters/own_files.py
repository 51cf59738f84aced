"""Files and folders that root writes where others may have been first: RUN and STATE.

    replace_own    NAME.new, made by us ──► renamed to NAME: nobody reads a half of it
    open_own       NAME if it is ours alone, else a new one in its place
    read_own       the bytes of NAME if it is ours alone
    make_way       no NAME, for a socket
    own_folder     NAME if it is ours alone, else a new one in its place
    take_folder    makes a folder ours alone; what others have put there is set aside
    flush_folder   the names in a folder are on disk

Ours alone: no link, not writable by others, of the user we run as. A name that leads elsewhere is
never followed, so nothing but our own files is ever written, cut short, or believed. What is not
ours is renamed to NAME.foreign.N, and so is a folder in the place of a file; all else in the place
of NAME.new is removed. What was looked at is used by its descriptor, as names may be moved in
between. keeper needs this: it imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ASIDE: Final = ".foreign."
_TRIES_MAX: Final = 5  # somebody may put the name back between two of our steps; then we give up
_NAMES_MAX: Final = 20
_NAMES_PLAIN: Final = 9
_SAFE: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO in its place holds up nobody
_FOLDER_MODE: Final = 0o755


def replace_own(path: Path, content: bytes, mode: int = 0o600, *, is_durable: bool = False) -> None:
    """Replace a file whole; `is_durable`: on disk before this returns. Raise OSError."""
    fresh = path.with_name(path.name + ".new")
    descriptor = _new_file(fresh, os.O_WRONLY, mode)
    try:
        os.fchmod(descriptor, mode)
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if is_durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        fresh.replace(path)
    except IsADirectoryError:
        set_aside(path)
        fresh.replace(path)
    if is_durable:
        flush_folder(path.parent)


def open_own(path: Path, flags: int, mode: int = 0o600) -> int:
    """Return a descriptor of a file that is ours alone, with this mode. Raise OSError.

    What lies there and is not ours is set aside, and a new file made.
    """
    try:
        descriptor = os.open(path, flags | _SAFE)
    except FileNotFoundError:
        return _new_file(path, flags, mode)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise
    else:
        if is_ours(os.fstat(descriptor)):
            os.fchmod(descriptor, mode)
            return descriptor
        os.close(descriptor)
    set_aside(path)
    return _new_file(path, flags, mode)


def read_own(path: Path, bytes_max: int = -1) -> bytes:
    """Return the content of a file that is ours alone, or its beginning (-1: all of it).

    Raise OSError: EPERM if it is not ours alone.
    """
    descriptor = os.open(path, os.O_RDONLY | _SAFE)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not (stat.S_ISREG(found.st_mode) and _is_safe(found)):
            raise PermissionError(errno.EPERM, "it is not ours alone: chown, chmod go-w", str(path))
        return file.read(bytes_max)


def own_folder(path: Path, mode: int = 0o700) -> None:
    """Make a folder, or take the one that is there if it is ours alone. Raise OSError."""
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and _is_safe(found):
            return
        set_aside(path)
        path.mkdir(mode=mode)


def take_folder(path: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Make a folder ours alone; return what had to be done for that, as lines for the log.

    What has one of `names` there and is not ours is set aside. Nothing else is looked at: whoever
    had the folder may have put any number of things into it. Raise OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        told: list[str] = []
        found = os.fstat(descriptor)
        if not _is_safe(found):
            os.fchown(descriptor, os.geteuid(), os.getegid())
            os.fchmod(descriptor, _FOLDER_MODE)
            told.append(
                f"{path} belonged to user {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}: "
                f"it is ours now, mode {_FOLDER_MODE:04o}"
            )
        for name in names:
            try:
                entry = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if entry.st_uid != os.geteuid():
                aside = set_aside(Path(name), folder=descriptor)
                told.append(f"{path / name} belonged to user {entry.st_uid}: it is {aside} now")
        return tuple(told)
    finally:
        os.close(descriptor)


def is_folder_ours(path: Path) -> bool:
    """Whether nobody else can put anything into this folder, or into what it links to.

    Raise OSError.
    """
    return _is_safe(path.stat())


def set_mode(path: Path, mode: int, group: int | None = None) -> None:
    """Give a socket of ours at this place a mode, and a group; nothing else. Raise OSError.

    A file of ours may have been renamed to this name since the socket was bound.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or not stat.S_ISSOCK(found.st_mode):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        same = f"/proc/self/fd/{descriptor}"  # a path of this kind cannot be changed by descriptor
        if group is not None:
            os.chown(same, -1, group)
        os.chmod(same, mode)  # noqa: PTH101 - no Path: it is a descriptor
    finally:
        os.close(descriptor)


def set_aside(path: Path, folder: int | None = None) -> str:
    """Rename what is not ours; return its new name. `folder`: path is relative to it.

    Raise OSError.
    """
    for number in range(1, _NAMES_MAX):
        # Others can take the first names before us, not those that nobody can guess.
        word = str(number) if number <= _NAMES_PLAIN else os.urandom(8).hex()
        aside = path.with_name(f"{path.name}{ASIDE}{word}")
        try:
            os.stat(aside, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):  # it has gone by itself
                os.rename(path, aside, src_dir_fd=folder, dst_dir_fd=folder)
            return aside.name
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def make_way(path: Path) -> None:
    """Make room for a socket: one of ours that nobody uses any more goes, all else is set aside.

    Raise OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid():
            path.unlink()
        else:
            set_aside(path)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on disk before this returns. Raise OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_ours(found: os.stat_result) -> bool:
    """Whether this is a file that nobody else can have written, under no other name."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and _is_safe(found)


def _is_safe(found: os.stat_result) -> bool:
    """Whether it is our user's, and nobody may write it but that and our own group (umask 002)."""
    is_wide = found.st_mode & stat.S_IWOTH
    is_shared = found.st_mode & stat.S_IWGRP and found.st_gid != os.getegid()
    return found.st_uid == os.geteuid() and not is_wide and not is_shared


def _new_file(path: Path, flags: int, mode: int) -> int:
    """Return a descriptor of a file that was not there before."""
    for _ in range(_TRIES_MAX):
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL | _SAFE, mode)
        except FileExistsError:
            try:
                path.unlink(missing_ok=True)
            except IsADirectoryError:
                set_aside(path)
    raise FileExistsError(errno.EEXIST, "somebody puts it back again and again", str(path))
