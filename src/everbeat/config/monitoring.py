"""Lines that say how resources are watched: monitor, operation_timeout, max_failures.

    monitor [RESOURCE] TIME|off               how often `status` is asked
    operation_timeout [RESOURCE] start|stop|monitor TIME
    max_failures NUMBER                       so many failures move a group to another node
    failure_window TIME                       a failure is forgotten after so long

RESOURCE is a word of haresources, or the name of a script for all its resources. Heartbeat 3.0.6
knows none of them and refuses to start with them: they belong into the ha.cf of everbeat nodes.
A time is a number with ms, s, m or h; without unit it is seconds, as everywhere in ha.cf.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.config.directives import Directive, Statement
from everbeat.config.suggestions import nearest
from everbeat.config.values import FALSE_WORDS, duration_ms_from_word, number_from_word
from everbeat.model.cluster import Monitoring, OwnTimes

if TYPE_CHECKING:
    from collections.abc import Collection

    from everbeat.config.draft import Draft
    from everbeat.model.groups import ResourceGroup

INTERVAL_MS_MIN: Final = 100
"""A monitor more often than this is a mistake."""

TIME_MS_MAX: Final = 7 * 86_400_000
MAX_FAILURES_MAX: Final = 100
ACTIONS: Final = ("start", "stop", "monitor")


def apply_monitor(draft: Draft, statement: Statement) -> None:
    """Say how often all resources, or one of them, are monitored."""
    words = statement.words
    if len(words) > 2:
        remedy = f"monitor {words[0]} {words[-1]}"
        _report(draft, statement, "monitor-malformed", "a resource and a time at most", remedy)
        return
    interval_ms = 0 if words[-1].lower() in FALSE_WORDS else _time(draft, statement, words[-1])
    if interval_ms is None:
        return
    if 0 < interval_ms < INTERVAL_MS_MIN:
        summary = f"{words[-1]} is {interval_ms} ms, the least is {INTERVAL_MS_MIN} ms"
        _report(draft, statement, "time-out-of-range", summary, "monitor 10s")
        return
    if len(words) == 2:
        _set_own(draft, statement, words[0], "interval_ms", interval_ms)
    else:
        usual = replace(draft.monitoring.usual, interval_ms=interval_ms)
        draft.monitoring = replace(draft.monitoring, usual=usual)
        _note_repeated(draft, statement, "monitor")


def apply_operation_timeout(draft: Draft, statement: Statement) -> None:
    """Say how long an action of all resources, or of one, may take before it is ended."""
    *names, action, word = statement.words if len(statement.words) > 1 else ("", "", "")
    if len(names) > 1 or action not in ACTIONS:
        meant = nearest(action, ACTIONS) or "start"
        summary = f"'{action}' is none of {', '.join(ACTIONS)}"
        remedy = " ".join((*names[:1], meant, word or "60s")).strip()
        _report(
            draft, statement, "operation-timeout-malformed", summary, f"operation_timeout {remedy}"
        )
        return
    time_ms = _time(draft, statement, word)
    if time_ms is None:
        return
    if time_ms == 0:
        summary = "no operation ends in no time"
        _report(draft, statement, "time-out-of-range", summary, f"operation_timeout {action} 60s")
        return
    field = f"{action}_ms"
    if names and names[0]:
        _set_own(draft, statement, names[0], field, time_ms)
    else:
        usual = replace(draft.monitoring.usual, **{field: time_ms})
        draft.monitoring = replace(draft.monitoring, usual=usual)
        _note_repeated(draft, statement, f"operation_timeout {action}")


def apply_max_failures(draft: Draft, statement: Statement) -> None:
    """Say how many failures within the window move a group; 0: none does."""
    number = number_from_word(statement.values[-1])
    if number is None or not 0 <= number <= MAX_FAILURES_MAX:
        summary = f"{statement.values[-1]} is not a number from 0 to {MAX_FAILURES_MAX}"
        _report(draft, statement, "number-out-of-range", summary, "max_failures 3")
        return
    draft.monitoring = replace(draft.monitoring, max_failures=number)
    _note_repeated(draft, statement, "max_failures")


def apply_failure_window(draft: Draft, statement: Statement) -> None:
    """Say after how long a failure is forgotten."""
    time_ms = _time(draft, statement, statement.values[-1])
    if time_ms is None:
        return
    if time_ms == 0:
        summary = "nothing would ever be counted"
        _report(draft, statement, "time-out-of-range", summary, "failure_window 1h")
        return
    draft.monitoring = replace(draft.monitoring, failure_window_ms=time_ms)
    _note_repeated(draft, statement, "failure_window")


def monitoring_of(draft: Draft) -> Monitoring:
    """Return what all lines together say."""
    return replace(draft.monitoring, own=tuple(draft.own_times.values()))


def check_monitored(draft: Draft, groups: Collection[ResourceGroup]) -> None:
    """Report names that are no resource of haresources. Nothing is known without groups."""
    resources = [resource for group in groups for resource in group.resources]
    known = [resource.text for resource in resources]
    known += [resource.script for resource in resources]
    for name, line in draft.own_times_lines.items() if resources else ():
        if name not in known:
            meant = nearest(name, known) or known[0]
            summary = f"'{name}' is neither a word nor a script of haresources"
            remedy = line.text.strip().replace(name, meant, 1)
            draft.report("monitor-resource-unknown", line, summary, remedy)


def _time(draft: Draft, statement: Statement, word: str) -> int | None:
    time_ms = duration_ms_from_word(word)
    if time_ms is None or time_ms > TIME_MS_MAX:
        summary = f"'{word}' is not a time such as 10s, 500ms, 5m or 1h"
        remedy = " ".join((statement.directive, *statement.words[:-1], "10s"))
        _report(draft, statement, "time-malformed", summary, remedy)
        return None
    return time_ms


def _set_own(draft: Draft, statement: Statement, name: str, field: str, time_ms: int) -> None:
    own = draft.own_times.get(name, OwnTimes(name=name))
    draft.own_times[name] = replace(own, **{field: time_ms})  # type: ignore[arg-type] # a time each
    draft.own_times_lines.setdefault(name, statement.line)
    _note_repeated(draft, statement, f"{statement.directive} {name} {field}")


def _note_repeated(draft: Draft, statement: Statement, what: str) -> None:
    earlier = draft.lines.get(what)
    if earlier is not None:
        summary = f"overrides line {earlier.number}"
        _report(draft, statement, "directive-repeated", summary, "keep one of the two lines")
    draft.lines[what] = statement.line


def _report(draft: Draft, statement: Statement, code: str, summary: str, remedy: str) -> None:
    draft.report(code, statement.line, f"{statement.directive}: {summary}", remedy)


MONITORING: Final = (
    Directive(
        name="monitor",
        shape="[RESOURCE] TIME|off",
        meaning="How often resources are asked for their status; 10s.",
        apply=apply_monitor,
    ),
    Directive(
        name="operation_timeout",
        shape="[RESOURCE] start|stop|monitor TIME",
        meaning="An operation that takes longer is ended; 5m, 5m, 1m.",
        apply=apply_operation_timeout,
    ),
    Directive(
        name="max_failures",
        shape="NUMBER",
        meaning="So many failures of a resource move its group to another node; 3.",
        apply=apply_max_failures,
    ),
    Directive(
        name="failure_window",
        shape="TIME",
        meaning="A failure is forgotten after so long; 1h.",
        apply=apply_failure_window,
    ),
)
