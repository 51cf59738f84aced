"""Quorum in `everbeat status`: whether this node may hold resources, and who says so.

Enters: a StatusReply. Leaves: lines, and what a person should look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.commands.lines import Line, Span, Tone, duration, line
from everbeat.model.groups import GroupState
from everbeat.model.members import NodeKind

if TYPE_CHECKING:
    from everbeat.ipc.messages import StatusReply
    from everbeat.model.members import QuorumView, VoterView

_AT_REST = frozenset({GroupState.STOPPED, GroupState.FAILED})
CAN_SPLIT = "can split: nothing decides who holds when the nodes do not hear each other"
BY_FENCING = "by fencing: nothing is taken over before the other node is confirmed off"
BY_PING = "ping nodes that both sides reach while they do not hear each other let both hold"
PING_LINES = "the ping nodes are only counted (ipfail); quorum ping would let them decide"
PING_IDLE = "ping nodes do not decide yet, as not both nodes have reached them: nothing decides"
PING_SILENT = "the ping nodes are silent: if one node dies now, the other one gives up everything"


def quorum_problems(reply: StatusReply) -> list[str]:
    """Return why this node may not hold resources, or for whom it waits."""
    quorum = reply.membership.quorum
    if quorum is None:
        return []
    found: list[str] = []
    if quorum.waits_for:
        nodes = " and ".join(quorum.waits_for)
        if_off = "if it is off" if len(quorum.waits_for) == 1 else "for each of them that is off"
        confirm = ", ".join(f"everbeat fence confirm {node}" for node in quorum.waits_for)
        found.append(
            f"this node left in order while {nodes} went on, and waits to hear {nodes} before it "
            f"holds anything, whoever else agrees: start everbeat there; {if_off}: {confirm}"
        )
    if not quorum.is_held and quorum.is_known and quorum.reason != "starting":
        found.append(f"this node may not hold resources: {quorum.reason}")
    if quorum.stop_by_ms is not None and reply.now_ms > quorum.stop_by_ms:
        still = [v.group.key for v in reply.manager.groups if v.state not in _AT_REST]
        if still:
            text = "resources that others may take by now are not stopped here"
            found.append(f"{text}: {', '.join(still)}")
    is_ping_silent = any(v.voter == "ping" and not v.is_leasing for v in quorum.voters)
    if quorum.is_held and quorum.is_deciding and is_ping_silent:
        found.append(PING_SILENT)
    return found


def render_quorum(reply: StatusReply) -> list[Line]:
    """Return the lines of the section."""
    quorum = reply.membership.quorum
    head: list[Line] = [line(), line("Quorum", Tone.TITLE)]
    if quorum is None:
        if not reply.membership.peers():
            return []
        if reply.fencing.devices:
            return [*head, line(f"  {BY_FENCING}")]
        has_pings = any(node.kind is NodeKind.PING for node in reply.membership.nodes)
        pings = [line(f"  {PING_LINES}")] if has_pings else []
        return [*head, line(f"  {CAN_SPLIT}", Tone.CARE), *pings]
    leasing = sum(voter.is_leasing for voter in quorum.voters)
    state = Span("  may hold", Tone.GOOD) if quorum.is_held else Span("  may not hold", Tone.BAD)
    why = Span(
        f"  by {quorum.kind}: {leasing} of {len(quorum.voters)} agree, {quorum.majority} needed"
        f"{_until(quorum, reply.now_ms)}"
    )
    voters = [_voter(voter, reply) for voter in quorum.voters]
    if not quorum.is_deciding:
        return [*head, line(f"  {PING_IDLE}", Tone.CARE), *voters]
    lines = [*head, (state, why), *voters, *_what_to_begin(quorum, reply)]
    if quorum.kind == "ping":
        lines.append(line(f"  {BY_PING}", Tone.CARE))
    return lines


def _what_to_begin(quorum: QuorumView, reply: StatusReply) -> list[Line]:
    """Say what a node waits for that has held nothing yet; `waits_for` is a problem of its own."""
    if quorum.is_held or quorum.reason != "starting" or quorum.waits_for:
        return []
    peers = {peer.node for peer in reply.membership.peers()}
    silent = [
        v.voter for v in quorum.voters if v.voter in peers and not (v.is_leasing or v.has_left)
    ]
    needed = f"or {quorum.majority} of {len(quorum.voters)} hold it for dead"
    return [line(f"  waits until {node} agrees, {needed}", Tone.CARE) for node in silent]


def _until(quorum: QuorumView, now_ms: int) -> str:
    if not quorum.is_held:
        return ""
    if quorum.until_ms is None:
        return ", the others have left in order"
    return f", for {duration(max(quorum.until_ms - now_ms, 0))} if nobody is heard any more"


def _voter(voter: VoterView, reply: StatusReply) -> Line:
    spans = [Span(f"    {voter.voter:<12}")]
    if voter.voter == reply.membership.own:
        spans.append(Span("this node"))
    elif voter.has_left:
        spans.append(Span("left in order", Tone.CARE))
    elif voter.is_leasing:
        spans.append(Span("agrees", Tone.GOOD))
    elif trouble := _trouble_of(voter, reply):
        spans.append(Span(trouble, Tone.BAD))
    elif voter.heard_ms:
        # While the nodes hear each other it is asked for its presence alone, now and then.
        ago = duration(max(reply.now_ms - voter.heard_ms, 0))
        spans.append(Span(f"agreed {ago} ago", Tone.GOOD))
    elif voter.voter == "witness":
        spans.append(Span("has not answered yet", Tone.CARE))
    else:
        spans.append(Span("does not answer", Tone.BAD))
    if voter.votes_dead:
        spans.append(Span(f"  holds {' and '.join(voter.votes_dead)} for dead", Tone.BAD))
    return tuple(spans)


def _trouble_of(voter: VoterView, reply: StatusReply) -> str:
    """Return what keeps the witness from helping, or nothing."""
    if voter.voter != "witness":
        return ""
    media = reply.membership.failed_media
    return next((error for medium, error in media if medium.startswith("witness ")), "")
