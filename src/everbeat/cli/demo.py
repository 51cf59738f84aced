"""everbeat demo."""

from __future__ import annotations

import click

from everbeat.commands.demo import DemoOptions, start_demo


@click.command("demo", short_help="Show a cluster failing over on this machine.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object at the end, no story.")
@click.option("--keep", "is_kept", is_flag=True, help="At the end, a shell beside both nodes.")
def demo_command(*, is_json: bool, is_kept: bool) -> int:
    """Run two nodes and a client in namespaces of this machine, and let one node crash.

    Takes less than a minute, needs no root and leaves nothing behind. Shows the configuration
    files, and how long the client was without an answer: power cut, failback, graceful stop.
    With --keep both nodes stay up, and a shell reaches either: to kill a service, delete the
    address, move the group, cut a cable.

    Exit status: 0 if everything went as it should.
    """
    if is_json and is_kept:
        raise click.UsageError("--json and --keep exclude each other: a shell is no JSON")
    return start_demo(DemoOptions(is_json=is_json, is_kept=is_kept))
