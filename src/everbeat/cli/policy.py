"""everbeat simulate, why and crm_simulate: what people ask the policy engine."""

from __future__ import annotations

import sys

import click


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
