"""everbeat pause and everbeat resume: hands off groups of this node for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.commands.core_request import ask_and_tell
from everbeat.ipc.messages import RequestPause, RequestResume

if TYPE_CHECKING:
    from typing import TextIO

    from everbeat.commands.places import Places


def pause(
    places: Places, target: str, for_ms: int, out: TextIO, err: TextIO, *, is_json: bool
) -> int:
    """Have a group paused, tell the answer; return the exit code: 0 done, 1 not."""
    return ask_and_tell(places, "pause", RequestPause(target, for_ms), out, err, is_json=is_json)


def resume(places: Places, target: str, out: TextIO, err: TextIO, *, is_json: bool) -> int:
    """Have a pause ended, tell the answer; return the exit code: 0 done, 1 not."""
    return ask_and_tell(places, "resume", RequestResume(target), out, err, is_json=is_json)
