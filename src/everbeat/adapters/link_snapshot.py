"""The configuration a link process started with, kept in RUN for the one that replaces it.

A link process that dies is to be followed by one that does the same, at once: not by one that
stumbles over an ha.cf that is being edited, an interface that is gone for a moment, or a resolver
that does not answer. Only a new start of the node reads the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from everbeat.adapters.disk_identity import replace_file
from everbeat.adapters.json_text import bytes_from_value, value_from_bytes
from everbeat.adapters.own_files import read_own
from everbeat.model.cluster import HaConfig  # noqa: TC001 - msgspec reads them
from everbeat.model.keys import AuthKeys  # noqa: TC001 - msgspec reads them

if TYPE_CHECKING:
    from pathlib import Path

SNAPSHOT_FILE: Final = "link.config"  # mode 0600: it holds the keys


@dataclass(frozen=True, slots=True)
class LinkSnapshot:
    """What a link process runs with."""

    config: HaConfig
    keys: AuthKeys


def write_snapshot(run: Path, snapshot: LinkSnapshot) -> None:
    """Keep the configuration. Raise DiskIdentityError."""
    replace_file(run / SNAPSHOT_FILE, bytes_from_value(snapshot))


def read_snapshot(run: Path) -> LinkSnapshot | None:
    """Return what the last link process ran with; None if that is unknown."""
    try:
        content = read_own(run / SNAPSHOT_FILE)
        return value_from_bytes(content, LinkSnapshot)
    except (OSError, msgspec.MsgspecError):
        return None
