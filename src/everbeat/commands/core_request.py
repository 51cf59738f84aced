"""Ask the core on this machine: one request, its reply, and the answer told to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from everbeat.commands import as_json
from everbeat.commands.lines import printable
from everbeat.ipc.client import REPLY_TIMEOUT_S, CoreClient
from everbeat.ipc.codec import IpcError
from everbeat.ipc.messages import Answer, GetStatus, StatusReply

if TYPE_CHECKING:
    from typing import TextIO

    from everbeat.commands.places import Places
    from everbeat.ipc.messages import CoreRequest

_Reply = TypeVar("_Reply")


def ask_core(
    places: Places,
    request: CoreRequest,
    expected: type[_Reply],
    timeout_s: float = REPLY_TIMEOUT_S,
) -> _Reply:
    """Return the reply to a request. Raises NotRunning and other IpcError."""
    with CoreClient(places.run) as core:
        reply = core.request(request, timeout_s)
    if not isinstance(reply, expected):
        raise IpcError(f"unexpected answer of everbeat: {type(reply).__name__}")
    return reply


def fetch_status(places: Places) -> StatusReply:
    """Return what the core knows. Raises NotRunning and other IpcError."""
    return ask_core(places, GetStatus(), StatusReply)


def ask_and_tell(
    places: Places,
    command: str,
    request: CoreRequest,
    out: TextIO,
    err: TextIO,
    *,
    is_json: bool,
) -> int:
    """Bring a request of `everbeat COMMAND`, tell the answer; return the exit code: 0 done, 1 not.

    JSON goes to `out` whatever the answer; text of a refusal goes to `err`.
    """
    try:
        answer = ask_core(places, request, Answer)
    except IpcError as error:
        print(f"everbeat {command}: {error}", file=err)
        return 1
    if is_json:
        print(as_json.dumps(answer), file=out)
    elif answer.is_accepted:
        print(printable(answer.text), file=out)
    else:
        print(f"everbeat {command}: {printable(answer.text)}", file=err)
    return 0 if answer.is_accepted else 1
