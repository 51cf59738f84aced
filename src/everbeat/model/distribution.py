"""Files on their way to all nodes, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from everbeat.model.names import NodeName
from everbeat.model.reports import Report

HA_CF: Final = "ha.cf"
AUTHKEYS: Final = "authkeys"
HARESOURCES: Final = "haresources"
FILE_NAMES: Final = (HA_CF, AUTHKEYS, HARESOURCES)
SECRET_NAMES: Final = frozenset({AUTHKEYS})


@dataclass(frozen=True, slots=True)
class FileContent:
    """One of FILE_NAMES and its bytes."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that belong together.

    `base`: name and SHA-256 (hex) of what the sender had before; a node that has something else
    refuses to have it replaced. A name that is missing here is replaced whatever it holds.
    `is_insisted_on`: a person wants it whatever nodes doubt (`config.doubts`).
    """

    files: tuple[FileContent, ...]
    base: tuple[tuple[str, str], ...] = ()
    is_insisted_on: bool = False


class Fate(StrEnum):
    """What became of the files on one node."""

    INSTALLED = "installed"
    REFUSED = "refused"  # it says why; nothing was changed anywhere
    DOUBTED = "doubts it"  # as refused, but a person may insist
    SILENT = "silent"  # alive, but gave no answer in time
    UNTOUCHED = "untouched"  # it would have taken them, another node did not
    FAILED = "failed"  # it had agreed, and could not install or use them
    DOWN = "down"
    FOREIGN = "Heartbeat 3.0.6"  # runs, and does not know our messages


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """The fate of one node; `text` and `reports` say why, or what takes effect only later."""

    node: NodeName
    fate: Fate
    text: str = ""
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckFiles:
    """Order: say whether this node could use these files. Answered by on_checked."""

    offer: str
    bundle: Bundle


@dataclass(frozen=True, slots=True)
class InstallFiles:
    """Order: install these files durably and use them. Answered by on_installed.

    The version is to be on disk before the first of the files: nothing older is taken after it.
    """

    offer: str
    bundle: Bundle
    version: int


@dataclass(frozen=True, slots=True)
class Distributed:
    """Fact: a distribution that was asked for here has ended."""

    offer: str
    outcomes: tuple[NodeOutcome, ...]

    @property
    def is_done(self) -> bool:
        """Whether every node that was to have the files has them."""
        passed_over = {Fate.INSTALLED, Fate.DOWN, Fate.FOREIGN}
        fates = {outcome.fate for outcome in self.outcomes}
        return Fate.INSTALLED in fates and fates <= passed_over
