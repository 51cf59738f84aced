"""everbeat witness."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everbeat.commands.lines import show
from everbeat.commands.witness import (
    WitnessNotRunning,
    fetch_witness_status,
    render_witness_status,
)

if TYPE_CHECKING:
    from everbeat.commands.places import Places

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(
    "witness",
    short_help="Run a witness, the third voter of two nodes.",
    invoke_without_command=True,
)
@click.option(
    "--listen",
    multiple=True,
    metavar="ADDRESS:PORT",
    help="Where to listen; may be repeated. Every address, UDP port 6940, unless given.",
)
@click.option(
    "--keys",
    type=_FOLDER,
    help="Folder of NAME.authkeys, one for each cluster. ETC/witness.d and ETC/authkeys unless"
    " given.",
)
@click.option("--etc", type=_FOLDER, help="As everbeat --etc.")
@click.option("--state", type=_FOLDER, help="Where grants are kept. STATE/witness unless given.")
@click.option("--status", "is_status", is_flag=True, help="Ask the running witness and exit.")
@click.option("--json", "is_json", is_flag=True, help="With --status: one JSON object.")
@click.pass_context
def witness_command(
    context: click.Context,
    /,
    *,
    listen: tuple[str, ...],
    keys: Path | None,
    etc: Path | None,
    state: Path | None,
    is_status: bool,
    is_json: bool,
) -> None:
    """Serve as witness for clusters of two nodes, in the foreground until SIGTERM.

    Two commands set it up: everbeat add witness HOST on a node, everbeat witness join TOKEN on
    this third machine. By hand: write `witness HOST` into ha.cf of both nodes, and copy their
    authkeys to /etc/ha.d/authkeys, or, for several clusters, to /etc/ha.d/witness.d/NAME.authkeys.
    SIGHUP reads the keys again.

    When the nodes do not hear each other, the one that asks first keeps the witness on its side
    and serves; the other stops what it holds.

    Exit status: 0 after SIGTERM; 6 wrong keys; 1 address in use or disk broken. With --status: 0,
    or 1 if no witness runs here.
    """
    places: Places = context.obj
    if context.invoked_subcommand is not None:
        return
    if is_status or is_json:
        sys.exit(_status(places, is_json=is_json))
    where = [
        *("--etc", str(etc or places.etc)),
        *("--state", str(state or places.state / "witness")),
        *("--run", str(places.run)),
        *(("--keys", str(keys)) if keys else ()),
    ]
    for word in listen:
        where += ["--listen", word]
    sys.stdout.flush()
    # A fresh interpreter: the daemon keeps none of what a command line needs in memory.
    daemon = [sys.executable, "-P", "-m", "everbeat.daemons.witness", *where]
    os.execv(sys.executable, daemon)  # noqa: S606 - our own module, no shell


@witness_command.command("join")
@click.argument("token")
@click.pass_obj
def join_command(places: Places, /, *, token: str) -> int:
    """Serve the cluster that has printed TOKEN as its witness: get its keys, start.

    Exit status: 0 done; 1 not, with the reason.
    """
    click.echo("calling the cluster …")
    from everbeat.cli.pair import carry_out  # noqa: PLC0415 - help is faster without
    from everbeat.commands.witness_setup import join_as_witness  # noqa: PLC0415 - same

    return carry_out("witness join", lambda: join_as_witness(places, token, sys.stdout))


def _status(places: Places, *, is_json: bool) -> int:
    try:
        text = fetch_witness_status(places.run)
    except WitnessNotRunning as error:
        click.echo(f"everbeat witness: {error}", err=True)
        return 1
    if is_json:
        click.echo(json.dumps(json.loads(text), indent=2))
    else:
        show(render_witness_status(text), sys.stdout)
    return 0
