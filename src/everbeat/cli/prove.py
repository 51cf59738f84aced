"""everbeat prove."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from everbeat.commands.lines import show

if TYPE_CHECKING:
    from everbeat.commands.places import Places

SCHEDULES_DEFAULT: Final = 300
EXIT_NOT_CONFIGURED: Final = 6


@click.group("prove", short_help="Try whether two nodes could hold one group.")
def prove_command() -> None:
    """Search for faults that would break what the configuration promises."""


@prove_command.command("split")
@click.option(
    "--etc", type=click.Path(file_okay=False, path_type=Path), help="As everbeat --etc: ha.cf, ..."
)
@click.option(
    "--schedules",
    "-n",
    type=click.IntRange(1),
    default=SCHEDULES_DEFAULT,
    show_default=True,
    help="How many schedules of faults to try.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Number of the first one.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
@click.pass_obj
def split_command(
    places: Places, *, etc: Path | None, schedules: int, seed: int, is_json: bool
) -> int:
    """Try to make two nodes hold the same group, in a simulation of this configuration.

    The simulated nodes run everbeat's own code on the nodes, times, media, witness and groups of
    ha.cf and haresources; cables, machines, processes and the witness fail by chance. It needs
    none of the machines and touches nothing.

    Exit status: 0 nothing found; 1 two nodes held one group, the shortest schedule is shown;
    6 the configuration is wrong, or has not two nodes and a group.
    """
    from everbeat.commands.prove import (  # noqa: PLC0415 - slow to import, and not for --help
        load_subject,
        progress_to,
        proof_json,
        prove,
        render_proof,
    )
    from everbeat.commands.render_reports import render_reports  # noqa: PLC0415 - as above
    from everbeat.model.reports import Severity  # noqa: PLC0415 - as above

    folder = etc or places.etc
    subject, reports = load_subject(folder)
    if subject is None:
        errors = [report for report in reports if report.severity is Severity.ERROR]
        if errors:
            click.echo(render_reports(errors, str(folder), color=False), err=True, nl=False)
        else:
            click.echo(f"everbeat prove: {folder} has not two nodes and a group", err=True)
        return EXIT_NOT_CONFIGURED
    is_shown = sys.stderr.isatty() and not is_json
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and its workers
    proof = prove(
        subject, schedules=schedules, seed=seed, on_progress=progress_to(is_shown, schedules)
    )
    if is_shown:
        click.echo("\r" + " " * 60 + "\r", err=True, nl=False)
    if is_json:
        click.echo(proof_json(subject, proof))
    else:
        show(render_proof(subject, proof), sys.stdout)
    return 1 if proof.double_run is not None else 0
