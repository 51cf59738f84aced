"""everbeat run: become the daemon."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from everbeat.commands.places import Places


@click.command(
    "run",
    short_help="Run the daemon.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run_command(places: Places, words: tuple[str, ...]) -> None:
    """Run this node in the foreground until SIGTERM, as systemd wants it.

    SIGTERM stops every group and hands it over; SIGHUP is everbeat reload. WORDS go to the
    daemon, e.g. --pidfile FILE.
    """
    # A fresh interpreter: the daemon keeps none of what a command line needs in memory.
    daemon = [sys.executable, "-P", "-m", "everbeat.daemons.keeper"]
    where = ["--etc", str(places.etc), "--state", str(places.state), "--run", str(places.run)]
    sys.stdout.flush()
    os.execv(sys.executable, [*daemon, *where, *words])  # noqa: S606 - our own module, no shell
