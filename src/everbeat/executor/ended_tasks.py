"""Remember which units were tasks that ended well, when systemd does not.

In: what systemd says of a unit at each look, and when we started it. Out: what is true of it.

systemd unloads a unit that has ended without a failure as soon as nothing refers to it: at once
where no D-Bus daemon keeps it in use, with `daemon-reload` at the latest. What `systemctl show`
says then is that of a unit that has never run (Condition.FORGOTTEN). It is done if it was before,
or if its end was noticed within TASK_S of its start; else it has stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.agents.unit import TASK_S, Condition

if TYPE_CHECKING:
    from everbeat.model.groups import ResourceSpec

_TASK_MS: Final = TASK_S * 1_000


class EndedTasks:
    """All units of this machine's groups, by the words of haresources: as many as there are."""

    def __init__(self) -> None:
        self._started_ms: dict[str, int] = {}
        self._done: set[str] = set()

    def on_started(self, resource: ResourceSpec, now_ms: int) -> None:
        """Take that a resource has just been started."""
        self._started_ms[resource.text] = now_ms
        self._done.discard(resource.text)

    def recall(self, resource: ResourceSpec, found: Condition, noticed_ms: int) -> Condition:
        """Return the condition of a resource that was `found` so, never FORGOTTEN.

        `noticed_ms`: when there was cause to look.
        """
        known = resource.text
        match found:
            case Condition.DONE:
                self._done.add(known)
            case Condition.HELD if known in self._done:
                self.on_started(resource, noticed_ms)  # by somebody else
            case Condition.STOPPED | Condition.DEAD:
                self._done.discard(known)
            case Condition.FORGOTTEN:
                started_ms = self._started_ms.get(known)
                is_short = started_ms is not None and noticed_ms - started_ms <= _TASK_MS
                if known not in self._done and not is_short:
                    return Condition.STOPPED
                self._done.add(known)
                return Condition.DONE
            case _:
                pass
        return found
