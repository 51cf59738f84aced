"""The three files in --etc as bytes: read, checked as they would be, replaced whole and durably.

A replaced file is kept as NAME.bak; there is no moment without NAME.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from everbeat.adapters.cipher import CipherMissingError, cipher_for
from everbeat.adapters.host_facts import RealHost
from everbeat.config.configuration import ConfigFile, ConfigFiles, Parsed, config_from_files
from everbeat.config.files import text_from_bytes
from everbeat.distribution.placing import fitted, refusal
from everbeat.model.distribution import AUTHKEYS, FILE_NAMES, HA_CF, HARESOURCES, SECRET_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from everbeat.model.distribution import Bundle
    from everbeat.model.reports import Report
    from everbeat.ports.host import HostLookup

_MODE: Final = 0o644
_SECRET_MODE: Final = 0o600


class StoreError(Exception):
    """A file cannot be written; the text says which and why."""


def read_files(etc: Path) -> dict[str, bytes | None]:
    """Return each of FILE_NAMES with its content, None where there is no readable file."""
    found: dict[str, bytes | None] = dict.fromkeys(FILE_NAMES)
    for name in FILE_NAMES:
        with suppress(OSError):
            found[name] = (etc / name).read_bytes()
    return found


def fitted_here(etc: Path, bundle: Bundle, host: HostLookup | None = None) -> Bundle:
    """Return the bundle as it is to be installed on this machine."""
    names = {interface.name for interface in (host or RealHost(etc)).interfaces()}
    return fitted(bundle, read_files(etc), names)


def check_bundle(
    etc: Path, bundle: Bundle, host: HostLookup | None = None
) -> tuple[tuple[Report, ...], str]:
    """Return the reports on this machine's files with those of the bundle, and why not, or ""."""
    machine = host or RealHost(etc)
    present = read_files(etc)
    reason = refusal(bundle, present)
    if reason:
        return (), reason
    parsed = parsed_with(etc, fitted_here(etc, bundle, machine), machine)
    if parsed.keys is not None:
        try:
            cipher_for(parsed.keys)
        except CipherMissingError as error:
            return parsed.reports, str(error)
    return parsed.reports, ""


def parsed_with(etc: Path, bundle: Bundle, host: HostLookup) -> Parsed:
    """Return what the files of `etc` would say with those of the bundle."""
    contents = {**read_files(etc), **{file.name: file.content for file in bundle.files}}
    shown = {name: _config_file(etc, name, contents[name]) for name in FILE_NAMES}
    return config_from_files(ConfigFiles(shown[HA_CF], shown[AUTHKEYS], shown[HARESOURCES]), host)


def install_bundle(etc: Path, bundle: Bundle) -> tuple[str, ...]:
    """Replace the files that differ; return their names. Raises StoreError."""
    present = read_files(etc)
    changed = [
        file for file in fitted_here(etc, bundle).files if present[file.name] != file.content
    ]
    for file in changed:
        install_file(etc / file.name, file.content)
    return tuple(file.name for file in changed)


def install_file(path: Path, content: bytes) -> None:
    """Write one file: new beside it, flushed, renamed; the former one is NAME.bak."""
    mode = _SECRET_MODE if path.name in SECRET_NAMES else _MODE
    new, former = path.with_name(path.name + ".new"), path.with_name(path.name + ".bak")
    try:
        if path.exists() and path.name not in SECRET_NAMES:
            mode = stat.S_IMODE(path.stat().st_mode)
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
        new.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _config_file(etc: Path, name: str, content: bytes | None) -> ConfigFile:
    text = None if content is None else text_from_bytes(content)
    mode = _SECRET_MODE if name in SECRET_NAMES else _MODE
    return ConfigFile(str(etc / name), text, mode)
