"""`everbeat check [DIR|CIB] [--json]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from everbeat.commands.check import check, check_cib_file

_PLACE = click.Path(allow_dash=True)  # for completion; what is missing is told as a report
HA_FILES = frozenset({"ha.cf", "authkeys", "haresources"})
_CIB_ENDS = (".xml", ".xml.bz2", ".cib")


@click.command("check")
@click.argument("place", default=None, required=False, metavar="[DIR|CIB]", type=_PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check_command(context: click.Context, place: str | None, *, as_json: bool) -> None:
    """Check ha.cf, authkeys and haresources in DIR (default: --etc, /etc/ha.d), or a CIB.

    One of the three files stands for its folder: they are checked together.

    A CIB is a file of XML, compressed if it ends in .bz2, or - for standard input.

    All problems are reported at once, each with what to write instead. Exit status: 0 nothing or
    infos only, 1 warnings, 6 errors.
    """
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    etc: Path = context.obj.etc if context.obj is not None else Path("/etc/ha.d")
    is_of_heartbeat = place is not None and Path(place).name in HA_FILES
    if place is not None and not is_of_heartbeat and _is_cib(place):
        sys.exit(check_cib_file(place, as_json=as_json, color=color))
    sys.exit(check(_folder_of(place) if place else etc, as_json=as_json, color=color))


def _is_cib(place: str) -> bool:
    """Say whether a word names a CIB rather than a directory: by its end, or as it is a file."""
    return place == "-" or place.endswith(_CIB_ENDS) or Path(place).is_file()


def _folder_of(place: str) -> Path:
    """Return the folder of a place: of one of its three files as well."""
    path = Path(place)
    return path.parent if path.name in HA_FILES else path
