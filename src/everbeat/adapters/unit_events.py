"""Hear from systemd that a unit has stopped or failed, over D-Bus.

A main process's end is heard from the kernel, and sooner; this is for units that have none, and
for those that people stop. dbus-fast is imported when the first unit is observed. Without it, or
without a system bus, units are polled; a bus that goes away is looked for again each RETRY_S.
Source: org.freedesktop.systemd1(5), paths escaped as there.
"""

from __future__ import annotations

import asyncio
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from everbeat.agents.agent import SystemdAgent

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.agents.agent import Agent

RETRY_S: Final = 10.0
ANSWER_S: Final = 5.0
GONE_STATES: Final = frozenset({"failed", "inactive", "deactivating"})

_SYSTEMD: Final = "org.freedesktop.systemd1"
_UNIT_PATH: Final = "/org/freedesktop/systemd1/unit/"
_RULE: Final = (
    f"type='signal',sender='{_SYSTEMD}',interface='org.freedesktop.DBus.Properties',"
    f"member='PropertiesChanged',arg0='{_SYSTEMD}.Unit'"
)
_PLAIN: Final = frozenset(string.ascii_letters + string.digits)


@dataclass(slots=True)
class UnitEvents:
    """Units under observation. `on_cause(watch, text)` and `warn` are called in the loop."""

    on_cause: Callable[[int, str], None]
    warn: Callable[[str], None]
    _observed: dict[int, str] = field(default_factory=dict)  # watch -> unit
    _task: asyncio.Task[None] | None = None

    def observe(self, watch: int, agent: Agent) -> None:
        """Give cause when a unit stops."""
        if isinstance(agent, SystemdAgent):
            self._observed[watch] = agent.unit
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._keep_listening())

    def unobserve(self, watch: int) -> None:
        """Let go."""
        self._observed.pop(watch, None)

    def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()

    async def _keep_listening(self) -> None:
        try:
            from dbus_fast import DBusError  # noqa: PLC0415 - only where units are resources
            from dbus_fast.errors import AuthError  # noqa: PLC0415 - the same
        except ImportError:
            self.warn("units are watched by their main process alone: dbus-fast is not installed")
            return
        is_told = False
        while True:
            try:
                await self._listen()
            except (OSError, EOFError, TimeoutError, DBusError, AuthError) as error:
                if not is_told:
                    self.warn(f"units are watched by their main process alone: {error}")
                is_told = True
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        """Listen until the bus goes away."""
        from dbus_fast import BusType, Message  # noqa: PLC0415 - only where units are resources
        from dbus_fast.aio import MessageBus  # noqa: PLC0415 - the same

        bus = await asyncio.wait_for(MessageBus(bus_type=BusType.SYSTEM).connect(), ANSWER_S)
        bus.add_message_handler(self._on_message)
        daemon = "org.freedesktop.DBus"
        match = Message(
            destination=daemon,
            path="/org/freedesktop/DBus",
            interface=daemon,
            member="AddMatch",
            signature="s",
            body=[_RULE],
        )
        subscribe = Message(
            destination=_SYSTEMD,
            path="/org/freedesktop/systemd1",
            interface=f"{_SYSTEMD}.Manager",
            member="Subscribe",
        )
        try:
            for message in (match, subscribe):
                await asyncio.wait_for(bus.call(message), ANSWER_S)
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call] # dbus-fast's
        finally:
            bus.disconnect()

    def _on_message(self, message: Any) -> None:  # dbus-fast's Message
        if message.member != "PropertiesChanged" or len(message.body) < 2:
            return
        state = message.body[1].get("ActiveState")
        if state is None or state.value not in GONE_STATES:
            return
        for watch, unit in tuple(self._observed.items()):
            if unit_path(unit) == message.path:
                self.on_cause(watch, f"unit {unit} is {state.value}")


def unit_path(unit: str) -> str:
    """Return a unit's object path: all but letters and digits as _xx, a leading digit as well."""
    escaped = [
        character
        if character in _PLAIN and not (index == 0 and character.isdigit())
        else "".join(f"_{byte:02x}" for byte in character.encode())
        for index, character in enumerate(unit)
    ]
    return _UNIT_PATH + "".join(escaped)
