"""everbeat simulate, why and crm_simulate: what people ask the policy engine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.policy.simulation.injections import Injection, OperationResult

_TIME = click.option(
    "--time", "written_time", metavar="TIME", help="Decide as if it were TIME (ISO 8601)."
)
_CIB = click.Path(allow_dash=True)  # for completion; what it lacks is told as a report
_JSON = click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
_EVENTS = (
    ("--node-up", "-u", "NODE", "A node comes online."),
    ("--node-down", "-d", "NODE", "A node goes offline cleanly."),
    ("--node-fail", "-f", "NODE", "A node falls silent."),
    ("--op", "-i", "OP", "An operation has this result: RESOURCE_TASK_INTERVAL-MS@NODE=CODE."),
    ("--fail-op", "-F", "OP", "Fail this operation while it is carried out."),
    ("--grant-ticket", "-g", "TICKET", "A ticket is granted."),
    ("--revoke-ticket", "-r", "TICKET", "A ticket is revoked."),
    ("--standby-ticket", "-b", "TICKET", "A ticket is made standby."),
    ("--activate-ticket", "-e", "TICKET", "A ticket is activated again."),
)


def _event_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options for events; each may be given several times."""
    for long, short, metavar, text in reversed(_EVENTS):
        command = click.option(long, short, multiple=True, metavar=metavar, help=text)(command)
    for name, text in (("--watchdog", "There is a watchdog, or none."), ("--quorum", "Quorum.")):
        choice = click.Choice(["yes", "no"])
        command = click.option(name, type=choice, default=None, help=text)(command)
    return command


@click.command("simulate", short_help="Show what a cluster would do, and why.")
@click.argument("cib", metavar="CIB", type=_CIB)
@_event_options
@_TIME
@click.option("--all", "shows_all", is_flag=True, help="Probes, notifications and points, too.")
@_JSON
def simulate_command(
    *,
    cib: str,
    written_time: str | None,
    shows_all: bool,
    is_json: bool,
    **events: str | tuple[str, ...] | None,
) -> int:
    """Show what the cluster described by CIB would do, why, and how it would be afterwards.

    CIB is a file, compressed if it ends in .bz2, or - for standard input. Nothing is changed.

    Exit status: 0; 2 words that make no sense; 6 a CIB or an event that cannot be used.
    """
    from everbeat.commands.decision import Question, Streams  # noqa: PLC0415 - only this command's
    from everbeat.commands.simulate import simulate  # noqa: PLC0415 - only this command's

    injections, failures = _injections(events)
    question = Question(
        source=cib, written_time=written_time, injections=injections, failures=failures
    )
    streams = Streams(out=sys.stdout, err=sys.stderr)
    return simulate(question, streams, shows_all=shows_all, is_json=is_json)


def _injections(
    events: dict[str, str | tuple[str, ...] | None],
) -> tuple[list[Injection], list[OperationResult]]:
    """Read the options for events. Raises click.UsageError with everything wrong in them."""
    from everbeat.policy.simulation.injections import (  # noqa: PLC0415 - only this command's
        NodeChange,
        NodeEvent,
        QuorumEvent,
        TicketChange,
        TicketEvent,
        WatchdogEvent,
        result_from_words,
    )

    injections: list[Injection] = []
    for change in NodeChange:
        injections += [NodeEvent(change, node) for node in events[f"node_{change.value}"] or ()]
    for ticket_change in TicketChange:
        names = events[f"{ticket_change.value}_ticket"] or ()
        injections += [TicketEvent(ticket_change, name) for name in names]
    booleans = {"yes": "true", "no": "false"}
    if isinstance(events["quorum"], str):
        injections.append(QuorumEvent(booleans[events["quorum"]]))
    if isinstance(events["watchdog"], str):
        injections.append(WatchdogEvent(booleans[events["watchdog"]]))
    results = [(words, result_from_words(words)) for words in events["op"] or ()]
    failures = [(words, result_from_words(words)) for words in events["fail_op"] or ()]
    wrong = [words for words, result in (*results, *failures) if result is None]
    if wrong:
        text = f"{' '.join(wrong)}: write RESOURCE_TASK_INTERVAL-MS@NODE=CODE: web_start_0@n1=1"
        raise click.UsageError(text)
    injections += [result for _, result in results if result is not None]
    return injections, [result for _, result in failures if result is not None]


@click.command("why", short_help="Explain where a resource runs, or why not.")
@click.argument("resource")
@click.option(
    "--cib", required=True, type=_CIB, metavar="FILE", help="The CIB; - is standard input."
)
@click.option("--on", "node", metavar="NODE", help="The score on this node, term by term.")
@_TIME
@_JSON
def why_command(
    *, resource: str, cib: str, node: str | None, written_time: str | None, is_json: bool
) -> int:
    """Explain where RESOURCE runs, where it will run and why, from the CIB in FILE.

    Shows the score of every node term by term, every action with its cause back to a constraint,
    an attribute or a failure, and what is not done although one might expect it. RESOURCE may be
    a group, a clone or an instance.

    Exit status: 0; 2 no such resource or node; 6 a CIB that cannot be used.
    """
    from everbeat.commands.decision import Question, Streams  # noqa: PLC0415 - only this command's
    from everbeat.commands.why import why  # noqa: PLC0415 - only this command's

    question = Question(source=cib, written_time=written_time)
    streams = Streams(out=sys.stdout, err=sys.stderr)
    return why(resource, question, streams, node=node, is_json=is_json)


@click.command(
    "crm_simulate",
    short_help="Show what a cluster would do, as Pacemaker's tool does.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def crm_simulate_command(words: tuple[str, ...]) -> int:
    """Show what a cluster would do; see crm_simulate -h."""
    from everbeat.commands.crm_simulate import crm_simulate  # noqa: PLC0415 - only this command's

    return crm_simulate(words, sys.stdout, sys.stderr)
