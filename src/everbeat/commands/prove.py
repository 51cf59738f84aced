"""everbeat prove split: search the simulator for faults that make two nodes hold one group.

Enters: a folder with ha.cf, authkeys and haresources of any node. Leaves: "none found", or the
shortest schedule of faults that does it, in words. The simulated nodes run the code of the real
ones; only network, disks, clocks and scripts are simulated.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.adapters.config_files import load_configuration, read_config_file
from everbeat.commands import as_json
from everbeat.commands.lines import Line, Span, Tone, duration, line
from everbeat.config.any_host import AnyHost
from everbeat.config.files import lines_of, values_of, without_comment, words_of
from everbeat.model.cluster import Quorum
from everbeat.model.names import NodeName, node_name_from_text
from everbeat.sim.network import WITNESS
from everbeat.sim.schedule import (
    Cluster,
    DoubleRun,
    Fault,
    FaultKind,
    drawn_schedule,
    run_schedule,
    shortened,
    simulated_cluster,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ResourceGroup
    from everbeat.model.reports import Report

CHUNK: Final = 5
"""Schedules one worker takes at a time."""

GROUPS_MAX: Final = 8
"""More groups are not simulated: who may hold one is decided for each node, not for each group."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is proved of: the cluster as simulated, and how many groups haresources has."""

    cluster: Cluster
    group_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of it."""

    schedules: int  # tried
    seconds: float
    double_run: DoubleRun | None
    assumptions: tuple[str, ...]


def load_subject(etc: Path) -> tuple[Subject | None, tuple[Report, ...]]:
    """Read the configuration as each of its nodes would; None and the reports if it is wrong."""
    ha_cf = read_config_file(etc / "ha.cf")
    rows = [words_of(without_comment(row.text)) for row in lines_of(ha_cf)]
    named = [values_of(" ".join(row[1:])) for row in rows if row[:1] == ("node",)]
    words = tuple(word for row in rows for word in row)
    first = next((node_name_from_text(word) for values in named for word in values), NodeName(""))
    parsed = load_configuration(etc, AnyHost(first, words))
    names = parsed.config.nodes if parsed.config is not None else (first,)
    configs: list[HaConfig] = []
    groups: tuple[ResourceGroup, ...] = ()
    reports: tuple[Report, ...] = ()
    for name in names:
        parsed = load_configuration(etc, AnyHost(name, words))
        reports = parsed.reports
        if parsed.config is None or parsed.keys is None:
            return None, reports
        configs.append(parsed.config)
        groups = parsed.groups
    if len(configs) < 2 or not groups:
        return None, reports
    return Subject(simulated_cluster(configs, groups[:GROUPS_MAX]), len(groups)), reports


def prove(
    subject: Subject,
    *,
    schedules: int,
    seed: int,
    workers: int | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Proof:
    """Try so many schedules, the same ones for the same seed; stop at the first double run."""
    began = time.monotonic()
    tried, found = 0, None
    count = workers or os.cpu_count() or 1
    pool = ProcessPoolExecutor(count, initializer=_leave_signals_to_the_parent)
    try:
        chunks = _chunks(seed, schedules)
        running: set[Future[tuple[int, DoubleRun | None]]] = set()
        while found is None:
            for chunk in chunks:
                running.add(pool.submit(_try, subject.cluster, chunk))
                if len(running) >= 2 * count:
                    break
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            results = [future.result() for future in done]
            tried += sum(number for number, _ in results)
            doubles = [double for _, double in results if double is not None]
            found = min(doubles, key=lambda d: (len(d.schedule), d.seed), default=None)
            on_progress(tried)
    finally:
        pool.shutdown(cancel_futures=True)
    if found is not None:
        found = shortened(subject.cluster, found)
    return Proof(
        schedules=tried,
        seconds=time.monotonic() - began,
        double_run=found,
        assumptions=assumptions_of(subject),
    )


def assumptions_of(subject: Subject) -> tuple[str, ...]:
    """Return what the result rests on, and what it does not cover, as sentences."""
    cluster = subject.cluster
    timing = cluster.configs[0].timing
    said = []
    if cluster.quorum is not Quorum.NONE:
        said.append(
            f"giving up all groups takes no longer than stoptime ({duration(timing.stoptime_ms)});"
            " where it may, fencing or a watchdog is needed"
        )
        said.append("two clocks differ in rate by 1 % at most")
    if cluster.quorum is Quorum.PING:
        said.append(
            "not covered: ping nodes are no witness. Two nodes that both reach them, but not each"
            " other, would both hold; `witness HOST` serves one side alone"
        )
        said.append("both nodes have reached the ping nodes before: until then nothing decides")
    elif cluster.configs[0].ping_hosts and cluster.quorum is Quorum.NONE:
        said.append("the ping nodes decide nothing: a ping line alone does not, `quorum ping` does")
    if cluster.quorum is Quorum.FENCING:
        said.append("nothing is taken before the other node is confirmed off, and that is true")
    if not all(config.watchdog for config in cluster.configs):
        said.append(
            "not covered: without `watchdog DEVICE` a machine that stood still for longer than a"
            " lease (a paused virtual machine) serves for a moment when it wakes"
        )
    if subject.group_count > len(cluster.groups):
        text = f"the first {len(cluster.groups)} of {subject.group_count} groups were simulated"
        said.append(text)
    return tuple(said)


def remedy_of(subject: Subject) -> str:
    """Return what to write so that it cannot happen."""
    match subject.cluster.quorum:
        case Quorum.NONE:
            return (
                "write `witness HOST` into ha.cf, HOST being a third machine that runs"
                " `everbeat witness`; or name fencing devices (stonith_host)"
            )
        case Quorum.WITNESS | Quorum.VOTES | Quorum.PING | Quorum.FENCING:
            return (
                "this must not happen with this configuration: please report it with the output"
                " of --json"
            )


# -- for people --------------------------------------------------------------------------------


def render_proof(subject: Subject, proof: Proof) -> list[Line]:
    """Return the result for people."""
    lines = [line(_subject_text(subject), Tone.TITLE)]
    found = proof.double_run
    if found is None:
        text = f"no double run in {proof.schedules} schedules of faults"
        lines.append((Span(text, Tone.GOOD), Span(f"  {proof.seconds:.0f} s", Tone.FAINT)))
    else:
        text = f"double run: {found.what}"
        lines.append((Span(text, Tone.BAD), Span(f"  after {proof.schedules} schedules")))
        count = len(found.schedule)
        head = f"The shortest schedule found has {count} fault{'s' * (count != 1)}:"
        lines += [line(), line(head)]
        lines += [line(f"  {_moment(at_ms)}  {text}") for at_ms, text in story_of(found)]
        lines += [line(), line(f"What helps: {remedy_of(subject)}.")]
    if proof.assumptions:
        lines += [line(), line("This rests on:", Tone.FAINT)]
        lines += [line(f"  * {text}", Tone.FAINT) for text in proof.assumptions]
    return lines


def proof_json(subject: Subject, proof: Proof) -> str:
    """Return the result as one JSON object."""
    found = proof.double_run
    document = {
        "quorum": subject.cluster.quorum,
        "schedules": proof.schedules,
        "seconds": round(proof.seconds, 1),
        "assumptions": proof.assumptions,
        "double_run": None
        if found is None
        else {
            "what": found.what,
            "at_ms": found.at_ms,
            "seed": found.seed,
            "faults": found.schedule,
            "story": [text for _, text in story_of(found)],
            "remedy": remedy_of(subject),
            "log": found.log,
        },
    }
    return as_json.dumps(document, is_indented=True)


def story_of(found: DoubleRun) -> list[tuple[int, str]]:
    """Return what happens when, in milliseconds after all was well, up to the double run."""
    told = [(0, "all nodes are up, and every group is held once")]
    for fault in found.schedule:
        told.append((fault.at_ms, _begin_text(fault)))
        ended = _end_text(fault)
        if ended:
            told.append((fault.at_ms + fault.lasts_ms, ended))
    told = [(at_ms, text) for at_ms, text in told if at_ms <= found.at_ms]
    return [*sorted(told, key=lambda each: each[0]), (found.at_ms, found.what)]


def _begin_text(fault: Fault) -> str:
    node = fault.node
    match fault.kind:
        case FaultKind.CUT if fault.is_one_way:
            return f"{_name(fault.other)} does not hear {node} any more (one way)"
        case FaultKind.CUT:
            return f"{node} and {_name(fault.other)} do not hear each other any more"
        case FaultKind.ISOLATED:
            return f"{node} is cut off from everybody"
        case FaultKind.POWER_CUT:
            return f"{node} loses power"
        case FaultKind.STOP:
            return f"everbeat is stopped on {node}"
        case FaultKind.LINK_DIES:
            return f"the link process of {node} dies, and is started again"
        case FaultKind.CORE_DIES:
            return f"the core process of {node} dies, and is started again"
        case FaultKind.PAUSE:
            return f"{node} stands still for {duration(fault.lasts_ms)}"
        case FaultKind.NOISE:
            return f"the network loses {fault.amount / 10:.0f} % of all datagrams and delays others"
        case FaultKind.STANDBY:
            return f"`everbeat standby all` on {node}"
        case FaultKind.TAKEOVER:
            return f"`everbeat takeover all` on {node}"
        case FaultKind.WITNESS_DOWN:
            return "the witness dies"
        case FaultKind.WITNESS_LATE:
            return f"the witness's answers are late, up to {duration(fault.amount)}"
        case FaultKind.DEVICES_FAIL:
            return "the fencing devices fail"
        case FaultKind.DISTRIBUTE:
            return f"`everbeat reload --all` on {node}"
        case _:
            return _played_text(fault)


def _played_text(fault: Fault) -> str:
    """Return what an adversary does."""
    node, count, lasts = fault.node, fault.amount, duration(fault.lasts_ms)
    to = f"to {fault.other or 'all others'} for {lasts}"
    match fault.kind:
        case FaultKind.WORDS_PLAYED if count > 0:
            what = f"the last {count} datagrams of a former life of {node} are"
            return f"{what} played {to}, in a loop"
        case FaultKind.WORDS_PLAYED:
            what = f"datagram {-count} from the end of a former life of {node} is"
            return f"{what} played {to}, in a loop"
        case FaultKind.STRETCH_PLAYED:
            return f"what {node} has said from {duration(count)} ago on is played {to}"
        case FaultKind.SOME_PLAYED:
            return f"{count} recorded datagrams are played within {lasts}"
        case FaultKind.QUESTIONS_PLAYED:
            what = f"{node}'s recorded questions are played to the witness"
            return f"{what} for {lasts}, one each {duration(count)}"
        case _:
            raise AssertionError("nothing else is played")


def _end_text(fault: Fault) -> str:
    match fault.kind:
        case FaultKind.CUT:
            return f"{fault.node} and {_name(fault.other)} hear each other again"
        case FaultKind.ISOLATED:
            return f"{fault.node} is back in the network"
        case FaultKind.POWER_CUT | FaultKind.STOP:
            return f"{fault.node} is started"
        case FaultKind.NOISE:
            return "the network is well again"
        case FaultKind.WITNESS_DOWN:
            return "the witness is started"
        case FaultKind.WITNESS_LATE:
            return "the witness answers at once again"
        case FaultKind.DEVICES_FAIL:
            return "the fencing devices work again"
        case _:
            return ""


def _name(node: str) -> str:
    return "the witness" if node == WITNESS else node


def _moment(at_ms: int) -> str:
    return f"{at_ms / 1_000:7.1f} s"


def _subject_text(subject: Subject) -> str:
    cluster = subject.cluster
    config = cluster.configs[0]
    decides = {
        Quorum.NONE: "nothing decides after a split",
        Quorum.VOTES: "the nodes' votes decide after a split",
        Quorum.WITNESS: f"witness {config.witness.host if config.witness else ''}",
        Quorum.PING: "ping nodes decide after a split",
        Quorum.FENCING: "fencing decides after a split",
    }
    names = " ".join(each.node for each in cluster.configs)
    dead = duration(cluster.dead_ms)
    groups = f"{subject.group_count} group{'s' * (subject.group_count != 1)}"
    return f"{names}: {decides[cluster.quorum]}, deadtime {dead}, {groups}"


# -- in the workers ------------------------------------------------------------------------------


def _chunks(first: int, count: int) -> Iterator[range]:
    for start in range(first, first + count, CHUNK):
        yield range(start, min(start + CHUNK, first + count))


def _leave_signals_to_the_parent() -> None:
    """Let Ctrl-C end the parent alone, which ends us when our chunk is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _try(cluster: Cluster, seeds: range) -> tuple[int, DoubleRun | None]:
    """Try a chunk; return how many were tried and the first double run."""
    for number, seed in enumerate(seeds, 1):
        found = run_schedule(cluster, drawn_schedule(cluster, seed), seed)
        if found is not None:
            return number, found
    return len(seeds), None


def progress_to(stream_is_terminal: bool, total: int) -> Callable[[int], None]:  # noqa: FBT001 - one word
    """Return what shows the progress on stderr, if that is a terminal."""
    began = time.monotonic()

    def show(tried: int) -> None:
        if stream_is_terminal:
            seconds = time.monotonic() - began
            sys.stderr.write(f"\r{tried} of {total} schedules, {seconds:.0f} s ")
            sys.stderr.flush()

    return show
