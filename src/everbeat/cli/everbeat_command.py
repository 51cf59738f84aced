"""The everbeat command: its sub-commands by name, each imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from everbeat import VERSION
from everbeat.commands.places import ETC_DEFAULT, RUN_DEFAULT, STATE_DEFAULT, Places

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION_TEXT: Final = f"everbeat {VERSION} (speaks Heartbeat 3.0.6)"
SUB_COMMANDS: Final = {
    "init": ("everbeat.cli.pair:init_command", "Begin a cluster on this machine."),
    "join": ("everbeat.cli.pair:join_command", "Bring this machine into a cluster."),
    "invite": ("everbeat.cli.pair:invite_command", "Let one more machine join."),
    "add": ("everbeat.cli.vip:add_command", "Add an address and its services, or a witness."),
    "remove": ("everbeat.cli.vip:remove_command", "Remove an address and its services."),
    "reload": ("everbeat.cli.reload:reload_command", "Use a changed configuration at once."),
    "keys": ("everbeat.cli.keys:keys_command", "Make the cluster's keys, and change them."),
    "run": ("everbeat.cli.run:run_command", "Run the daemon."),
    "status": ("everbeat.cli.look:status_command", "Show nodes, links and who holds what."),
    "events": ("everbeat.cli.look:events_command", "Show what happened, phase by phase."),
    "standby": ("everbeat.cli.move:standby_command", "Hand groups of this node over."),
    "takeover": ("everbeat.cli.move:takeover_command", "Take groups from the other node."),
    "pause": ("everbeat.cli.pause:pause_command", "Leave a group alone for a while."),
    "resume": ("everbeat.cli.pause:resume_command", "End a pause."),
    "fence": ("everbeat.cli.fence:fence_command", "Fence a node, confirm it, look at devices."),
    "cleanup": ("everbeat.cli.cleanup:cleanup_command", "Forget failures of resources."),
    "check": (
        "everbeat.cli.check:check_command",
        "Check ha.cf, authkeys and haresources, or a CIB.",
    ),
    "witness": ("everbeat.cli.witness:witness_command", "Run a witness: third voter of two nodes."),
    "prove": ("everbeat.cli.prove:prove_command", "Try whether two nodes could hold one group."),
    "propagate": ("everbeat.cli.setup:propagate_command", "Copy the configuration to all nodes."),
    "simulate": (
        "everbeat.cli.policy:simulate_command",
        "Show what a cluster would do, and why.",
    ),
    "why": ("everbeat.cli.policy:why_command", "Explain where a resource runs, or why not."),
    "crm_simulate": (
        "everbeat.cli.policy:crm_simulate_command",
        "Show what a cluster would do, as Pacemaker's tool does.",
    ),
    "tools": ("everbeat.cli.setup:tools_command", "Make links for the old names of the tools."),
    "demo": ("everbeat.cli.demo:demo_command", "Show a cluster failing over on this machine."),
    "completion": ("everbeat.cli.setup:completion_command", "Print shell completion code."),
    "version": ("everbeat.cli.setup:version_command", "Print the version."),
}
"""Name: where its click command is, and its line of help (shown without importing it)."""


BY_SYSTEMD: Final = frozenset({"start", "stop", "restart", "enable", "disable"})


class LazyGroup(click.Group):
    """A group that knows its sub-commands' names and lines of help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return [name for name, (where, _) in SUB_COMMANDS.items() if _is_there(where)]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import a sub-command."""
        if cmd_name not in SUB_COMMANDS:
            return None
        module, _, attribute = SUB_COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the sub-command; of a name that is none, say which one may have been meant."""
        if args[0] == "help" and "help" not in SUB_COMMANDS:
            words = args[1:]
            if not words:
                click.echo(ctx.get_help())
                ctx.exit()
            return self.resolve_command(ctx, [*words, "--help"])
        if args[0] in BY_SYSTEMD:
            ctx.fail(f"systemd does that: systemctl {args[0]} everbeat (in the foreground: run)")
        if args[0] not in SUB_COMMANDS and not ctx.resilient_parsing:  # that is: completing
            from everbeat.config.suggestions import nearest  # noqa: PLC0415 - seldom needed

            meant = nearest(args[0], SUB_COMMANDS)
            hint = f" Did you mean '{meant}'?" if meant else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands."""
        rows = [(name, SUB_COMMANDS[name][1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _is_there(where: str) -> bool:
    path = where.partition(":")[0].rpartition(".")[2]
    return (Path(__file__).parent / f"{path}.py").is_file()


_FOLDER = click.Path(file_okay=False, readable=False, path_type=Path)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The directories may also be given by EVERBEAT_ETC, EVERBEAT_STATE and EVERBEAT_RUN; "
    "the old names (cl_status, hb_standby, ...) read only these.",
)
@click.option(
    "--etc",
    type=_FOLDER,
    default=ETC_DEFAULT,
    envvar="EVERBEAT_ETC",
    show_default=True,
    help="Configuration: ha.cf, authkeys, haresources, resource.d, rc.d.",
)
@click.option(
    "--state",
    type=_FOLDER,
    default=STATE_DEFAULT,
    envvar="EVERBEAT_STATE",
    show_default=True,
    help="What outlives a restart: hb_uuid, hb_generation, fifo, events.jsonl.",
)
@click.option(
    "--run",
    type=_FOLDER,
    default=RUN_DEFAULT,
    envvar="EVERBEAT_RUN",
    show_default=True,
    help="Sockets of the running daemon.",
)
@click.version_option(message=VERSION_TEXT)
@click.pass_context
def everbeat(context: click.Context, etc: Path, state: Path, run: Path) -> None:
    """Keep services up on a pair of Linux servers: Heartbeat, modern.

    Two nodes hear each other's heartbeats; when one falls silent, the other takes over its
    addresses and services as haresources says. Wire-compatible with Heartbeat 3.0.6.
    """
    context.obj = Places(etc, state, run)


def run(words: Sequence[str]) -> int:
    """Run everbeat with the words behind its name; return the exit code."""
    if "_EVERBEAT_COMPLETE" in os.environ:  # the shell asks for completions
        everbeat.main(args=list(words), prog_name="everbeat")
    try:
        result = everbeat.main(args=list(words), prog_name="everbeat", standalone_mode=False)
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    return result if isinstance(result, int) else 0
