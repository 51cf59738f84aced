"""everbeat propagate, tools, completion and version."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from everbeat.commands.places import Places


@click.command(
    "propagate",
    short_help="Copy the configuration to all nodes.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def propagate_command(places: Places, words: tuple[str, ...]) -> int:
    """Copy ha.cf, authkeys and haresources to the other nodes; see propagate --help."""
    from everbeat.commands.ha_propagate import ha_propagate  # noqa: PLC0415 - version is faster without

    given = ("--etc", str(places.etc), *words)
    return ha_propagate("everbeat propagate", given, sys.stdout, sys.stderr)


@click.group("tools", short_help="Make links for the old names of the tools.")
def tools_command() -> None:
    """Provide the tools of Heartbeat and Pacemaker under their old names.

    cl_status, hb_standby, hb_takeover, hb_addnode, hb_delnode, ha_propagate and crm_simulate
    become symbolic links to everbeat.
    """


@tools_command.command("link")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace files that are not ours.")
@click.option(
    "--target",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the links point at (the everbeat that runs now).",
)
def link_command(folder: Path, *, force: bool, target: Path | None) -> int:
    """Make the links in DIR and tell what was done. A file that is not ours is left alone.

    Exit status: 0 all links are there; 1 one is not.
    """
    from everbeat.commands.tool_links import executable, link_tools  # noqa: PLC0415 - version is faster without

    chosen = target.absolute() if target else executable()
    return link_tools(folder, chosen, sys.stdout, sys.stderr, is_forced=force)


@click.command("completion", short_help="Print shell completion code.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the code that makes a shell complete everbeat's words.

    For bash: everbeat completion bash > /etc/bash_completion.d/everbeat
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - version is faster without

    from everbeat.cli.everbeat_command import everbeat  # noqa: PLC0415 - imports us

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(everbeat, {}, "everbeat", "_EVERBEAT_COMPLETE").source())
    return 0


@click.command("version", short_help="Print the version.")
def version_command() -> int:
    """Print the version of everbeat and the Heartbeat it speaks like."""
    from everbeat.cli.everbeat_command import VERSION_TEXT  # noqa: PLC0415 - it imports this

    click.echo(VERSION_TEXT)
    return 0
