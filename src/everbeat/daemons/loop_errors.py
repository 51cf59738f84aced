"""What asyncio could not hand to anybody: a bug ends the process, a machine in need does not.

Out of descriptors or memory, asyncio accepts nobody for a second and then tries again (CPython,
`asyncio.selector_events`, ACCEPT_RETRY_DELAY); it only tells its handler. Whoever may open many
connections shall not end a daemon that way.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

_SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def watch_for_bugs(
    loop: asyncio.AbstractEventLoop,
    on_bug: Callable[[Mapping[str, Any]], object],
    warn: Callable[[str], object],
) -> None:
    """Have `on_bug` called with asyncio's context, and `warn` where nobody can be accepted now."""

    def handle(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        if "socket" in context and isinstance(error, OSError) and error.errno in _SCARCE:
            warn(f"nobody is accepted for a second: {error.strerror}")
        else:
            on_bug(context)

    loop.set_exception_handler(handle)
