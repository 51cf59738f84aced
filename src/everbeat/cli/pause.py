"""everbeat pause and everbeat resume."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from everbeat.commands.places import Places

FOR_DEFAULT: Final = "30m"

_TARGET = click.argument("target", metavar="RESOURCE|GROUP|all")
_JSON = click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")


@click.command("pause", short_help="Leave a group alone for a while.")
@_TARGET
@click.option(
    "--for",
    "duration",
    default=FOR_DEFAULT,
    show_default=True,
    metavar="TIME",
    help="How long: 90, 90s, 10m, 2h; seven days at most.",
)
@_JSON
@click.pass_obj
def pause_command(places: Places, *, target: str, duration: str, is_json: bool) -> int:
    """Leave a group of this node alone: hands off, while somebody works on it.

    It is neither monitored nor restarted, moved, nor given back to its owner, until the time is
    over or everbeat resume. A RESOURCE (its word in haresources, its script's name, or an address
    alone) pauses its group. What is paused is shown by everbeat status, and outlives a restart of
    everbeat's own processes.

    A pause does not keep two nodes from being two: a group whose node dies is taken over as ever,
    and one is stopped with its node, when the right to hold it is lost, or when another node
    holds it too and goes first.

    Exit status: 0 done; 1 refused, or everbeat does not run here; 2 a TIME that is none.
    """
    from everbeat.commands.pausing import pause  # noqa: PLC0415 - help is faster without
    from everbeat.config.values import duration_ms_from_word  # noqa: PLC0415 - the same

    for_ms = duration_ms_from_word(duration)
    if for_ms is None:
        raise click.BadParameter(
            f"'{duration}' is no time; write 90, 90s, 10m or 2h", param_hint="--for"
        )
    return pause(places, target, for_ms, sys.stdout, sys.stderr, is_json=is_json)


@click.command("resume", short_help="End a pause.")
@_TARGET
@_JSON
@click.pass_obj
def resume_command(places: Places, *, target: str, is_json: bool) -> int:
    """End the pause of a group of this node: it is monitored again at once.

    Exit status: 0 done; 1 not paused, or everbeat does not run here.
    """
    from everbeat.commands.pausing import resume  # noqa: PLC0415 - help is faster without

    return resume(places, target, sys.stdout, sys.stderr, is_json=is_json)
