"""ha.cf, authkeys and haresources from disk."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from everbeat.adapters.host_facts import RealHost
from everbeat.config.configuration import ConfigFile, ConfigFiles, Parsed, config_from_files
from everbeat.config.files import text_from_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from everbeat.ports.host import HostLookup

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of a larger file only the beginning is read; it is no configuration file."""


def load_configuration(etc: Path, host: HostLookup | None = None) -> Parsed:
    """Read and check ETC/{ha.cf,authkeys,haresources}, on this machine unless a host is given."""
    return config_from_files(read_configuration(etc), host or RealHost(etc))


def read_configuration(etc: Path) -> ConfigFiles:
    """Read ETC/{ha.cf,authkeys,haresources}."""
    return ConfigFiles(
        ha_cf=read_config_file(etc / "ha.cf"),
        authkeys=read_config_file(etc / "authkeys"),
        haresources=read_config_file(etc / "haresources"),
    )


def read_config_file(path: Path) -> ConfigFile:
    """Read one file; text None if it is missing, unreadable or no regular file."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return ConfigFile(str(path), None)
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX)
    except OSError:
        return ConfigFile(str(path), None)
    return ConfigFile(str(path), text_from_bytes(data), stat.S_IMODE(status.st_mode))
