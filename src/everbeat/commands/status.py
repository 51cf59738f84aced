"""everbeat status: what is wrong, which nodes are heard, who holds what, since when and why.

Enters: a StatusReply. Leaves: lines, or JSON. What needs a person comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.commands import as_json
from everbeat.commands.failures import failure_problems, render_failures
from everbeat.commands.fencing import unclean
from everbeat.commands.lines import Line, Span, Tone, duration, line
from everbeat.commands.lives import life_problems
from everbeat.commands.quorum import quorum_problems, render_quorum
from everbeat.commands.served import end_of, failures_text, knows_others
from everbeat.model.groups import GroupState, GroupView
from everbeat.model.members import LinkStatus, NodeKind, NodeStatus

if TYPE_CHECKING:
    from everbeat.ipc.messages import StatusReply
    from everbeat.model.members import NodeView
    from everbeat.model.names import NodeName

_STATUS_TONES = {
    NodeStatus.ACTIVE: Tone.GOOD,
    NodeStatus.PING: Tone.GOOD,
    NodeStatus.UP: Tone.CARE,
    NodeStatus.INIT: Tone.CARE,
    NodeStatus.DEAD: Tone.BAD,
}
_STATE_TONES = {
    GroupState.STARTED: Tone.GOOD,
    GroupState.STOPPED: Tone.PLAIN,
    GroupState.STARTING: Tone.CARE,
    GroupState.STOPPING: Tone.CARE,
    GroupState.FAILED: Tone.BAD,
    GroupState.STUCK: Tone.BAD,
}


def status_json(reply: StatusReply) -> str:
    """Return the status as one JSON object; `problems` is what the text shows first."""
    value = as_json.plain_value(reply)
    value["problems"] = problems(reply)
    return as_json.dumps(value, is_indented=True)


def problems(reply: StatusReply) -> list[str]:
    """Return what a person should look at, worst first."""
    bad, care = [], []
    manager, membership = reply.manager, reply.membership
    bad += [unclean(entry, reply.now_ms) for entry in reply.fencing.nodes if entry.is_open]
    for view in manager.groups:
        where = f"group {view.group.key}"
        if view.state is GroupState.STUCK:
            bad.append(
                f"{where} cannot be stopped here: {view.why}; nobody else may take it. Stop it by "
                f"hand, it goes on within 30 s; or on another node: everbeat fence {manager.own}"
            )
        elif (end := end_of(view, reply, 0)) is not None and end.is_failed:
            bad.append(f"{where} runs nowhere: it did not start on {failures_text(end.failed)}")
        elif view.state is GroupState.FAILED:
            bad.append(f"{where} failed to start here: {view.why}")
        elif view.holder is None and view.state is GroupState.STOPPED and knows_others(reply):
            bad.append(f"{where} runs nowhere: {view.why}")
    for view in manager.groups:
        if view.paused_until_ms is not None:
            left, key = duration(view.paused_until_ms - reply.now_ms), view.group.key
            care.append(f"group {key} is paused for {left} more: everbeat resume {key}")
    bad += life_problems(membership) + quorum_problems(reply) + failure_problems(reply)
    for node in membership.nodes:
        if _has_left(node, reply):
            care.append(f"node {node.node} has left: it gave up its resources and was stopped")
        elif node.status is NodeStatus.DEAD:
            kind = "ping node" if node.kind is NodeKind.PING else "node"
            bad.append(f"{kind} {node.node} is dead")
        elif node.node != membership.own and node.kind is NodeKind.NORMAL:
            down = [name for name, status in node.links if status is LinkStatus.DEAD]
            care += [f"link {name} to {node.node} is dead" for name in down]
    bad += [
        f"fencing device {device.device} does not work: {device.detail}"
        for device in reply.fencing.devices
        if device.is_working is False
    ]
    bad += [_medium_problem(medium, error) for medium, error in membership.failed_media]
    if not membership.is_communication_up:
        care.append("communication is not up yet: waiting to hear every node or its initdead")
    if membership.is_client_flow_paused:
        care.append("peers do not acknowledge messages: clients are paused")
    return bad + care


def _medium_problem(medium: str, error: str) -> str:
    return f"the {medium} {error}" if medium.startswith("witness ") else f"medium {medium}: {error}"


def render_status(reply: StatusReply) -> list[Line]:
    """Return the status for people."""
    manager = reply.manager
    lines: list[Line] = [
        (
            Span(manager.own, Tone.TITLE),
            Span(f"  {manager.state}, holds {_held(manager.own, reply)}", _manager_tone(reply)),
            Span(f"  auto_failback {manager.auto_failback}  everbeat {reply.version}", Tone.FAINT),
        )
    ]
    lines += [line(f"  ! {text}", Tone.BAD) for text in problems(reply)]
    lines += [line(), line("Nodes", Tone.TITLE), *_nodes(reply)]
    lines += render_quorum(reply)
    lines += [line(), line("Groups", Tone.TITLE)]
    for view in manager.groups:
        lines += _group(view, reply)
    if not manager.groups:
        lines.append(line("  none in haresources"))
    return lines + render_failures(reply)


def _manager_tone(reply: StatusReply) -> Tone:
    return Tone.GOOD if reply.manager.state == "stable" else Tone.CARE


def _held(node: NodeName, reply: StatusReply) -> str:
    """Say which groups of those below a node has at this moment: all, its own, or how many.

    Not cl_status' word, which is "all" as soon as one group of each kind is there. A group that
    cannot be stopped is still held.
    """
    groups = reply.manager.groups
    stuck_here = GroupState.STUCK if node == reply.manager.own else None
    held = [view.holder == node or view.state is stuck_here for view in groups]
    if not any(held):
        return "none"
    if held == [view.group.owner == node for view in groups]:
        return "local"
    if all(held):
        return "all"
    if held == [view.group.owner != node for view in groups]:
        return "foreign"
    return f"{sum(held)} of {len(groups)} groups"


def _nodes(reply: StatusReply) -> list[Line]:
    width = max((len(node.node) for node in reply.membership.nodes), default=0)
    settled = {node: is_stable for node, _, is_stable in reply.manager.peer_holds}
    return [_node(node, width, settled, reply) for node in reply.membership.nodes]


def _node(node: NodeView, width: int, settled: dict[NodeName, bool], reply: StatusReply) -> Line:
    spans = [Span(f"  {node.node:<{width}}  "), _status_word(node, reply)]
    spans.append(Span(f"  {_since(node, reply)}", Tone.FAINT))
    if node.node == reply.membership.own:
        spans.append(Span("  this node"))
    for name, status in node.links:
        tone = Tone.BAD if status is LinkStatus.DEAD else Tone.GOOD
        spans += [Span(f"  {name} "), Span(status.value, tone)]
    fencing = reply.fencing.node(node.node)
    if fencing is not None and fencing.is_open:
        spans.append(Span("  UNCLEAN", Tone.BAD))
    if node.node in settled and node.status is not NodeStatus.DEAD:
        word = _held(node.node, reply)
        spans.append(Span(f"  holds {word}" + ("" if settled[node.node] else ", not stable")))
    return tuple(spans)


def _status_word(node: NodeView, reply: StatusReply) -> Span:
    if _has_left(node, reply):
        return Span("left  ", Tone.CARE)
    return Span(f"{node.status.value:<6}", _STATUS_TONES[node.status])


def _has_left(node: NodeView, reply: StatusReply) -> bool:
    """Whether a silent node is silent because it was stopped in order."""
    return node.status is NodeStatus.DEAD and node.node in reply.manager.left


def _since(node: NodeView, reply: StatusReply) -> str:
    """Tell how long a node has been as it is; of a dead one, when it was last heard."""
    if node.status is not NodeStatus.DEAD:
        since = reply.now_ms - node.status_since_ms
        return f"for {duration(since)}" if node.status_since_ms else "not heard yet"
    if not node.last_heard_ms:
        return "never heard"
    return f"last heard {duration(reply.now_ms - node.last_heard_ms)} ago"


def _group(view: GroupView, reply: StatusReply) -> list[Line]:
    own = reply.manager.own
    if view.holder is None and view.state is GroupState.STOPPED and not knows_others(reply):
        where = Span("not here; whether elsewhere this node cannot know", Tone.CARE)
    elif view.holder is None:
        where = Span("nowhere" if view.state is GroupState.STOPPED else "in motion", Tone.BAD)
    else:
        tone = Tone.GOOD if view.holder == view.group.owner else Tone.CARE
        where = Span(f"on {view.holder}", tone)
    owner = "its owner" if view.holder == view.group.owner else f"owner {view.group.owner}"
    since = f", for {duration(reply.now_ms - view.since_ms)}" if view.since_ms else ""
    head: Line = (
        Span(f"  {view.group.key}  ", Tone.TITLE),
        where,
        Span(f" ({owner}), here "),
        Span(view.state.value, _STATE_TONES[view.state]),
        Span(since),
        Span(f": {view.why}" if view.why else ""),
    )
    is_here = view.holder == own or view.state is not GroupState.STOPPED
    words = [
        Span(f"{'   ' if number else '    '}{resource.text}", _resource_tone(view, resource.text))
        for number, resource in enumerate(view.group.resources)
    ]
    notes = [line(f"    {text}", Tone.CARE) for text in view.unwatched]
    if view.paused_until_ms is not None:
        left = duration(view.paused_until_ms - reply.now_ms)
        text = f"    paused for {left} more: not monitored, restarted or moved"
        notes.insert(0, line(text, Tone.CARE))
    return [head, tuple(words), *notes] if is_here else [head]


def _resource_tone(view: GroupView, text: str) -> Tone:
    return Tone.GOOD if text in view.running else Tone.FAINT
