"""everbeat pause and everbeat resume: hands off groups of this node for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.commands import as_json
from everbeat.ipc.client import CoreClient
from everbeat.ipc.codec import IpcError
from everbeat.ipc.messages import Answer, RequestPause, RequestResume

if TYPE_CHECKING:
    from typing import TextIO

    from everbeat.commands.places import Places


def pause(
    places: Places, target: str, for_ms: int, out: TextIO, err: TextIO, *, is_json: bool
) -> int:
    """Have a group paused, tell the answer; return the exit code: 0 done, 1 not."""
    return _ask(places, "pause", RequestPause(target, for_ms), out, err, is_json=is_json)


def resume(places: Places, target: str, out: TextIO, err: TextIO, *, is_json: bool) -> int:
    """Have a pause ended, tell the answer; return the exit code: 0 done, 1 not."""
    return _ask(places, "resume", RequestResume(target), out, err, is_json=is_json)


def _ask(
    places: Places,
    word: str,
    request: RequestPause | RequestResume,
    out: TextIO,
    err: TextIO,
    *,
    is_json: bool,
) -> int:
    try:
        with CoreClient(places.run) as core:
            answer = core.request(request)
    except IpcError as error:
        print(f"everbeat {word}: {error}", file=err)
        return 1
    assert isinstance(answer, Answer)
    if is_json:
        print(as_json.dumps(answer), file=out)
    elif answer.is_accepted:
        print(answer.text, file=out)
    else:
        print(f"everbeat {word}: {answer.text}", file=err)
    return 0 if answer.is_accepted else 1
