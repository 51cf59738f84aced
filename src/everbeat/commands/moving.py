"""Move groups between the nodes: hb_standby, hb_takeover, everbeat standby, everbeat takeover.

The old names say the words of 3.0.6's scripts, to the same stream, with the same exit codes, and
return at once; `--wait` (ours) waits for the end and tells it. Where everbeat refuses at once, so
does the tool, with exit code 1: the scripts of 3.0.6 cannot know.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.adapters.api_client import ApiClient, ApiError
from everbeat.commands.cluster_request import RequestError, ask
from everbeat.commands.core_request import fetch_status
from everbeat.commands.events import fetch_events
from everbeat.commands.lines import printable
from everbeat.commands.served import SURE_S, ends_now, is_quiet, sentence
from everbeat.ipc.codec import IpcError
from everbeat.ipc.messages import RequestStandby, RequestTakeover
from everbeat.model.holdings import Hold, hold_from_word
from everbeat.model.message import message_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from everbeat.commands.places import Places
    from everbeat.ipc.messages import StatusReply
    from everbeat.model.groups import ResourceGroup
    from everbeat.model.names import NodeName

WAIT_SECONDS: Final = 120
WORDS: Final = ("all", "foreign", "local", "failback")
_POLL_S: Final = 0.02
_SETTLED_S: Final = 3.0  # stable and unchanged for so long after a request: nothing came of it
_SETTLED_OLD_S: Final = 15.0  # heartbeat looks stable while it waits 10 s for the other node


class Direction(StrEnum):
    """Which way groups go, seen from this node."""

    STANDBY = "standby"
    TAKEOVER = "takeover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A request to move groups; `hold` names them from this node's point of view."""

    direction: Direction
    hold: Hold
    word: str  # what the person said
    is_waited_for: bool = False
    timeout_s: float = WAIT_SECONDS

    def is_reached(self, held: Hold) -> bool:
        """Whether this is what was asked for."""
        if self.direction is Direction.STANDBY:
            return not held & self.hold
        return held & self.hold == self.hold


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at this node: what it holds (None: in transition) and what went wrong."""

    held: Hold | None
    is_stable: bool
    troubles: tuple[str, ...] = ()  # what failed since it was asked for
    text: str = ""
    is_served: bool = True  # False: nobody serves one of the groups
    away: int = 0  # so many of the groups that were asked for are not where they were to go


Look: TypeAlias = Callable[[], Sight]


def move_of(direction: Direction, word: str, *, is_waited_for: bool, timeout_s: float) -> Move:
    """Return the request of a word of the command line; failback means foreign."""
    hold = Hold.FOREIGN if word == "failback" else hold_from_word(word)
    assert hold is not None
    return Move(
        direction=direction,
        hold=hold,
        word=word,
        is_waited_for=is_waited_for,
        timeout_s=timeout_s,
    )


def old_tool(
    direction: Direction,
    program: str,
    arguments: Sequence[str],
    places: Places,
    out: TextIO,
    err: TextIO,
) -> int:
    """Run hb_standby or hb_takeover; return the exit code."""
    words, is_waited_for, timeout_s, complaint = _old_arguments(program, arguments)
    if complaint is not None:
        if complaint:
            print(complaint, file=out)
        print("usage:", file=out)
        options = "[all|foreign|local|failback] [--wait [--timeout SECONDS]]"
        print(f"{program} {options}", file=err)
        return 1
    move = move_of(
        direction, words[0] if words else "all", is_waited_for=is_waited_for, timeout_s=timeout_s
    )
    if direction is Direction.STANDBY:
        stamp = time.strftime("%b %d %H:%M:%S")
        print(f"{stamp} Going standby [{move.hold.word}].", file=err)
    return carry_out(move, places, out, err)


def carry_out(move: Move, places: Places, out: TextIO, err: TextIO) -> int:
    """Bring the request, wait if asked to; return the exit code: 0 taken or done, 1 not."""

    def see_old() -> Sight:
        return see_heartbeat(places)

    request: RequestStandby | RequestTakeover
    since_ms = _clock_ms(places) if move.is_waited_for else 0
    if move.direction is Direction.STANDBY:
        request = RequestStandby(move.hold.word)
        message = message_of(t="ask_resources", rsc_hold=move.hold.word, info="me")
    else:
        request = RequestTakeover(move.hold.word)
        message = message_of(t="hb_takeover", rsc_hold=move.hold.word)
    try:
        answer = ask(places, request, message)
    except RequestError as error:
        print(f"{move.direction} not requested: {error}", file=err)
        return 1
    if answer is not None and not answer.is_accepted:
        print(f"{move.direction} refused: {answer.text}", file=err)
        return 1
    if not move.is_waited_for:
        return 0
    is_everbeat = answer is not None
    if not is_everbeat:
        return wait_moved(move, see_old, out, err, _SETTLED_OLD_S)

    def look() -> Sight:
        return see_everbeat(places, move, since_ms)

    return wait_moved(move, look, out, err, refused=lambda: refusals_since(places, since_ms))


def wait_moved(
    move: Move,
    look: Look,
    out: TextIO,
    err: TextIO,
    settled_s: float = _SETTLED_S,
    refused: Callable[[], Sequence[str]] = tuple,
) -> int:
    """Look until the move has ended; tell how; return 0 if it did what was asked, else 1.

    `refused`: asked when nothing came of it; what the other node has said.
    """
    started = time.monotonic()
    unstable_at = started  # when we last saw something in motion
    missed_at = started  # when we last saw that it was not reached
    sight = Sight(None, is_stable=False)
    while (now := time.monotonic()) - started < move.timeout_s:
        try:
            sight = look()
        except (ApiError, IpcError) as error:
            print(f"{move.direction} [{move.word}]: cannot follow: {error}", file=err)
            return 1
        is_still = sight.is_stable and sight.held is not None
        is_there = sight.is_served and not sight.away
        is_reached = is_still and is_there and move.is_reached(sight.held or Hold.NONE)
        missed_at = missed_at if is_reached else now
        if not is_still:
            unstable_at = now
        elif is_reached and now - missed_at < SURE_S:
            pass
        elif is_reached:
            seconds = f"after {now - started:.1f} s"
            print(f"{move.direction} [{move.word}] done {seconds}. {sight.text}", file=out)
            return 0
        elif sight.troubles or now - unstable_at >= settled_s:
            idle = "refused or cancelled" if sight.is_served else "not all of it is served"
            told = "; ".join(sight.troubles or refused())
            why = told or f"{idle}; see everbeat events"
            text = f"{move.direction} [{move.word}] failed: {why}. {sight.text}"
            print(printable(text), file=err)  # what a service said is part of it
            return 1
        time.sleep(_POLL_S)
    told = "; ".join(sight.troubles) or "still in motion"
    text = f"{move.direction} [{move.word}]: {told} after {move.timeout_s:g} s"
    print(printable(text), file=err)
    return 1


def see_everbeat(places: Places, move: Move, since_ms: int) -> Sight:
    """Look at everbeat on this machine. Raises IpcError."""
    return sight_of(fetch_status(places), move, since_ms)


def refusals_since(places: Places, since_ms: int) -> tuple[str, ...]:
    """Return why other nodes have refused a takeover since then, as far as this node knows."""
    with contextlib.suppress(IpcError):
        events = next(fetch_events(places, last=0, is_followed=False), ())
        kept = [e for e in events if e.kind == "takeover-refused" and e.at_ms >= since_ms]
        return tuple(dict.fromkeys(event.text for event in kept))
    return ()


def sight_of(reply: StatusReply, move: Move, since_ms: int) -> Sight:
    """Return what has come of a move by now; `since_ms`: when it was asked for.

    A node that claims a group need not serve it: only what was started, and has not failed since,
    counts as held.
    """
    manager = reply.manager
    asked = {
        view.group.key for view in manager.groups if _is_asked(view.group, manager.own, move.hold)
    }
    ends = ends_now(reply, asked, since_ms)
    troubles = tuple(sentence(end) for end in ends.values() if end is not None and end.failed)
    is_served = all(end is not None and end.node is not None for end in ends.values())
    is_still = manager.state == "stable" and is_quiet(reply)
    held = hold_from_word(manager.holds)  # "all" as soon as one group of each kind is here
    is_wanted_here = move.direction is Direction.TAKEOVER
    away = sum(
        (end is not None and end.node == manager.own) != is_wanted_here for end in ends.values()
    )
    text = f"{manager.own} holds {manager.holds}."
    if away and away < len(ends):
        here = len(ends) - away if is_wanted_here else away
        text = f"{manager.own} holds {here} of these {len(ends)} groups."
    return Sight(held, is_still, troubles, text, is_served, away)


def _is_asked(group: ResourceGroup, own: NodeName, hold: Hold) -> bool:
    return bool(hold & (Hold.LOCAL if group.owner == own else Hold.FOREIGN))


def _clock_ms(places: Places) -> int:
    """Return this node's clock as everbeat reads it; 0 where a Heartbeat runs."""
    try:
        return fetch_status(places).now_ms
    except IpcError:
        return 0


