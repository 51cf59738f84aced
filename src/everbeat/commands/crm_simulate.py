"""crm_simulate: what a cluster would do, with the options and the output of Pacemaker's tool.

Enters: a CIB, events to put into it, and what to show or save. Leaves: the text, the saved files
and an exit status: 0 done, 1 actions wait for each other, 64 wrong words, 66 a file cannot be
written, 70 no XML, 78 a CIB that cannot be used.
Oracle: summaries, scores, graphs and drawings of the regression cases; for injections 2.1.5
"""

from __future__ import annotations

import getopt
import time
from typing import TYPE_CHECKING, Final

from everbeat.cib.tree import render_tree
from everbeat.commands.cib_file import STDIN, CibFile, read_cib
from everbeat.commands.deep_chains import with_room
from everbeat.commands.render_reports import render_reports
from everbeat.commands.simulation_time import SimulationTime, time_of
from everbeat.policy.emit.changes_text import change_lines
from everbeat.policy.emit.dot import render_dot
from everbeat.policy.emit.execute import execute
from everbeat.policy.emit.graph import build_graph
from everbeat.policy.emit.graph_xml import render_graph
from everbeat.policy.emit.summary import head_lines, revised_block
from everbeat.policy.emit.transition import NOT_VALIDATED
from everbeat.policy.schedule import STAGES
from everbeat.policy.simulation.inject import inject
from everbeat.policy.simulation.injections import (
    Injection,
    NodeChange,
    NodeEvent,
    OperationResult,
    QuorumEvent,
    TicketChange,
    TicketEvent,
    WatchdogEvent,
    result_from_words,
)
from everbeat.policy.unpack.unpack import plan_from_cib
from everbeat.policy.values import boolean_from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO, TextIO

    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan

LOOP_STATUS: Final = 1
USAGE_STATUS: Final = 64
OUTPUT_STATUS: Final = 66
NO_XML_STATUS: Final = 70
CONFIGURATION_STATUS: Final = 78
_SHORT: Final = "hRSXx:psQUVt:I:O:G:D:au:d:f:i:F:q:w:g:r:b:e:L"
_LONG: Final = {
    "help": "-h",
    "run": "-R",
    "simulate": "-S",
    "in-place": "-X",
    "xml-file=": "-x",
    "xml-pipe": "-p",
    "show-scores": "-s",
    "quiet": "-Q",
    "verbose": "-V",
    "set-datetime=": "-t",
    "save-input=": "-I",
    "save-output=": "-O",
    "save-graph=": "-G",
    "save-dotfile=": "-D",
    "node-up=": "-u",
    "node-down=": "-d",
    "node-fail=": "-f",
    "op-inject=": "-i",
    "op-fail=": "-F",
    "quorum=": "-q",
    "watchdog=": "-w",
    "ticket-grant=": "-g",
    "ticket-revoke=": "-r",
    "ticket-standby=": "-b",
    "ticket-activate=": "-e",
    "live-check": "-L",
}
_NODE_OPTIONS: Final = {"-u": NodeChange.UP, "-d": NodeChange.DOWN, "-f": NodeChange.FAIL}
_TICKET_OPTIONS: Final = {
    "-g": TicketChange.GRANT,
    "-r": TicketChange.REVOKE,
    "-b": TicketChange.STANDBY,
    "-e": TicketChange.ACTIVATE,
}
HELP: Final = """\
usage: crm_simulate -x FILE [-R|-S|-X] [options]

Show what the cluster described by a CIB would do.

  -x, --xml-file FILE     the CIB; FILE.bz2 is uncompressed, - is standard input (also -p)
  -R, --run               decide, and show what would change
  -S, --simulate          like -R, then carry it out in thought and show the state afterwards
  -X, --in-place          like -S, and write the CIB afterwards back to FILE
  -s, --show-scores       show the scores of every resource on every node
  -Q, --quiet             only what was asked for explicitly (scores)
  -t, --set-datetime T    decide as if it were T (ISO 8601; without a zone: local time)
  -I, --save-input FILE   write the CIB with the events below     -O  the CIB afterwards
  -G, --save-graph FILE   write the transition graph              -D  the drawing (dot)

  -u, -d, -f NODE         a node comes online, goes, falls silent
  -i, --op-inject OP      an operation has this result: RESOURCE_TASK_INTERVAL@NODE=CODE
  -F, --op-fail OP        fail this operation while it is carried out (with -S)
  -q, --quorum 0|1        quorum        -w, --watchdog 0|1      a watchdog
  -g, -r, -b, -e TICKET   grant a ticket, revoke it, make it standby, activate it
"""


