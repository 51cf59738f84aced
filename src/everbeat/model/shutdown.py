"""The end of a node that stops in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StopFinished:
    """All is released and the peers know: the process may end."""