def see_heartbeat(places: Places) -> Sight:
    """Look at a Heartbeat on this machine. Raises ApiError."""
    import os  # noqa: PLC0415 - only needed on this rare path

    with ApiClient(places.register, os.uname().nodename.lower()) as client:
        word = client.request("getrsc").text("rsc_hold") or ""
    held = hold_from_word(word)
    return Sight(held, is_stable=held is not None, text=f"This node holds {word}.")


def _old_arguments(
    program: str, arguments: Sequence[str]
) -> tuple[list[str], bool, float, str | None]:
    """Return words, --wait, --timeout and a complaint (None: fine, empty: usage only)."""
    words: list[str] = []
    is_waited_for, timeout_s = False, float(WAIT_SECONDS)
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--wait":
            is_waited_for = True
        elif word == "--timeout" and rest and rest[0].isdigit():
            timeout_s = float(rest.pop(0))
        else:
            words.append(word)
    if len(words) > 1:
        return words, is_waited_for, timeout_s, f"{program}: too many arguments"
    if words and words[0] in {"--help", "-h", ""}:
        return words, is_waited_for, timeout_s, ""
    if words and words[0] not in WORDS:
        return words, is_waited_for, timeout_s, f"{program}: wrong resources({words[0]})."
    return words, is_waited_for, timeout_s, None
