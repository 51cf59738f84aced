"""Fail counts: shown by everbeat status, set to zero by everbeat cleanup.

Enters: what the core knows of every node. Leaves: lines, problems, or the answer to a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.commands.core_request import ask_and_tell
from everbeat.commands.lines import Line, Span, Tone, duration, line
from everbeat.ipc.messages import RequestCleanup

if TYPE_CHECKING:
    from typing import TextIO

    from everbeat.commands.places import Places
    from everbeat.ipc.messages import StatusReply
    from everbeat.model.failures import ResourceFailures


def failure_problems(reply: StatusReply) -> list[str]:
    """Return the resources that a node should not run any more; others are only listed."""
    return [
        f"{count.resource} failed {_times(count.count)} on {known.node}, which hands its group on"
        for known in reply.failures
        for count in known.counts
        if count.is_barred
    ]


def render_failures(reply: StatusReply) -> list[Line]:
    """Return the fail counts for people; nothing if there are none."""
    lines: list[Line] = [
        _count(known.node, count, reply.now_ms)
        for known in reply.failures
        for count in known.counts
    ]
    if not lines:
        return []
    forget: Line = (Span("  everbeat cleanup forgets them", Tone.FAINT),)
    return [line(), line("Failures", Tone.TITLE), *lines, forget]


def _count(node: str, count: ResourceFailures, now_ms: int) -> Line:
    why = f": {count.why}" if count.why else ""
    return (
        Span(f"  {count.resource}  ", Tone.TITLE),
        Span(f"on {node}  "),
        Span(_times(count.count), Tone.BAD if count.is_barred else Tone.CARE),
        Span(f", last {duration(now_ms - count.last_ms)} ago"),
        Span(f", forgotten in {duration(count.clears_ms - now_ms)}{why}", Tone.FAINT),
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def clean_up(
    places: Places, resource: str, node: str, out: TextIO, err: TextIO, *, is_json: bool
) -> int:
    """Have failures forgotten, tell the answer; return the exit code: 0 done, 1 not."""
    request = RequestCleanup(resource, node)
    return ask_and_tell(places, "cleanup", request, out, err, is_json=is_json)
