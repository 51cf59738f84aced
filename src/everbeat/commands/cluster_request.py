"""Bring a person's request to the cluster: through everbeat, or through Heartbeat's FIFO.

everbeat answers whether it takes the request; the FIFO answers nothing.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from everbeat.adapters.fifo import write_fifo
from everbeat.commands.core_request import ask_core
from everbeat.ipc.codec import IpcError, NotRunning
from everbeat.ipc.messages import Answer
from everbeat.wire.string_form import encode_string

if TYPE_CHECKING:
    from everbeat.commands.places import Places
    from everbeat.ipc.messages import CoreRequest
    from everbeat.model.message import Message


class RequestError(Exception):
    """Nobody is there to take the request, or it may not be brought; the text is for people."""


def ask(places: Places, request: CoreRequest, message: Message) -> Answer | None:
    """Return everbeat's answer, or None if Heartbeat runs here and was given `message`.

    Raises RequestError.
    """
    try:
        return ask_core(places, request, Answer)
    except NotRunning:
        _write(places, message)
        return None
    except IpcError as error:
        raise RequestError(str(error)) from error


def _write(places: Places, message: Message) -> None:
    try:
        write_fifo(places.fifo, encode_string(message))
    except PermissionError as error:
        raise RequestError(f"{places.fifo}: permission denied; run as root") from error
    except OSError as error:
        if error.errno not in {errno.ENXIO, errno.ENOENT}:
            raise RequestError(f"{places.fifo}: {error.strerror or error}") from error
        text = "neither everbeat nor heartbeat is running on this machine"
        raise RequestError(f"{text} ({places.core_socket}, {places.fifo})") from error
