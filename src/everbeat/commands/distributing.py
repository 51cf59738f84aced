"""Bring files to all nodes by the running everbeat, and tell what became of every node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.adapters.file_store import read_files
from everbeat.commands.core_request import ask_core
from everbeat.commands.lines import Line, Span, Tone, line, printable, show
from everbeat.commands.render_reports import render_reports
from everbeat.distribution.placing import digest_of
from everbeat.ipc.messages import (
    Distribute,
    DistributeReply,
    GetInUse,
    InUse,
    ReloadReply,
    RequestReload,
)
from everbeat.model.distribution import FILE_NAMES, Bundle, Fate, FileContent
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from everbeat.commands.places import Places

WAIT_S: Final = 30.0
_TONES: Final = {
    Fate.INSTALLED: Tone.GOOD,
    Fate.DOWN: Tone.CARE,
    Fate.FOREIGN: Tone.CARE,
    Fate.UNTOUCHED: Tone.CARE,
}


def bundle_of(files: Mapping[str, bytes], former: Mapping[str, bytes | None]) -> Bundle:
    """Return a bundle that replaces what this node had, and nothing else, here and on the others.

    `former`: the files as they were read when these were made of them, not as they are by now:
    what somebody else has changed since then is not to be overwritten.
    """
    return Bundle(
        tuple(FileContent(name, files[name]) for name in FILE_NAMES if name in files),
        tuple(
            (name, digest_of(former[name]))
            for name in FILE_NAMES
            if name in files and name != "ha.cf"
        ),
    )


def own_files(places: Places) -> Bundle:
    """Return this node's files, to replace whatever the others have. authkeys goes as well."""
    present = read_files(places.etc)
    found = ((name, present[name]) for name in FILE_NAMES)
    return Bundle(
        tuple(FileContent(name, content) for name, content in found if content is not None)
    )


def distribute(places: Places, bundle: Bundle, *, may_pass_over: bool) -> DistributeReply:
    """Have the files distributed and used. Raises IpcError."""
    return ask_core(places, Distribute(bundle, may_pass_over), DistributeReply, WAIT_S)


def haresources_in_use(places: Places) -> str:
    """Return the haresources this node runs with, whatever is on disk by now. Raises IpcError."""
    return ask_core(places, GetInUse(), InUse, WAIT_S).haresources or ""


def reload(places: Places, *, is_insisted_on: bool) -> ReloadReply:
    """Have this node use its files as they are now. Raises IpcError."""
    return ask_core(places, RequestReload(is_insisted_on), ReloadReply, WAIT_S)


def tell(reply: DistributeReply, out: TextIO, err: TextIO) -> int:
    """Show what became of every node; return the exit code."""
    if reply.reason:
        print(f"nothing was changed: {printable(reply.reason)}", file=err)
        return 1
    tell_outcomes(reply, out, err)
    if reply.is_done:
        return 0
    is_partly = any(o.fate is Fate.INSTALLED for o in reply.outcomes)
    text = "not every node has the files: say it again" if is_partly else "nothing was changed"
    show([line(text, Tone.BAD)], err)
    return 1


def tell_outcomes(reply: DistributeReply, out: TextIO, err: TextIO) -> None:
    """Show the fate of every node, and what each reports."""
    lines: list[Line] = []
    for outcome in reply.outcomes:
        tone = _TONES.get(outcome.fate, Tone.BAD)
        why = f": {printable(_why(outcome.fate, outcome.text))}" if outcome.text else ""
        lines.append((Span(f"  {outcome.node}  "), Span(outcome.fate.value, tone), Span(why)))
    show(lines, out)
    for outcome in reply.outcomes:
        reports = outcome.reports
        if outcome.fate is Fate.REFUSED:
            reports = tuple(r for r in reports if r.severity is Severity.ERROR)
        if reports:
            print(f"{outcome.node} says:", file=err)
            err.write(render_reports(reports, outcome.node, color=False))


def tell_reload(reply: ReloadReply, out: TextIO, err: TextIO) -> int:
    """Show what came of a reload; return the exit code."""
    if reply.reports:
        err.write(render_reports(reply.reports, "", color=False))
    if not reply.is_accepted:
        print(f"nothing of it is used: {printable(reply.text)}", file=err)
        return 1
    print("the configuration is in use", file=out)
    if reply.later:
        print(f"takes effect at the next start: {', '.join(reply.later)}", file=out)
    return 0


def _why(fate: Fate, text: str) -> str:
    return f"takes effect at the next start: {text}" if fate is Fate.INSTALLED else text
