"""The limits of silence: what ha.cf says, what follows from it, and whether it makes sense.

warntime   deadtime / 2
deadping   deadtime
initdead   deadtime above 10 s; 12 s for a deadtime below 6 s; else twice deadtime
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.config.options import time_meant
from everbeat.config.quorum import stoptime_ms_of
from everbeat.config.values import time_ms_from_word
from everbeat.model.cluster import Timing

if TYPE_CHECKING:
    from everbeat.config.draft import Draft

DEADTIME_LOW_MS: Final = 2_000
INITDEAD_SHORT_MS: Final = 10_000
KEEPALIVES_PER_DEADTIME: Final = 4
"""Fewer heartbeats than this within deadtime, and a few lost packets kill a node."""


def timing_of(draft: Draft) -> Timing:
    """Fill in the times, record them as parameters, and report contradictions.

    A time that is none (`10s`) was reported; the others are compared with what it seems to mean.
    """
    keepalive = _given(draft, "keepalive") or 1_000
    deadtime = _given(draft, "deadtime")
    deadtime = 30_000 if deadtime is None else deadtime
    timing = Timing(
        keepalive_ms=keepalive,
        deadtime_ms=deadtime,
        warntime_ms=_filled(draft, "warntime", deadtime // 2),
        initdead_ms=_filled(draft, "initdead", default_initdead_ms(deadtime)),
        deadping_ms=_filled(draft, "deadping", deadtime),
        stoptime_ms=stoptime_ms_of(draft, deadtime, keepalive),
    )
    _check(draft, timing)
    _check_initdead(draft, timing)
    return timing


def default_initdead_ms(deadtime_ms: int) -> int:
    """Return what Heartbeat takes for an initdead that is not given."""
    if deadtime_ms > 10_000:
        return deadtime_ms
    return 12_000 if deadtime_ms < 6_000 else 2 * deadtime_ms


def _given(draft: Draft, name: str) -> int | None:
    word = draft.parameters.get(name)
    if word is None:
        return None
    value = time_ms_from_word(word)
    if value is None and time_meant(word):
        return time_ms_from_word(time_meant(word))
    return value


def _filled(draft: Draft, name: str, default_ms: int) -> int:
    """Return a time, and record the default if none is given."""
    if name not in draft.parameters:
        draft.parameters[name] = f"{default_ms}ms"
        return default_ms
    value = _given(draft, name)
    return default_ms if value is None else value


def _is_readable(draft: Draft, name: str) -> bool:
    """Whether a time that stands in ha.cf is one; others were reported already."""
    if name not in draft.lines:
        return True
    value = _given(draft, name)
    return value is not None and value >= (1 if name in {"keepalive", "warntime"} else 0)


def _are_readable(draft: Draft, *names: str) -> bool:
    return all(_is_readable(draft, name) for name in names)


def _check(draft: Draft, timing: Timing) -> None:
    keepalive, deadtime, warntime = timing.keepalive_ms, timing.deadtime_ms, timing.warntime_ms
    roomy = f"deadtime {_words(10 * keepalive)}"
    if not _are_readable(draft, "keepalive", "deadtime"):
        pass
    elif deadtime <= 2 * keepalive:
        summary = f"deadtime {deadtime} ms is not more than twice keepalive ({keepalive} ms)"
        draft.report_about("deadtime", "deadtime-too-small", summary, roomy)
    elif deadtime < KEEPALIVES_PER_DEADTIME * keepalive:
        lost = (deadtime - 1) // keepalive
        summary = f"deadtime {deadtime} ms: {lost} lost heartbeats of {keepalive} ms kill a node"
        draft.report_about("deadtime", "deadtime-tight", summary, roomy)
    elif deadtime < DEADTIME_LOW_MS:
        summary = f"deadtime {deadtime} ms: a busy machine may be taken for dead"
        draft.report_about("deadtime", "deadtime-low", summary, "deadtime 10")
    are_set = _are_readable(draft, "keepalive", "deadtime", "deadping")
    if are_set and timing.deadping_ms <= 2 * keepalive and deadtime > 2 * keepalive:
        summary = f"deadping {timing.deadping_ms} ms is not more than twice keepalive"
        draft.report_about(
            "deadping", "deadping-too-small", summary, f"deadping {_words(deadtime)}"
        )
    half = f"warntime {_words(deadtime // 2)}"
    if warntime > deadtime and _are_readable(draft, "warntime", "deadtime"):
        summary = f"warntime {warntime} ms is above deadtime ({deadtime} ms): it never warns"
        draft.report_about("warntime", "warntime-above-deadtime", summary, half)
    elif (
        warntime <= keepalive
        and "warntime" in draft.lines
        and _are_readable(draft, "warntime", "keepalive")
    ):
        summary = f"warntime {warntime} ms is not above keepalive ({keepalive} ms)"
        draft.report_about("warntime", "warntime-below-keepalive", summary, half)


def _check_initdead(draft: Draft, timing: Timing) -> None:
    wanted = max(2 * timing.deadtime_ms, 30_000)
    remedy = f"initdead {_words(wanted)}"
    if not _is_readable(draft, "initdead"):
        return
    if timing.initdead_ms < timing.deadtime_ms and _is_readable(draft, "deadtime"):
        summary = f"initdead {timing.initdead_ms} ms is below deadtime ({timing.deadtime_ms} ms)"
        draft.report_about("initdead", "initdead-below-deadtime", summary, remedy)
    elif timing.initdead_ms < INITDEAD_SHORT_MS:
        summary = f"initdead {timing.initdead_ms} ms: a switch port may need longer to come up"
        draft.report_about("initdead", "initdead-short", summary, remedy)


def _words(time_ms: int) -> str:
    """Write a time as one writes it in ha.cf."""
    return f"{time_ms}ms" if time_ms % 1_000 else str(time_ms // 1_000)
