"""everbeat witness --status: whom the witness on this machine serves, and who has it on its side.

Enters: the JSON text of RUN/witness.sock. Leaves: lines, or that JSON, indented.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, Final

from everbeat.adapters.peer import check_listener
from everbeat.commands.lines import Line, Span, Tone, duration, line

if TYPE_CHECKING:
    from pathlib import Path

REPLY_TIMEOUT_S: Final = 5.0
_RECEIVE_BYTES: Final = 65_536
_REMEDY: Final = "on a node of that cluster: everbeat add witness HOST; it prints what to run here"


class WitnessNotRunning(Exception):  # noqa: N818 - says what it is
    """No witness answers on this machine."""


def fetch_witness_status(run: Path) -> str:
    """Ask the witness of this machine. Raise WitnessNotRunning with the reason."""
    path = run / "witness.sock"
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(REPLY_TIMEOUT_S)
            asking.connect(str(path))
            check_listener(asking)
            while data := asking.recv(_RECEIVE_BYTES):
                received += data
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise WitnessNotRunning(f"no witness is running here ({path})") from error
    except OSError as error:
        raise WitnessNotRunning(f"{path}: {error.strerror or error}") from error
    return received.decode()


def render_witness_status(text: str) -> list[Line]:
    """Return the status for people."""
    status = json.loads(text)
    lines: list[Line] = [
        (
            Span("witness", Tone.TITLE),
            Span(f"  up for {duration(status['up_ms'])}"),
            Span(f"  {status['rejected_count']} datagrams dropped unread", Tone.FAINT),
            Span(f"  everbeat {status['version']}", Tone.FAINT),
        )
    ]
    for cluster in status["clusters"]:
        lines += [line(), *_cluster(cluster)]
    if status.get("unknown_keys"):
        lines += [line(), line("Unknown keys", Tone.TITLE)]
        lines += [_stranger(stranger) for stranger in status["unknown_keys"]]
        lines.append(line(f"  {_REMEDY}", Tone.FAINT))
    return lines


def _stranger(stranger: Any) -> Line:  # Any: JSON
    times = "once" if stranger["count"] == 1 else f"{stranger['count']} times"
    return (
        Span(f"  {stranger['source']}  "),
        Span(f"asked {times} with a key that is not here", Tone.BAD),
        Span(f", last {duration(stranger['ago_ms'])} ago", Tone.FAINT),
    )


def _cluster(cluster: Any) -> list[Line]:  # Any: JSON
    head = [Span(cluster["cluster"], Tone.TITLE)]
    if not cluster["has_keys"]:
        head.append(Span("  its keys were removed: not served any more", Tone.CARE))
    elif not any(node["asked_ago_ms"] is not None for node in cluster["nodes"]):
        head.append(Span("  has not asked: its nodes hear each other, or nobody tried", Tone.FAINT))
    return [tuple(head), *(_node(node) for node in cluster["nodes"])]


def _node(node: Any) -> Line:  # Any: JSON
    spans = [Span(f"  {node['node']}  ")]
    if node["is_granted"]:
        about = " and ".join(node["about"])
        spans.append(Span(f"has the witness on its side against {about}", Tone.GOOD))
        spans.append(Span(f", for another {duration(node['fresh_for_ms'])} at least"))
    elif node["refusal_count"]:
        spans.append(Span("is not on the witness's side", Tone.CARE))
    else:
        spans.append(Span("has no grant"))
    if node["asked_ago_ms"] is not None:
        spans.append(Span(f"; asked {duration(node['asked_ago_ms'])} ago", Tone.FAINT))
    counts = f", granted {node['grant_count']}, refused {node['refusal_count']} times"
    spans.append(Span(counts, Tone.FAINT))
    return tuple(spans)
