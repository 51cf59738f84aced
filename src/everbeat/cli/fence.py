"""everbeat fence NODE, everbeat fence status, history, confirm and test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from everbeat.commands.core_request import ask_core, fetch_status
from everbeat.commands.fencing import (
    evidence,
    fencing_events,
    fencing_json,
    render_fencing,
    wait_fenced,
    wait_tested,
)
from everbeat.commands.lines import show
from everbeat.ipc.codec import IpcError
from everbeat.ipc.messages import Answer, ConfirmFenced, RequestFence, TestFencing
from everbeat.model.fencing import FenceAction
from everbeat.model.names import node_name_from_text

if TYPE_CHECKING:
    from everbeat.commands.places import Places

_TROUBLE_EXIT = 2
_WAIT_S = 180.0
_TEST_S = 60.0


class FenceGroup(click.Group):
    """A word that is no sub-command is a node: `everbeat fence beta`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Read `NODE …` as `node NODE …`."""
        if args and args[0] not in self.commands:
            args = ["node", *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=FenceGroup,
    short_help="Fence a node, confirm it, look at devices.",
    subcommand_metavar="NODE [--off|--reboot] | COMMAND [ARGS]...",
)
def fence_command() -> None:
    """Make sure that a node is off, and look at what can do it.

    everbeat fence NODE fences another node now: restarts it, or switches it off with --off.
    """


@fence_command.command("node", hidden=True)
@click.argument("node")
@click.option("--off", "action", flag_value="off", help="Switch it off.")
@click.option("--reboot", "action", flag_value="reboot", default=True, help="Restart it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the result.")
@click.option("--timeout", type=click.FloatRange(0.1), default=_WAIT_S, show_default=True)
@click.pass_obj
def node_command(
    places: Places, *, node: str, action: str, yes: bool, wait: bool, timeout: float
) -> int:
    """Fence a node.

    Exit status: 0 confirmed (with --no-wait: taken); 1 refused, or not confirmed in time.
    """
    name = node_name_from_text(node)
    try:
        if not yes and not _is_typed(name, f"{action} {name}: what runs there ends hard."):
            return 1
        answer = ask_core(places, RequestFence(name, FenceAction(action)), Answer)
        if not answer.is_accepted:
            click.echo(f"not fenced: {answer.text}", err=True)
            return 1
        return wait_fenced(places, name, timeout) if wait else 0
    except IpcError as error:
        return _complain(error)


@fence_command.command("status")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
@click.pass_obj
def status_command(places: Places, *, is_json: bool) -> int:
    """Show devices, and the nodes that are or were to be fenced.

    Exit status: 0; 2 if a node is UNCLEAN or a device does not work; 1 if everbeat does not run.
    """
    try:
        reply = fetch_status(places)
    except IpcError as error:
        return _complain(error)
    if is_json:
        click.echo(fencing_json(reply))
    else:
        show(render_fencing(reply), sys.stdout)
    view = reply.fencing
    is_bad = any(n.is_open for n in view.nodes) or any(d.is_working is False for d in view.devices)
    return _TROUBLE_EXIT if is_bad else 0


@fence_command.command("history")
@click.option("--json", "is_json", is_flag=True, help="One JSON object per event and line.")
@click.option("--last", "-n", type=click.IntRange(0), default=20, show_default=True)
@click.pass_obj
def history_command(places: Places, *, is_json: bool, last: int) -> int:
    """Show what was fenced when, by which device, phase by phase."""
    from everbeat.commands.events import event_json, fetch_events, render_event  # noqa: PLC0415 - status is faster without

    try:
        known = next(fetch_events(places, last=0, is_followed=False), ())
    except IpcError as error:
        return _complain(error)
    for event in fencing_events(known)[-last:]:
        if is_json:
            click.echo(event_json(event))
        else:
            show(render_event(event), sys.stdout)
    return 0


@fence_command.command("confirm")
@click.argument("node")
@click.option("--yes", is_flag=True, help="Do not ask for the node's name.")
@click.pass_obj
def confirm_command(places: Places, *, node: str, yes: bool) -> int:
    """Say that a node is off: somebody has looked.

    Shows what is known of it and asks for its name. Then what it held is taken.

    Exit status: 0 taken; 1 not.
    """
    name = node_name_from_text(node)
    try:
        show(evidence(fetch_status(places), name), sys.stdout)
        if not yes and not _is_typed(name, "Is it really off?"):
            return 1
        answer = ask_core(places, ConfirmFenced(name), Answer)
    except IpcError as error:
        return _complain(error)
    if not answer.is_accepted:
        click.echo(f"not confirmed: {answer.text}", err=True)
        return 1
    click.echo(f"{name} counts as off; what it held is taken now.")
    return 0


@fence_command.command("test")
@click.argument("node")
@click.option("--timeout", type=click.FloatRange(0.1), default=_TEST_S, show_default=True)
@click.pass_obj
def test_command(places: Places, *, node: str, timeout: float) -> int:
    """Ask every device of a node whether it works, without harm.

    Exit status: 0 all of them do; 1 one does not, or there is none.
    """
    name = node_name_from_text(node)
    try:
        before_ms = fetch_status(places).now_ms
        answer = ask_core(places, TestFencing(name), Answer)
        if not answer.is_accepted:
            click.echo(f"not tested: {answer.text}", err=True)
            return 1
        return wait_tested(places, name, before_ms, timeout)
    except IpcError as error:
        return _complain(error)


def _is_typed(node: str, question: str) -> bool:
    """Whether a person types the node's name; where nobody can, --yes is needed."""
    if not sys.stdin.isatty():
        click.echo(f"nobody to ask: give --yes if {node} is meant", err=True)
        return False
    typed = click.prompt(f"{question} Type {node} to go on", default="", show_default=False)
    return bool(typed == node)


def _complain(error: IpcError) -> int:
    click.echo(f"everbeat fence: {error}", err=True)
    return 1
