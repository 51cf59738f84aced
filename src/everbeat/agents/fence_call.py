"""How a fencing device is asked, and what its answer means: the same for every family of agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.fencing import FenceOutcome

if TYPE_CHECKING:
    from everbeat.agents.environment import Environment

MISSING_EXITS: Final = frozenset({126, 127})
"""Exit codes of what could not be started, as shells and our own executor give them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceCall:
    """A command line. `input`: its standard input; secrets go there, `ps` shows arguments."""

    command: tuple[str, ...]
    input: str = ""
    environment: Environment = ()


@dataclass(frozen=True, slots=True)
class FenceReading:
    """What an answer means. `is_on`: of a status, None if it did not tell."""

    outcome: FenceOutcome
    is_on: bool | None = None
    hosts: tuple[str, ...] = ()


FAILED: Final = FenceReading(FenceOutcome.FAILED)
NOT_FOUND: Final = FenceReading(FenceOutcome.NOT_FOUND)
DONE: Final = FenceReading(FenceOutcome.DONE)
