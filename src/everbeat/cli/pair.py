"""everbeat init, everbeat join and everbeat invite."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from everbeat.cli.asking import person

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.commands.places import Places

_INTERFACE = click.option("--interface", default="", metavar="IF", help="Of the heartbeats.")
_ADDRESS = click.option("--address", default="", metavar="ADDRESS", help="Of this machine.")
_PORT = click.option("--port", type=click.IntRange(1, 65535), default=6941, show_default=True)
_LASTS = click.option(
    "--timeout", "lasts_s", type=click.IntRange(1), default=900, show_default=True, metavar="S",
    help="How long the token is good, in seconds.",
)  # fmt: skip
_REPLACE = click.option("--replace", is_flag=True, help="Replace files; each is kept as NAME.bak.")
_START = click.option("--start/--no-start", default=True, help="Start the node.")
_FORCE = click.option("--force", is_flag=True, help="Whatever the machines warn of.")
_MISSING = click.option("--allow-missing", is_flag=True, help="Leave nodes out that are down.")


@click.command("init", short_help="Begin a cluster on this machine.")
@click.argument("name")
@_INTERFACE
@_ADDRESS
@_PORT
@_LASTS
@click.option("--wait/--no-wait", default=True, help="Wait for another machine to join.")
@_REPLACE
@click.pass_obj
def init_command(
    places: Places,
    *,
    name: str,
    interface: str,
    address: str,
    port: int,
    lasts_s: int,
    wait: bool,
    replace: bool,
) -> int:
    """Begin the cluster NAME: write its files, start this node, let another machine join.

    Prints a token and waits until one machine has joined with it. The token is good once and for
    a while; whoever has it can join, so keep it to yourself.

    Exit status: 0 done; 1 not, with the reason.
    """
    click.echo(f"cluster {name}: looking at this machine …")
    from everbeat.commands.pair import PairOptions, init  # noqa: PLC0415 - help is faster without

    options = PairOptions(
        interface=interface,
        address=address,
        port=port,
        lasts_s=lasts_s,
        is_waiting=wait,
        is_replacing=replace,
        asks=person(),
    )
    return carry_out("init", lambda: init(places, name, options, sys.stdout))


@click.command("invite", short_help="Let one more machine join.")
@_ADDRESS
@_INTERFACE
@_PORT
@_LASTS
@_MISSING
@_FORCE
@click.pass_obj
def invite_command(
    places: Places,
    *,
    address: str,
    interface: str,
    port: int,
    lasts_s: int,
    allow_missing: bool,
    force: bool,
) -> int:
    """Print a token and wait until one machine has joined with it.

    Any node of the cluster can invite. The new node is added to ha.cf of all nodes, which go on
    without a pause; a node that is in ha.cf and does not run may join again.

    Exit status: 0 a machine has joined; 1 not, with the reason.
    """
    click.echo("asking the cluster …")
    from everbeat.commands.pair import PairOptions, invite  # noqa: PLC0415 - help is faster without

    options = PairOptions(
        interface=interface,
        address=address,
        port=port,
        lasts_s=lasts_s,
        may_pass_over=allow_missing,
        is_forced=force,
        asks=person(),
    )
    return carry_out("invite", lambda: invite(places, options, sys.stdout))


@click.command("join", short_help="Bring this machine into a cluster.")
@click.argument("token")
@_INTERFACE
@_ADDRESS
@_REPLACE
@_START
@_FORCE
@click.pass_obj
def join_command(
    places: Places,
    *,
    token: str,
    interface: str,
    address: str,
    replace: bool,
    start: bool,
    force: bool,
) -> int:
    """Join the cluster that has printed TOKEN: get its files, check them here, start.

    Both sides prove that they have the token, and all they say is encrypted.

    Exit status: 0 done; 1 not, with the reason.
    """
    click.echo("calling the cluster …")
    from everbeat.commands.pair import PairOptions, join  # noqa: PLC0415 - help is faster without

    options = PairOptions(
        interface=interface,
        address=address,
        is_replacing=replace,
        is_started=start,
        is_forced=force,
        asks=person(),
    )
    return carry_out("join", lambda: join(places, token, options, sys.stdout))


def carry_out(what: str, act: Callable[[], int | None]) -> int:
    """Do it; tell why not. Return the exit code."""
    from everbeat.commands.pair import PairError  # noqa: PLC0415 - help is faster without

    try:
        return act() or 0
    except PairError as error:
        click.echo(f"everbeat {what}: {error}", err=True)
        return 1
