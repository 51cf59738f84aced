"""everbeat cleanup."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from everbeat.commands.places import Places


@click.command("cleanup", short_help="Forget failures of resources.")
@click.argument("resource", default="", required=False, metavar="[RESOURCE]")
@click.option("--node", default="", metavar="NODE", help="Only on this node; else on all.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
@click.pass_obj
def cleanup_command(places: Places, *, resource: str, node: str, is_json: bool) -> int:
    """Set fail counts to zero, of RESOURCE or of all.

    RESOURCE is its word in haresources, its script's name, or an address alone.

    A node that has failed a resource too often hands its group on and does not get it back;
    after cleanup it may have it again. A group that failed everywhere is tried again.

    Exit status: 0 done; 1 refused, or everbeat does not run here.
    """
    from everbeat.commands.failures import clean_up  # noqa: PLC0415 - help is faster without

    return clean_up(places, resource, node, sys.stdout, sys.stderr, is_json=is_json)
