"""`everbeat check [DIR] [--json]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from everbeat.commands.check import check


@click.command("check")
@click.argument("directory", default=None, required=False, metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check_command(context: click.Context, directory: str | None, *, as_json: bool) -> None:
    """Check ha.cf, authkeys and haresources in DIR (default: --etc, /etc/ha.d).

    All problems are reported at once, each with what to write instead. Exit status: 0 nothing or
    infos only, 1 warnings, 6 errors.
    """
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    etc: Path = context.obj.etc if context.obj is not None else Path("/etc/ha.d")
    sys.exit(check(Path(directory) if directory else etc, as_json=as_json, color=color))
