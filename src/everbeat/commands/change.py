"""A change of the files, carried to its end: doubts heard, nodes told, groups served or taken back.

files ► all nodes check ── an error ─────────────────────────► nothing was changed
             │     └────── a doubt ► a person's yes, --force, or nothing was changed
             ▼
        all nodes use them ► every group that is new or changed is served, or has failed
                                 what failed is taken back, alone ► all nodes
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from everbeat.adapters.file_store import StoreError, install_file, read_files
from everbeat.commands import as_json
from everbeat.commands.core_request import fetch_status
from everbeat.commands.distributing import (
    bundle_of,
    distribute,
    haresources_in_use,
    reload,
    tell,
    tell_outcomes,
    tell_reload,
)
from everbeat.commands.lines import Tone, line, show
from everbeat.commands.served import GroupEnd, sentence, wait_ends, wait_gone
from everbeat.config.any_host import AnyHost
from everbeat.config.configuration import ConfigFile
from everbeat.config.edits import changed_groups, taken_back
from everbeat.config.files import bytes_from_text, text_from_bytes
from everbeat.config.haresources import read_haresources
from everbeat.ipc.codec import IpcError
from everbeat.ipc.messages import DistributeReply
from everbeat.model.distribution import HARESOURCES, Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from everbeat.commands.places import Places
    from everbeat.ipc.messages import ReloadReply, StatusReply
    from everbeat.model.distribution import Bundle
    from everbeat.model.groups import ResourceGroup

DOUBT_QUESTION: Final = "Do it all the same?"


def nobody(_question: str) -> bool:
    """Answer for a person who is not there."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a change is made, as the command line says. `asks`: a person, yes or no."""

    may_pass_over: bool = False
    is_forced: bool = False
    is_json: bool = False
    asks: Callable[[str], bool] = nobody
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)


@dataclass(frozen=True, slots=True)
class _Outset:
    """How it was before: the haresources in use, and this node's clock."""

    haresources: str
    now_ms: int


def change_all(places: Places, bundle: Bundle, manner: Manner) -> int:
    """Have all nodes use these files; return 0 if all that is new is served. Raises IpcError."""
    outset = _outset(places)
    reply = distribute_heard(places, bundle, manner)
    ends: tuple[GroupEnd, ...] = ()
    left: tuple[str, ...] = ()
    if reply.is_done:
        if not manner.is_json:
            tell(reply, manner.out, manner.err)
        ends, left = _outcome(places, outset, _text_of(places, bundle), manner)
    elif not manner.is_json:
        return tell(reply, manner.out, manner.err)
    failed = [end for end in ends if end.is_failed]
    back = ""
    if failed:
        present = read_files(places.etc)
        text = _without_failed(outset, _text_of(places, bundle), failed, present)
        again = bundle_of({HARESOURCES: bytes_from_text(text)}, present)
        again = replace(again, is_insisted_on=True)
        taken = distribute(places, again, may_pass_over=manner.may_pass_over)
        back = "taken back" if taken.is_done else "it could not be taken back: everbeat reload"
    if manner.is_json:
        return _as_json(reply, ends, manner, is_done=reply.is_done, left=left)
    return _tell_ends(ends, back, manner, left)


def distribute_heard(places: Places, bundle: Bundle, manner: Manner) -> DistributeReply:
    """Have all nodes use these files; ask the person about doubts. Raises IpcError."""
    wanted = replace(bundle, is_insisted_on=bundle.is_insisted_on or manner.is_forced)
    reply = distribute(places, wanted, may_pass_over=manner.may_pass_over)
    if not _is_only_doubted(reply):
        return reply
    if not manner.is_json:
        tell_outcomes(reply, manner.out, manner.err)
    if not manner.asks(DOUBT_QUESTION):
        return DistributeReply("to do it all the same: --force", reply.outcomes)
    wanted = replace(bundle, is_insisted_on=True)
    return distribute(places, wanted, may_pass_over=manner.may_pass_over)


def reload_here(places: Places, manner: Manner) -> int:
    """Have this node use its files; return 0 if what it is to serve is served. Raises IpcError."""
    outset = _outset(places)
    reply = reload(places, is_insisted_on=manner.is_forced)
    if reply.is_doubted and not manner.is_json:
        tell_reload(reply, manner.out, manner.err)
        if not manner.asks(DOUBT_QUESTION):
            return 1
        reply = reload(places, is_insisted_on=True)
    if not reply.is_accepted:
        if manner.is_json:
            return _as_json(reply, (), manner, is_done=False, left=())
        return tell_reload(reply, manner.out, manner.err)
    if not manner.is_json:
        tell_reload(reply, manner.out, manner.err)
    after = text_from_bytes(read_files(places.etc)[HARESOURCES] or b"")
    # What falls to another node may have to wait until that has the file as well.
    ends, left = _outcome(places, outset, after, manner)
    ends = tuple(end for end in ends if end.node or end.failed or end.is_moving)
    failed = [end for end in ends if end.is_failed]
    back = _taken_back_here(places, outset, after, failed) if failed else ""
    if manner.is_json:
        return _as_json(reply, ends, manner, is_done=True, left=left)
    return _tell_ends(ends, back, manner, left)


