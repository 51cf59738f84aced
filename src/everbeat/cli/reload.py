"""everbeat reload."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from everbeat.commands.places import Places


@click.command("reload", short_help="Use a changed configuration, without a restart.")
@click.option("--all", "is_all", is_flag=True, help="Bring this node's files to all nodes first.")
@click.option("--allow-missing", is_flag=True, help="With --all: leave nodes out that are down.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
@click.pass_obj
def reload_command(places: Places, *, is_all: bool, allow_missing: bool, is_json: bool) -> int:
    """Use ha.cf, authkeys and haresources as they are now.

    Groups that did not change are not touched; of a changed one only what differs is stopped and
    started. What cannot change while the node runs is named. With --all every node checks the
    files first; if one refuses, nothing is changed anywhere. Former files are kept as NAME.bak.

    Exit status: 0 in use; 1 refused: nothing of it is used.
    """
    if not is_json:
        click.echo("all nodes check the files …" if is_all else "everbeat reads its files …")
    from everbeat.commands import as_json  # noqa: PLC0415 - help is faster without
    from everbeat.commands.distributing import (  # noqa: PLC0415 - help is faster without
        distribute,
        own_files,
        reload,
        tell,
        tell_reload,
    )
    from everbeat.ipc.codec import IpcError  # noqa: PLC0415 - help is faster without

    try:
        if is_all:
            told = distribute(places, own_files(places), may_pass_over=allow_missing)
            if is_json:
                click.echo(as_json.dumps(told))
                return 0 if told.is_done else 1
            return tell(told, sys.stdout, sys.stderr)
        reply = reload(places)
    except IpcError as error:
        click.echo(f"everbeat reload: {error}", err=True)
        return 1
    if is_json:
        click.echo(as_json.dumps(reply))
        return 0 if reply.is_accepted else 1
    return tell_reload(reply, sys.stdout, sys.stderr)
