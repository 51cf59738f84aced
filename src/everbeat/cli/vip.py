"""everbeat add vip and everbeat remove vip."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from everbeat.commands.change import Manner
    from everbeat.commands.places import Places

_YES = click.option("--yes", is_flag=True, help="Do not ask.")
_DRY = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
_JSON = click.option("--json", "is_json", is_flag=True, help="One JSON object; implies --yes.")
_MISSING = click.option("--allow-missing", is_flag=True, help="Leave nodes out that are down.")
_FORCE = click.option("--force", is_flag=True, help="Do it whatever nodes warn of.")


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
@_FORCE
@click.pass_obj
def add_vip_command(
    places: Places,
    /,
    *,
    address: str,
    words: tuple[str, ...],
    node: str,
    **given: bool,
) -> int:
    """Serve ADDRESS, and the services started with it, from one of the nodes.

    Shows the line for haresources and asks; then writes it on all nodes and uses it. UNIT is a
    systemd unit or a resource script. ADDRESS may name prefix and interface: 192.0.2.80/24/eth0.

    Every node says first whether it could serve it. What starts nowhere is taken back.

    Exit status: 0 it is served; 1 refused or taken back, with the reason.
    """
    if words and (words[0] != "service" or len(words) == 1):
        units = " ".join(word for word in words if word != "service") or "UNIT..."
        raise click.UsageError(f"write: everbeat add vip {address} service {units}")
    if not given["is_json"]:
        click.echo(f"looking whether {address} is free …")
    from everbeat.commands.vip import VipOptions, add_vip  # noqa: PLC0415 - the line goes first

    options = VipOptions(
        address=address,
        services=words[1:],
        node=node,
        is_dry_run=given["dry_run"],
        is_json=given["is_json"],
        manner=_manner(given),
    )
    return add_vip(places, options, _asked(given), sys.stdout, sys.stderr)


@add_command.command("service")
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.option("--to", "address", default="", metavar="ADDRESS", help="The group; if there is one.")
@_YES
@_DRY
@_JSON
@_MISSING
@_FORCE
@click.pass_obj
def add_service_command(
    places: Places, /, *, units: tuple[str, ...], address: str, **given: bool
) -> int:
    """Start UNIT behind what the group of ADDRESS has, and move it with the group.

    UNIT is a systemd unit or a resource script. What runs is not touched; what starts on no node
    is taken back.

    Exit status: 0 it is served; 1 refused or taken back, with the reason.
    """
    if not given["is_json"]:
        click.echo(f"looking for the group{' of ' + address if address else ''} …")
    from everbeat.commands.vip import VipOptions, add_services  # noqa: PLC0415 - the line goes first

    options = VipOptions(
        address=address,
        services=units,
        is_dry_run=given["dry_run"],
        is_json=given["is_json"],
        manner=_manner(given),
    )
    return add_services(places, options, _asked(given), sys.stdout, sys.stderr)


@add_command.command("witness")
@click.argument("host")
@click.option("--address", default="", metavar="ADDRESS", help="Of this machine.")
@click.option("--port", type=click.IntRange(1, 65535), default=6941, show_default=True)
@_MISSING
@_FORCE
@click.pass_obj
def add_witness_command(
    places: Places, /, *, host: str, address: str, port: int, allow_missing: bool, force: bool
) -> int:
    """Have HOST, a third machine, decide when the two nodes do not hear each other.

    Prints a token: on HOST write everbeat witness join TOKEN. It gets the cluster's keys; when it
    answers with them, `witness HOST` is written into ha.cf of all nodes and used. Where it stands
    there already, HOST gets the present keys: after keys rotate.

    Exit status: 0 the witness answers; 1 not, with the reason.
    """
    click.echo("asking the cluster …")
    from everbeat.cli.pair import carry_out  # noqa: PLC0415 - the line goes first
    from everbeat.commands.pair import PairOptions  # noqa: PLC0415 - the line goes first
    from everbeat.commands.witness_setup import add_witness  # noqa: PLC0415 - the line goes first

    manner = _manner({"allow_missing": allow_missing, "force": force, "is_json": False})
    options = PairOptions(address=address, port=port)
    return carry_out("add witness", lambda: add_witness(places, host, options, manner))


@remove_command.command("vip")
@click.argument("address")
@_YES
@_DRY
@_JSON
@_MISSING
@_FORCE
@click.pass_obj
def remove_vip_command(places: Places, /, *, address: str, **given: bool) -> int:
    """Stop serving ADDRESS and the services of its line, and remove the line on all nodes.

    Exit status: 0 it is stopped; 1 refused, or not stopped, with the reason.
    """
    if not given["is_json"]:
        click.echo(f"looking for {address} …")
    from everbeat.commands.vip import VipOptions, remove_vip  # noqa: PLC0415 - the line goes first

    options = VipOptions(
        address=address,
        is_dry_run=given["dry_run"],
        is_json=given["is_json"],
        manner=_manner(given),
    )
    return remove_vip(places, options, _asked(given), sys.stdout, sys.stderr)


def _manner(given: Mapping[str, bool]) -> Manner:
    from everbeat.cli.asking import person  # noqa: PLC0415 - help is faster without
    from everbeat.commands.change import Manner  # noqa: PLC0415 - help is faster without

    return Manner(
        may_pass_over=given["allow_missing"],
        is_forced=given["force"],
        is_json=given["is_json"],
        asks=person(is_json=given["is_json"]),
    )


def _asked(given: Mapping[str, bool]) -> Callable[[], bool]:
    return lambda: given["yes"] or given["is_json"] or _confirmed()


def _confirmed() -> bool:
    try:
        return click.confirm("Do it?", default=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        click.echo("\nnobody to ask: give --yes", err=True)
        return False
