"""everbeat standby and everbeat takeover: hb_standby and hb_takeover that wait for the result."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from everbeat.commands.moving import WAIT_SECONDS, WORDS, Direction, carry_out, move_of

if TYPE_CHECKING:
    from everbeat.commands.places import Places


_PROGRESS: Final = {
    Direction.STANDBY: "handing groups over",
    Direction.TAKEOVER: "taking groups from the other node",
}
_WHICH = click.argument("which", type=click.Choice(WORDS), default="all")
_WAIT = click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Wait for the result."
)
_TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=float(WAIT_SECONDS),
    show_default=True,
    help="Seconds to wait for the result.",
)


@click.command("standby", short_help="Hand groups of this node over.")
@_WHICH
@_WAIT
@_TIMEOUT
@click.pass_obj
def standby_command(places: Places, *, which: str, wait: bool, timeout: float) -> int:
    """Hand groups of this node over to the other node.

    WHICH: all, local (those this node is the owner of), foreign (the others) or failback (the
    same as foreign).

    Exit status: 0 done (with --no-wait: taken); 1 refused, failed, or not done in time.
    """
    return _move(Direction.STANDBY, places, which, timeout, is_waited_for=wait)


@click.command("takeover", short_help="Take groups from the other node.")
@_WHICH
@_WAIT
@_TIMEOUT
@click.pass_obj
def takeover_command(places: Places, *, which: str, wait: bool, timeout: float) -> int:
    """Take groups from the other node.

    WHICH: all, local (those this node is the owner of), foreign (the others) or failback (the
    same as foreign).

    Exit status: 0 done (with --no-wait: taken); 1 refused, failed, or not done in time.
    """
    return _move(Direction.TAKEOVER, places, which, timeout, is_waited_for=wait)


def _move(
    direction: Direction, places: Places, which: str, timeout_s: float, *, is_waited_for: bool
) -> int:
    if is_waited_for:
        click.echo(f"{_PROGRESS[direction]}: {which} …")
    move = move_of(direction, which, is_waited_for=is_waited_for, timeout_s=timeout_s)
    return carry_out(move, places, sys.stdout, sys.stderr)
