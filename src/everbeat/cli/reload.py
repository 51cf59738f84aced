"""everbeat reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from everbeat.commands.places import Places


@click.command("reload", short_help="Use a changed configuration, without a restart.")
@click.option("--all", "is_all", is_flag=True, help="Bring this node's files to all nodes first.")
@click.option("--allow-missing", is_flag=True, help="With --all: leave nodes out that are down.")
@click.option("--force", is_flag=True, help="Use them whatever warnings they bring.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
@click.pass_obj
def reload_command(
    places: Places, *, is_all: bool, allow_missing: bool, force: bool, is_json: bool
) -> int:
    """Use ha.cf, authkeys and haresources as they are now.

    Groups that did not change are not touched; of a changed one only what differs is stopped and
    started. What cannot change while the node runs is named. With --all every node checks the
    files first; if one refuses, nothing is changed anywhere. Former files are kept as NAME.bak.

    A warning that the files in use do not bring is asked about, or refused if nobody can be asked:
    a script that is missing, a witness without an address. What does not start on any node is
    taken back, with the reason; other groups are not touched.

    Exit status: 0 in use, and what is new or changed is served; 1 refused, or taken back.
    """
    if not is_json:
        click.echo("all nodes check the files …" if is_all else "everbeat reads its files …")
    from everbeat.cli.asking import person  # noqa: PLC0415 - help is faster without
    from everbeat.commands.change import Manner, change_all, reload_here  # noqa: PLC0415 - same
    from everbeat.commands.distributing import own_files  # noqa: PLC0415 - same
    from everbeat.ipc.codec import IpcError  # noqa: PLC0415 - same

    manner = Manner(
        may_pass_over=allow_missing, is_forced=force, is_json=is_json, asks=person(is_json=is_json)
    )
    try:
        if is_all:
            return change_all(places, own_files(places), manner)
        return reload_here(places, manner)
    except IpcError as error:
        click.echo(f"everbeat reload: {error}", err=True)
        return 1