def _outset(places: Places) -> _Outset:
    return _Outset(haresources_in_use(places), fetch_status(places).now_ms)


def _text_of(places: Places, bundle: Bundle) -> str:
    offered = {file.name: file.content for file in bundle.files}
    content = offered.get(HARESOURCES, read_files(places.etc)[HARESOURCES])
    return text_from_bytes(content or b"")


def groups_of(haresources: str) -> tuple[ResourceGroup, ...]:
    """Return the groups of a haresources, whatever machine it is for."""
    return read_haresources(ConfigFile(HARESOURCES, haresources), (), AnyHost("", ()))[0]


def _outcome(
    places: Places, outset: _Outset, after: str, manner: Manner
) -> tuple[tuple[GroupEnd, ...], tuple[str, ...]]:
    """Wait for the ends of all groups that differ: those to be served, and those to be stopped."""
    try:
        return _ends(places, outset, after), _left(places, outset, after)
    except KeyboardInterrupt:
        text = (
            "the files are in use; what does not start stays in them, for nobody waits for it any"
            " more: everbeat status tells what is served"
        )
        print(text, file=manner.err)
        raise


def _ends(places: Places, outset: _Outset, after: str) -> tuple[GroupEnd, ...]:
    changed = changed_groups(groups_of(outset.haresources), groups_of(after))

    def look() -> StatusReply:
        return fetch_status(places)

    return wait_ends(look, [group.key for group in changed], outset.now_ms)


def _left(places: Places, outset: _Outset, after: str) -> tuple[str, ...]:
    """Wait until the groups that `after` has no more are stopped; return what is to be told."""
    present = {group.key for group in groups_of(after)}
    gone = [g.key for g in groups_of(outset.haresources) if g.key not in present]

    def look() -> StatusReply:
        return fetch_status(places)

    return wait_gone(look, gone)


def _without_failed(
    outset: _Outset, after: str, failed: list[GroupEnd], present: Mapping[str, bytes | None]
) -> str:
    """Return haresources as it is by now (`present`) without what has failed of `after`.

    A line that somebody has changed since then is theirs.
    """
    keys = {end.key for end in failed}
    text = text_from_bytes(present[HARESOURCES] or b"")
    former, new, now = (groups_of(each) for each in (outset.haresources, after, text))
    named = {group.key for group in new}
    return taken_back(
        outset.haresources,
        text,
        [group for group in now if group.key in keys and group in new],
        [group for group in former if group.key not in named],
    )


def _taken_back_here(places: Places, outset: _Outset, after: str, failed: list[GroupEnd]) -> str:
    try:
        text = _without_failed(outset, after, failed, read_files(places.etc))
        install_file(places.etc / HARESOURCES, bytes_from_text(text))
        reply = reload(places, is_insisted_on=True)
    except (StoreError, IpcError) as error:
        return f"it could not be taken back: {error}"
    if not reply.is_accepted:
        return f"it could not be taken back: {reply.text}"
    return f"taken back on this node; what you wrote is in {HARESOURCES}.bak"


def _is_only_doubted(reply: DistributeReply) -> bool:
    fates = {outcome.fate for outcome in reply.outcomes}
    return Fate.DOUBTED in fates and Fate.REFUSED not in fates


def _tell_ends(ends: tuple[GroupEnd, ...], back: str, manner: Manner, left: tuple[str, ...]) -> int:
    served = [end for end in ends if end.node is not None]
    show([line(f"  {sentence(end)}", Tone.GOOD) for end in served], manner.out)
    for end in ends:
        if end.node is None:
            more = f": {back}" if end.is_failed and back else ""
            show([line(f"{sentence(end)}{more}", Tone.BAD)], manner.err)
    show([line(text, Tone.BAD) for text in left], manner.err)
    return 0 if len(served) == len(ends) and not left else 1


def _as_json(
    reply: DistributeReply | ReloadReply,
    ends: tuple[GroupEnd, ...],
    manner: Manner,
    *,
    is_done: bool,
    left: tuple[str, ...],
) -> int:
    is_served = all(end.node is not None for end in ends) and not left
    value = as_json.plain_value(reply)
    value |= {"groups": as_json.plain_value(ends), "is_served": is_done and is_served}
    value["not_stopped"] = list(left)
    print(as_json.dumps(value), file=manner.out)
    return 0 if is_done and is_served else 1
