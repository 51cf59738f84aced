"""What decides after a split: the directives `quorum`, `witness`, `stoptime`, and their arithmetic.

    two nodes     quorum ping ► witness ► stonith ► nothing: can split     (the first that is there)
    three, more   votes of the nodes

A `ping` line alone decides nothing, as in Heartbeat: most of those that people have are there for
ipfail, and a router that does not answer must not end a service.

Rates of two clocks differ by DRIFT at most. With D deadtime, S stoptime and L the lease,
L (1 + r) + S <= D (1 - r); and a lease must outlast two heartbeats, or it lapses without a fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.config.directives import Directive, Statement
from everbeat.config.options import PORT_MAX, a_time, one_of
from everbeat.config.values import number_from_word, time_ms_from_word
from everbeat.model.cluster import WITNESS_PORT, Quorum, Timing, WitnessPlace, lease_ms
from everbeat.model.names import node_name_from_text

if TYPE_CHECKING:
    from everbeat.config.draft import Draft
    from everbeat.config.files import Line
    from everbeat.model.cluster import Medium

STOPTIME_MS_MAX: Final = 10_000  # of the default
STOPTIME_MS_LEAST: Final = 300  # below this not even an address is given up in time
BY_PING: Final = (
    "the ping nodes decide: who reaches neither them nor the other node gives up; two nodes that"
    " reach them but not each other both hold; their silence plus one node's death ends the service"
)
ROUND_TRIP_MS: Final = 200
"""What a heartbeat and its echo may be under way, beside the wait for the next heartbeat."""


def apply_witness(draft: Draft, statement: Statement) -> None:
    """Name the witness: HOST, HOST:PORT, an IPv6 address, or [ADDRESS]:PORT."""
    word, *surplus = statement.words
    place = witness_from_word(word)
    if place is None or surplus:
        summary = f"witness: '{statement.rest}' is not HOST or HOST:PORT"
        draft.report("witness-malformed", statement.line, summary, "witness 192.0.2.9:6940")
        return
    if "witness" in draft.lines:
        summary = f"witness: overrides line {draft.lines['witness'].number}"
        draft.report("directive-repeated", statement.line, summary, "keep one of the two lines")
    draft.lines["witness"] = statement.line
    draft.witness = place
    if draft.host.resolve(place.host) is None and draft.host.resolve6(place.host) is None:
        summary = f"witness: the host {place.host} has no address now"
        remedy = f"put {place.host} into /etc/hosts"
        draft.report("witness-unresolvable", statement.line, summary, remedy)


def witness_from_word(word: str) -> WitnessPlace | None:
    """Return the place a word names, or None."""
    if not word.isprintable() or any(char in " #,/" for char in word):
        return None
    host, port_word = word, str(WITNESS_PORT)
    if word.startswith("["):
        host, closed, rest = word[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return None
        port_word = rest[1:] if rest else port_word
    elif word.count(":") == 1:
        host, _, port_word = word.partition(":")
    port = number_from_word(port_word)
    if not host or port is None or not 0 < port <= PORT_MAX:
        return None
    return WitnessPlace(host, port)


def default_stoptime_ms(deadtime_ms: int, keepalive_ms: int) -> int:
    """Return a third of deadtime, less where the lease would become too short."""
    wanted_ms = min(deadtime_ms // 3, STOPTIME_MS_MAX)
    room_ms = (99 * deadtime_ms - 101 * lease_ms_least(keepalive_ms)) // 100
    return min(wanted_ms, max(room_ms, STOPTIME_MS_LEAST))


def lease_ms_least(keepalive_ms: int) -> int:
    """Return the shortest lease that heartbeats without a loss can renew in time."""
    return 2 * keepalive_ms + ROUND_TRIP_MS


def quorum_of(draft: Draft, timing: Timing) -> Quorum:
    """Choose what decides after a split, and report what does not fit."""
    word = draft.parameters.get("quorum")
    kind = _kind(draft)
    if word == "none":
        if "witness" in draft.lines:
            summary = "witness: it is not asked, as quorum none says"
            draft.report("witness-unused", draft.lines["witness"], summary, "delete one of both")
        return Quorum.NONE
    if word == "votes" and kind in {Quorum.NONE, Quorum.FENCING} and len(draft.nodes) == 2:
        summary = "quorum votes: two nodes need a third voter"
        draft.report("quorum-third-missing", draft.lines["quorum"], summary, "witness HOST")
        return Quorum.NONE
    if kind is Quorum.VOTES and "witness" in draft.lines:
        summary = f"witness: {len(draft.nodes)} nodes decide by themselves; it is not asked"
        draft.report("witness-unused", draft.lines["witness"], summary, "delete this line")
    if kind is Quorum.WITNESS:
        _check_witness(draft)
    if word == "ping":
        _check_ping(draft, kind)
    if kind is Quorum.PING:
        draft.report_about(
            "quorum", "quorum-by-ping", BY_PING, "witness HOST, which serves one side alone"
        )
    if kind is Quorum.NONE and len(draft.nodes) == 2 and word != "ping":
        but = " (ping lines do not, without quorum ping)" if _pings(draft) else ""
        summary = f"nothing decides a split{but}: two nodes that do not hear each other both hold"
        remedy = "witness HOST, stonith_host … or quorum ping; or quorum none"
        draft.report_file("quorum-none", summary, remedy)
    if kind in {Quorum.VOTES, Quorum.WITNESS, Quorum.PING}:
        return _checked(draft, timing, kind)
    return kind


def _kind(draft: Draft) -> Quorum:
    if len(draft.nodes) > 2:
        return Quorum.VOTES
    if len(draft.nodes) < 2:
        return Quorum.NONE
    if draft.parameters.get("quorum") == "ping":
        return Quorum.PING if _pings(draft) else Quorum.NONE
    if "witness" in draft.lines:
        return Quorum.WITNESS
    return Quorum.FENCING if draft.devices else Quorum.NONE


def _pings(draft: Draft) -> list[tuple[Line, Medium]]:
    found = zip(draft.media_lines, draft.media, strict=True)
    return [(line, medium) for line, medium in found if medium.kind.is_ping]


def _check_ping(draft: Draft, kind: Quorum) -> None:
    """Report why ping nodes cannot decide, or not alone."""
    line = draft.lines["quorum"]
    if kind is Quorum.VOTES:
        summary = (
            f"quorum ping: {len(draft.nodes)} nodes decide by their votes; no ping node is asked"
        )
        draft.report("quorum-ping-unused", line, summary, "delete this line")
    elif not _pings(draft):
        summary = "quorum ping: no ping line names whom to ask"
        draft.report("quorum-ping-missing", line, summary, "ping ROUTER, one that both nodes need")
    elif "witness" in draft.lines:
        summary = "witness: it is not asked, as quorum ping says"
        remedy = "delete the line quorum ping: a witness serves one side alone"
        draft.report("witness-unused", draft.lines["witness"], summary, remedy)


def _check_witness(draft: Draft) -> None:
    assert draft.witness is not None
    name = node_name_from_text(draft.witness.host)
    if name in draft.nodes:
        summary = f"witness: {name} is a node of this cluster; it cannot decide about itself"
        remedy = "witness HOST, a third machine"
        draft.report("witness-is-node", draft.lines["witness"], summary, remedy)


def _checked(draft: Draft, timing: Timing, kind: Quorum) -> Quorum:
    """Do the arithmetic; a configuration that only implies quorum goes on without it."""
    least_ms = lease_ms_least(timing.keepalive_ms)
    if kind is Quorum.PING:
        least_ms += timing.keepalive_ms  # a ping's lease is shorter by a heartbeat
    lasts_ms = lease_ms(timing.deadtime_ms, timing.stoptime_ms)
    if lasts_ms >= least_ms and timing.stoptime_ms >= STOPTIME_MS_LEAST:
        return kind
    wanted_ms = max(timing.stoptime_ms, STOPTIME_MS_LEAST)
    wanted_ms = (101 * least_ms + 100 * wanted_ms) // 99 + 1
    deadtime = -(-wanted_ms // 1_000)
    summary = (
        f"deadtime {timing.deadtime_ms} ms less stoptime {timing.stoptime_ms} ms leaves a lease of"
        f" {max(lasts_ms, 0)} ms; keepalive {timing.keepalive_ms} ms needs {least_ms} ms"
    )
    remedy = f"deadtime {deadtime}, a shorter keepalive or stoptime, or quorum none"
    is_asked_for = {"quorum", "witness", "stoptime"} & set(draft.lines)
    if is_asked_for:
        draft.report_about("deadtime", "quorum-timing", summary, remedy)
        return kind
    summary += ": nothing prevents two holders"
    draft.report_about("deadtime", "quorum-off", summary, remedy)
    return Quorum.NONE


def stoptime_ms_of(draft: Draft, deadtime_ms: int, keepalive_ms: int) -> int:
    """Return stoptime as given or by default, and record it as a parameter."""
    word = draft.parameters.get("stoptime")
    given = time_ms_from_word(word) if word is not None else None
    return default_stoptime_ms(deadtime_ms, keepalive_ms) if given is None else given


QUORUM: Final = (
    Directive(
        name="quorum",
        shape="votes|ping|none",
        meaning="Who lets a side hold groups: a majority, ping nodes, or nobody is asked.",
        kind=one_of(("votes", "ping", "none")),
        is_once=True,
    ),
    Directive(
        name="stoptime",
        shape="TIME",
        meaning="What giving up everything may take; deadtime/3.",
        kind=a_time(1, "10"),
    ),
    Directive(
        name="witness",
        shape="HOST[:PORT]",
        meaning="The third voter of two nodes.",
        apply=apply_witness,
    ),
)