class Options:
    """The words of one call, read."""

    def __init__(self) -> None:
        """Nothing is asked for yet."""
        self.source: str | None = None
        self.runs = False
        self.executes = False
        self.is_in_place = False
        self.shows_scores = False
        self.is_quiet = False
        self.shows_help = False
        self.time_text: str | None = None
        self.files: dict[str, str] = {}  # -I, -O, -G, -D: where to
        self.injections: list[Injection] = []
        self.failures: list[OperationResult] = []
        self.problems: list[str] = []


def crm_simulate(
    words: Sequence[str],
    out: TextIO,
    err: TextIO,
    *,
    stdin: BinaryIO | None = None,
    now: int | None = None,
) -> int:
    """Carry out one call; `now` (seconds since the epoch) stands in for the clock."""
    options = options_from_words(words)
    if options.shows_help:
        out.write(HELP)
        return 0
    if options.problems:
        for problem in options.problems:
            print(f"crm_simulate: {problem}", file=err)
        return USAGE_STATUS
    assert options.source is not None
    read = read_cib(options.source, stdin)
    if not isinstance(read, CibFile):
        err.write(render_reports([read], options.source, color=False))
        return NO_XML_STATUS
    when = time_of(read.cib, options.time_text, int(time.time()) if now is None else now)
    if isinstance(when, str):
        print(f"crm_simulate: {when}", file=err)
        return USAGE_STATUS
    problems = read.refusals()
    if problems:
        err.write(render_reports(problems, read.name, color=False))
        return CONFIGURATION_STATUS
    if any(report.code == "schema-none" for report in read.upgraded.reports):
        print(NOT_VALIDATED, file=err, flush=True)
    run = _Run(options, read.cib, when, out, err)
    status = with_room(read.name, run.carry_out)
    if isinstance(status, int):
        return status
    err.write(render_reports([status], read.name, color=False))
    return CONFIGURATION_STATUS


def options_from_words(words: Sequence[str]) -> Options:
    """Read the words; everything wrong with them is in `problems`."""
    options = Options()
    try:
        found, rest = getopt.gnu_getopt(list(words), _SHORT, list(_LONG))
    except getopt.GetoptError as error:
        options.problems.append(f"{error.msg} (crm_simulate -h lists the options)")
        return options
    long_names = {name.rstrip("="): short for name, short in _LONG.items()}
    for name, value in found:
        option = long_names[name[2:]] if name.startswith("--") else name
        _take(options, option, value)
    if rest:
        options.problems.append(f"{' '.join(rest)}: words without an option")
    if options.source is None and not options.shows_help:
        options.problems.append("which CIB? -x FILE, or -p for standard input")
    return options


def _take(options: Options, option: str, value: str) -> None:
    if option in ("-q", "-w") and boolean_from_text(value) is None:
        options.problems.append(f"{option} {value}: write 1 or 0")
        return
    match option:
        case "-h":
            options.shows_help = True
        case "-x":
            options.source = value
        case "-p":
            options.source = STDIN
        case "-R":
            options.runs = True
        case "-S" | "-X":
            options.runs = options.executes = True
            options.is_in_place = options.is_in_place or option == "-X"
        case "-s":
            options.runs = options.shows_scores = True
        case "-Q":
            options.is_quiet = True
        case "-t":
            options.time_text = value
        case "-I" | "-O" | "-G" | "-D":
            options.files[option] = value
        case "-u" | "-d" | "-f":
            options.injections.append(NodeEvent(_NODE_OPTIONS[option], value))
        case "-g" | "-r" | "-b" | "-e":
            options.injections.append(TicketEvent(_TICKET_OPTIONS[option], value))
        case "-q":
            options.injections.append(QuorumEvent(value))
        case "-w":
            options.injections.append(WatchdogEvent(value))
        case "-i" | "-F":
            _take_result(options, option, value)
        case "-L":
            options.problems.append("-L asks a running cluster: not possible, give a CIB with -x")
        case _:  # -V, -U and -a are accepted and change nothing
            pass


