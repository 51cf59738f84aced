"""The time a simulation decides for: written by hand, in the document, or the clock's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from everbeat.policy.emit.summary import date_line_of
from everbeat.rules.calendar import Moment
from everbeat.rules.iso8601 import TextFault, moment_from_text

if TYPE_CHECKING:
    from everbeat.cib.tree import Element


class SimulationTime(NamedTuple):
    """Seconds since the epoch, and the line that says where they come from (none: the clock)."""

    now: int
    lines: tuple[str, ...] = ()


def time_of(cib: Element, written: str | None, clock: int) -> SimulationTime | str:
    """Return the time to decide for: `written`, else the document's, else the clock's.

    A date without a zone is local time. What is no date comes back as a sentence about it.
    """
    if written is not None:
        offset_s = time.localtime(clock).tm_gmtoff
        moment = moment_from_text(written, Moment(clock, offset_s))
        if isinstance(moment, TextFault):
            return f"{written!r} is no date; write one such as 2027-01-31 12:30:00"
        return SimulationTime(moment.epoch_s, (f"Setting effective cluster time: {written}",))
    line = date_line_of(cib)
    if line is not None:
        return SimulationTime(int(cib.text("execution-date")), (line,))
    return SimulationTime(clock)
