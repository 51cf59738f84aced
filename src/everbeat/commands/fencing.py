"""everbeat fence: have a node fenced, say that it is off, look at devices and what they did.

Enters: a StatusReply, events. Leaves: lines or JSON. A node that is to be fenced and is not yet is
UNCLEAN: always with what is waited for, since when, and what ends it.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from everbeat.commands import as_json
from everbeat.commands.core_request import fetch_status
from everbeat.commands.lines import Line, Span, Tone, duration, line, printable
from everbeat.model.fencing import FencingState
from everbeat.model.members import LinkStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.commands.places import Places
    from everbeat.ipc.messages import StatusReply
    from everbeat.model.fencing import DeviceStatus, NodeFencing
    from everbeat.model.journal import ClusterEvent
    from everbeat.model.names import NodeName

EVENT_KINDS: Final = ("fenc", "fence-")
POLL_S: Final = 0.2


def unclean(entry: NodeFencing, now_ms: int) -> str:
    """Return what is waited for, since when, and what ends the wait."""
    since = duration(now_ms - entry.since_ms)
    last = f"; last answer: {entry.detail}" if entry.detail else ""
    match entry.state:
        case FencingState.DELAYED:
            first = entry.devices[0] if entry.devices else "a device"
            waits = f"asks {first} in {_until(entry, now_ms)}"
        case FencingState.ASKING:
            waits = f"{entry.device} is being asked ({entry.action.value}){last}"
        case FencingState.WAITING:
            waits = f"{_tried(entry)}, next try in {_until(entry, now_ms)}{last}"
        case _:
            waits = "no device can do it: look after it, switch it off"
    ends = f"if it is off: everbeat fence confirm {entry.node}"
    return f"{entry.node} is UNCLEAN for {since} ({entry.why}): {waits}; {ends}"


def _until(entry: NodeFencing, now_ms: int) -> str:
    return duration(max(0, (entry.until_ms or now_ms) - now_ms))


def _tried(entry: NodeFencing) -> str:
    times = "once" if entry.rounds == 1 else f"{entry.rounds} times"
    return f"{', '.join(entry.devices) or 'every device'} failed {times}"


def render_fencing(reply: StatusReply) -> list[Line]:
    """Return devices and nodes for people."""
    lines: list[Line] = [line("Devices", Tone.TITLE)]
    lines += [_device(device, reply.now_ms) for device in reply.fencing.devices]
    if not reply.fencing.devices:
        lines.append(line("  none for this node in ha.cf: deaths are taken on trust", Tone.CARE))
    lines += [line(), line("Nodes", Tone.TITLE)]
    for entry in reply.fencing.nodes:
        if entry.is_open:
            lines.append(line(f"  ! {unclean(entry, reply.now_ms)}", Tone.BAD))
        else:
            since = duration(reply.now_ms - entry.since_ms)
            by = f" by {entry.device}" if entry.state is FencingState.CONFIRMED else ""
            lines.append(
                line(f"  {entry.node}  {entry.state.value}{by}, asked {since} ago: {entry.detail}")
            )
    if not reply.fencing.nodes:
        lines.append(line("  none was to be fenced since this node started"))
    return lines


def _device(device: DeviceStatus, now_ms: int) -> Line:
    hosts = "hosts unknown" if device.hosts is None else ", ".join(device.hosts) or "nobody"
    if device.is_working is None:
        state = Span("a person confirms" if device.type == "meatware" else "not asked yet")
    elif device.is_working:
        state = Span(f"works, proven {duration(now_ms - device.proven_ms)} ago", Tone.GOOD)
    else:
        state = Span(f"does not work: {device.detail}", Tone.BAD)
    return (Span(f"  {device.device}  ", Tone.TITLE), Span(f"for {hosts}  "), state)


def fencing_json(reply: StatusReply) -> str:
    """Return devices and nodes as one JSON object; `unclean` is what the text shows."""
    value = as_json.plain_value(reply.fencing)
    value["now_ms"] = reply.now_ms
    value["unclean"] = [
        unclean(entry, reply.now_ms) for entry in reply.fencing.nodes if entry.is_open
    ]
    return as_json.dumps(value, is_indented=True)


def fencing_events(events: Iterable[ClusterEvent]) -> list[ClusterEvent]:
    """Return the events that tell of fencing."""
    return [event for event in events if event.kind.startswith(EVENT_KINDS)]


def evidence(reply: StatusReply, node: NodeName) -> list[Line]:
    """Return what is known of a node before a person says that it is off."""
    lines = [line(f"What this node knows of {node}:", Tone.TITLE)]
    known = reply.membership.node(node)
    if known is None:
        return [*lines, line("  nothing: it is no node of this cluster", Tone.BAD)]
    heard = "never since this node started"
    if known.last_heard_ms:
        heard = f"{duration(reply.now_ms - known.last_heard_ms)} ago"
    lines.append(line(f"  status {known.status.value}, last heard {heard}"))
    for name, status in known.links:
        tone = Tone.BAD if status is LinkStatus.UP else Tone.PLAIN
        lines.append(line(f"  link {name} to it: {status.value}", tone))
    entry = reply.fencing.node(node)
    if entry is not None and entry.is_open:
        lines.append(line(f"  {unclean(entry, reply.now_ms)}"))
    warning = "If it still runs and you confirm, its groups run twice: data may be destroyed."
    return [*lines, line(f"  {warning}", Tone.BAD)]


def wait_fenced(places: Places, node: NodeName, timeout_s: float) -> int:
    """Wait until a node is confirmed off; tell it; return 0, or 1 if it is not in time."""
    end = time.monotonic() + timeout_s
    text = ""
    while time.monotonic() < end:
        reply = fetch_status(places)
        entry = reply.fencing.node(node)
        if entry is not None and entry.state is FencingState.CONFIRMED:
            said = printable(entry.detail)
            print(f"{node} is fenced ({entry.action.value}) by {entry.device}: {said}")
            return 0
        if entry is not None and entry.state is FencingState.CANCELLED:
            print(f"{node} was not fenced: {printable(entry.detail)}", file=sys.stderr)
            return 1
        text = unclean(entry, reply.now_ms) if entry is not None else "it is not asked for"
        time.sleep(POLL_S)
    print(
        f"{node} is not fenced after {timeout_s:g} s, and goes on: {printable(text)}",
        file=sys.stderr,
    )
    return 1


def wait_tested(places: Places, node: NodeName, asked_ms: int, timeout_s: float) -> int:
    """Wait until every device of a node has answered; tell it; return 0 if all work."""
    end = time.monotonic() + timeout_s
    while True:
        devices = _devices_of(fetch_status(places), node)
        late = [device for device in devices if device.asked_ms < asked_ms]
        if not late or time.monotonic() > end:
            break
        time.sleep(POLL_S)
    for device in devices:
        word = "no answer yet" if device in late else device.detail
        is_good = device.is_working and device not in late
        print(f"{device.device}: {'works' if is_good else 'FAILED'}: {printable(word)}")
    return 0 if devices and all(d.is_working and d not in late for d in devices) else 1


def _devices_of(reply: StatusReply, node: NodeName) -> list[DeviceStatus]:
    return [
        device
        for device in reply.fencing.devices
        if device.type != "meatware" and (device.hosts is None or node in device.hosts)
    ]