def _take_result(options: Options, option: str, value: str) -> None:
    result = result_from_words(value)
    if result is None:
        text = f"{option} {value}: write RESOURCE_TASK_INTERVAL@NODE=CODE, such as web_start_0@a=1"
        options.problems.append(text)
    elif option == "-i":
        options.injections.append(result)
    else:
        options.failures.append(result)


class _Run:
    """One call whose words and document are good."""

    def __init__(
        self, options: Options, cib: Element, when: SimulationTime, out: TextIO, err: TextIO
    ) -> None:
        self._options = options
        self._cib = cib
        self._when = when
        self._out = out
        self._err = err
        self._status = 0

    def carry_out(self) -> int:
        """Decide, show and save; return the exit status."""
        options = self._options
        before = plan_from_cib(self._cib, self._when.now)
        head = head_lines(before)
        if not self._when.lines and head[0] == "":
            head = head[1:]
        self._show([*self._when.lines, *head])
        plan = before
        if options.injections:
            injected = inject(before, options.injections, self._when.now)
            self._cib = injected.cib
            lines = [f"  * {line}" for line in injected.lines]
            self._show(["", "Performing Requested Modifications:", *lines])
            for problem in injected.refused:
                print(f"crm_simulate: {problem}", file=self._err)
            if injected.refused:
                return USAGE_STATUS
        self._save("-I", lambda: render_tree(self._cib))
        if options.runs or options.files.keys() & {"-G", "-D", "-O"}:
            if options.injections:
                plan = plan_from_cib(self._cib, self._when.now)
            for _name, stage in STAGES:
                stage(plan)
            self._decide(plan)
        return self._status

    def _decide(self, plan: Plan) -> None:
        options = self._options
        if options.shows_scores:
            self._show(["", "Assignment Scores:", *(f"  * {line}" for line in plan.score_lines)])
            if options.is_quiet:
                self._out.writelines(f"{line}\n" for line in plan.score_lines)
        graph = build_graph(plan)
        self._save("-G", lambda: render_graph(plan, graph))
        self._save("-D", lambda: render_dot(plan))
        if options.runs:
            self._show(["", "Transition Summary:", *change_lines(plan)])
        if options.executes:
            execution = execute(plan, graph, options.failures)
            if execution.stuck:
                print("Transition failed: terminated", file=self._err)
                print("An invalid transition was produced", file=self._err)
                self._status = LOOP_STATUS
            self._show(["", "Executing Cluster Transition:", *execution.lines])
            self._show(self._when.lines)
            if not options.is_quiet:
                self._show(revised_block(plan, execution))
            self._cib = execution.cib
        self._save("-O", lambda: render_tree(self._cib))
        if options.is_in_place and options.source not in (None, STDIN):
            assert options.source is not None
            self._write(options.source, render_tree(self._cib))

    def _show(self, lines: Sequence[str]) -> None:
        if not self._options.is_quiet:
            self._out.writelines(f"{line}\n" for line in lines)

    def _save(self, option: str, render: Callable[[], str]) -> None:
        target = self._options.files.get(option)
        if target is not None:
            self._write(target, render())

    def _write(self, target: str, text: str) -> None:
        if target == STDIN:
            self._out.write(text)
            return
        try:
            with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123 - see cib_file
                file.write(text)
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte
            print(f"crm_simulate: {target}: {error}", file=self._err)
            self._status = OUTPUT_STATUS
