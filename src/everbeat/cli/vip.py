"""everbeat add vip and everbeat remove vip."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.commands.places import Places

_YES = click.option("--yes", is_flag=True, help="Do not ask.")
_DRY = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
_JSON = click.option("--json", "is_json", is_flag=True, help="One JSON object; implies --yes.")
_MISSING = click.option("--allow-missing", is_flag=True, help="Leave nodes out that are down.")


@click.group("add", short_help="Add an address and its services to the cluster.")
def add_command() -> None:
    """Add something to the cluster, on all nodes, while it runs."""


@click.group("remove", short_help="Remove an address and its services.")
def remove_command() -> None:
    """Remove something from the cluster, on all nodes, while it runs."""


@add_command.command("vip")
@click.argument("address")
@click.argument("words", nargs=-1, metavar="[service UNIT...]")
@click.option("--on", "node", default="", metavar="NODE", help="The preferred node; this one.")
@_YES
@_DRY
@_JSON
@_MISSING
@click.pass_obj
def add_vip_command(
    places: Places,
    *,
    address: str,
    words: tuple[str, ...],
    node: str,
    yes: bool,
    dry_run: bool,
    is_json: bool,
    allow_missing: bool,
) -> int:
    """Serve ADDRESS, and the services started with it, from one of the nodes.

    Shows the line for haresources and asks; then writes it on all nodes and uses it. UNIT is a
    systemd unit or a resource script. ADDRESS may name prefix and interface: 192.0.2.80/24/eth0.

    Exit status: 0 done; 1 refused: nothing was changed.
    """
    if words and (words[0] != "service" or len(words) == 1):
        raise click.UsageError("after ADDRESS write: service UNIT...")
    if not is_json:
        click.echo(f"looking whether {address} is free …")
    from everbeat.commands.vip import VipOptions, add_vip  # noqa: PLC0415 - the line goes first

    options = VipOptions(
        address=address,
        services=words[1:],
        node=node,
        is_dry_run=dry_run,
        is_json=is_json,
        may_pass_over=allow_missing,
    )
    return add_vip(places, options, _asked(is_certain=yes or is_json), sys.stdout, sys.stderr)


@remove_command.command("vip")
@click.argument("address")
@_YES
@_DRY
@_JSON
@_MISSING
@click.pass_obj
def remove_vip_command(
    places: Places, *, address: str, yes: bool, dry_run: bool, is_json: bool, allow_missing: bool
) -> int:
    """Stop serving ADDRESS and the services of its line, and remove the line on all nodes.

    Exit status: 0 done; 1 refused: nothing was changed.
    """
    if not is_json:
        click.echo(f"looking for {address} …")
    from everbeat.commands.vip import VipOptions, remove_vip  # noqa: PLC0415 - the line goes first

    options = VipOptions(
        address=address, is_dry_run=dry_run, is_json=is_json, may_pass_over=allow_missing
    )
    return remove_vip(places, options, _asked(is_certain=yes or is_json), sys.stdout, sys.stderr)


def _asked(*, is_certain: bool) -> Callable[[], bool]:
    return lambda: is_certain or click.confirm("Do it?", default=True)
