"""everbeat status and everbeat events."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from everbeat.commands.core_request import fetch_status
from everbeat.commands.lines import line, plain, show
from everbeat.commands.status import problems, render_status, status_json
from everbeat.ipc.codec import IpcError

if TYPE_CHECKING:
    from everbeat.commands.places import Places

_TROUBLE_EXIT = 2


@click.command("status", short_help="Show nodes, links and who holds what.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--watch", is_flag=True, help="Show it again until interrupted.")
@click.option(
    "--interval", type=click.FloatRange(0.2), default=1.0, show_default=True, help="Seconds."
)
@click.option("--check", is_flag=True, help="Exit with 2 if anything needs attention.")
@click.pass_obj
def status_command(
    places: Places, *, is_json: bool, watch: bool, interval: float, check: bool
) -> int:
    """Show what needs attention, the nodes and the groups.

    Every node comes with its links, every group of haresources with where it is, what it does
    here, since when and why.

    Exit status: 0; 1 if everbeat does not run here; with --check, 2 if anything needs attention.
    """
    if watch:
        return _watch(places, interval, is_json=is_json)
    try:
        reply = fetch_status(places)
    except IpcError as error:
        click.echo(f"everbeat status: {error}", err=True)
        return 1
    if is_json:
        click.echo(status_json(reply))
    else:
        show(render_status(reply), sys.stdout)
    return _TROUBLE_EXIT if check and problems(reply) else 0


def _watch(places: Places, interval_s: float, *, is_json: bool) -> int:
    """Show the status again and again; a daemon that goes away may come back."""
    while True:
        try:
            reply = fetch_status(places)
            text = status_json(reply) + "\n" if is_json else None
            rows = render_status(reply)
        except IpcError as error:
            rows, text = [line(str(error))], None
        if text is not None:
            click.echo(text, nl=False)
        elif sys.stdout.isatty():
            click.clear()
            show(rows, sys.stdout)
        else:
            click.echo(plain(rows))
        time.sleep(interval_s)


@click.command("events", short_help="Show what happened, phase by phase.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object per event and line.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new events until interrupted.")
@click.option(
    "--last",
    "-n",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many of the events so far; 0 for all.",
)
@click.pass_obj
def events_command(places: Places, *, is_json: bool, follow: bool, last: int) -> int:
    """Show what happened on this node.

    A takeover is shown with the milliseconds of its phases: last heartbeat heard, declared dead,
    each resource started, announced.

    The columns of a phase: time since the event's first moment, time since the phase before.
    """
    from everbeat.commands.events import event_json, fetch_events, render_event  # noqa: PLC0415 - status is faster without

    try:
        for events in fetch_events(places, last=last, is_followed=follow):
            for event in events:
                if is_json:
                    click.echo(event_json(event))
                else:
                    show(render_event(event), sys.stdout)
    except IpcError as error:
        click.echo(f"everbeat events: {error}", err=True)
        return 1
    return 0
