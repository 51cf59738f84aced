"""The devices of this node: which nodes each can fence, in which order, and whether they work.

Devices are tried level by level. All devices of a level must say done (a machine with two power
supplies); by default each device is a level of its own, in the order of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from everbeat.model.fencing import DeviceStatus, FenceOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from everbeat.model.fencing import FenceDevice
    from everbeat.model.names import NodeName

Level: TypeAlias = "tuple[FenceDevice, ...]"
Topology: TypeAlias = "Mapping[NodeName, tuple[tuple[str, ...], ...]]"
"""Names of devices by level, for the nodes for which somebody chose them."""


@dataclass(slots=True)
class _Known:
    """A device and what was seen of it."""

    device: FenceDevice
    hosts: tuple[NodeName, ...] | None
    is_working: bool | None = None
    detail: str = "not asked yet"
    asked_ms: int = 0
    proven_ms: int = 0


class Registry:
    """Owned by one fencer. Names of devices are unique; of two the first one counts."""

    def __init__(self, devices: Iterable[FenceDevice], topology: Topology | None = None) -> None:
        self._known: dict[str, _Known] = {}
        for device in devices:
            self._known.setdefault(device.name, _Known(device, device.hosts))
        self._topology = topology or {}

    def devices(self) -> tuple[FenceDevice, ...]:
        """Return all devices in their order."""
        return tuple(known.device for known in self._known.values())

    def device(self, name: str) -> FenceDevice | None:
        """Return a device by its name."""
        known = self._known.get(name)
        return known.device if known else None

    def hosts(self, name: str) -> tuple[NodeName, ...] | None:
        """Return the nodes a device can fence; None: it was not asked, or did not answer."""
        return self._known[name].hosts

    def levels(self, node: NodeName) -> tuple[Level, ...]:
        """Return what to try for a node, in order. A device of unknown hosts is worth a try."""
        chosen = self._topology.get(node)
        if chosen is not None:
            named = (tuple(filter(None, map(self.device, names))) for names in chosen)
            return tuple(
                level
                for level, names in zip(named, chosen, strict=True)
                if len(level) == len(names)
            )
        return tuple(
            (known.device,)
            for known in self._known.values()
            if not known.device.is_person and (known.hosts is None or node in known.hosts)
        )

    def is_configured_for(self, node: NodeName) -> bool:
        """Whether anything, or anybody, is to confirm that a node is off."""
        return bool(self.levels(node)) or any(
            known.device.is_person and (known.hosts is None or node in known.hosts)
            for known in self._known.values()
        )

    def on_answer(self, name: str, outcome: FenceOutcome, detail: str, now_ms: int) -> None:
        """Remember whether a device works."""
        known = self._known[name]
        known.is_working = outcome is FenceOutcome.DONE
        known.detail, known.asked_ms = detail, now_ms
        if known.is_working:
            known.proven_ms = now_ms

    def on_hosts(self, name: str, hosts: tuple[NodeName, ...]) -> None:
        """Remember the hosts a device listed; those of the configuration count more."""
        known = self._known[name]
        if known.device.hosts is None:
            known.hosts = hosts

    def view(self) -> tuple[DeviceStatus, ...]:
        """Return all devices for people."""
        return tuple(
            DeviceStatus(
                device=name,
                type=known.device.type,
                hosts=known.hosts,
                is_working=known.is_working,
                detail=known.detail,
                asked_ms=known.asked_ms,
                proven_ms=known.proven_ms,
            )
            for name, known in self._known.items()
        )
