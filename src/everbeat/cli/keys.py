"""everbeat keys new and everbeat keys rotate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from everbeat.commands.places import Places

_METHODS: Final = ("aes-siv", "sha256", "sha1")
_METHOD = click.Choice(_METHODS)


@click.group("keys", short_help="Make the cluster's keys, and change them.")
def keys_command() -> None:
    """Make the file authkeys, and change the keys of a running cluster."""


@keys_command.command("new")
@click.option("--method", type=_METHOD, default="aes-siv", show_default=True)
@click.option(
    "--etc", type=click.Path(file_okay=False, path_type=Path), help="Not --etc's default."
)
@click.option("--force", is_flag=True, help="Replace an authkeys; it becomes authkeys.bak.")
@click.pass_obj
def new_command(places: Places, *, method: str, etc: Path | None, force: bool) -> int:
    """Write ETC/authkeys with a new random key, mode 600.

    aes-siv encrypts and sha256 signs; both need everbeat on every node. Heartbeat 3.0.6 knows sha1.

    Exit status: 0 written; 1 not.
    """
    from everbeat.commands.keys import write_new_keys  # noqa: PLC0415 - help is faster without

    return write_new_keys(etc or places.etc, method, sys.stdout, sys.stderr, is_forced=force)


@keys_command.command("rotate")
@click.option("--method", type=_METHOD, default=None, help="Of the new key; as the present one.")
@click.option("--allow-missing", is_flag=True, help="Leave nodes out that are down.")
@click.option("--force", is_flag=True, help="Do it whatever nodes warn of, or a witness lacks.")
@click.option("--finish", is_flag=True, help="Only remove the keys that nobody signs with.")
@click.pass_obj
def rotate_command(
    places: Places, *, method: str | None, allow_missing: bool, force: bool, finish: bool
) -> int:
    """Have all nodes use a new key, without a gap.

    First every node accepts it, then every node signs with it, then the old ones are removed;
    each step begins when all have confirmed the one before. Interrupted, the cluster goes on;
    say it again. The old keys stay until a witness has the new one too: everbeat add witness HOST
    brings it there, --finish removes them.

    Exit status: 0 done; 1 not.
    """
    click.echo("the old keys …" if finish else "a new key for all nodes …")
    from everbeat.cli.asking import person  # noqa: PLC0415 - help is faster without
    from everbeat.commands import keys  # noqa: PLC0415 - help is faster without
    from everbeat.commands.change import Manner  # noqa: PLC0415 - help is faster without

    manner = Manner(may_pass_over=allow_missing, is_forced=force, asks=person())
    return keys.finish(places, manner) if finish else keys.rotate(places, method or "", manner)
