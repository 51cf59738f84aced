"""`everbeat check [DIR] [--json]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from everbeat.commands.check import check


@click.command("check")
@click.argument("directory", default="/etc/ha.d", metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check_command(directory: str, *, as_json: bool) -> None:
    """Check ha.cf, authkeys and haresources in DIR (default /etc/ha.d).

    All problems are reported at once, each with what to write instead. Exit status: 0 nothing or
    infos only, 1 warnings, 6 errors.
    """
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    sys.exit(check(Path(directory), as_json=as_json, color=color))
