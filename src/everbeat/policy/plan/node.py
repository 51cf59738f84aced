"""A node of the cluster: a member, a remote node or a guest, and what is known of its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.plan.words import PROBE_ALWAYS
from everbeat.policy.values import natural_key

if TYPE_CHECKING:
    from everbeat.policy.plan.resource import Resource


@final
class Node:
    """One node. `index` is its place in every score row and never changes."""

    def __init__(
        self, index: int, node_id: str, name: str, base_score: int, *, is_remote: bool
    ) -> None:
        self.index: Final = index
        self.id: Final = node_id
        self.name: Final = name
        self.is_remote: Final = is_remote  # remote or guest: no cluster stack of its own
        self.order: Final = natural_key(name)
        self.base_score = base_score
        self.probe_mode = PROBE_ALWAYS
        self.attributes: dict[str, str] = {}
        self.utilization: dict[str, int] = {}
        self.free: dict[str, int] = {}
        self.is_dc = False
        self.online = False
        self.unclean = False
        self.unseen = True
        self.standby = False
        self.standby_on_fail = False
        self.pending = False
        self.shutdown = False
        self.expected_up = False
        self.maintenance = False
        self.remote_maintenance = False
        self.remote_reset = False
        self.remote_fenced = False
        self.discovery_enabled = True
        self.history_unpacked = False
        self.unclean_reason = ""
        self.connection: Resource | None = None
        self.running: list[Resource] = []
        self.assigned: list[Resource] = []
        self.resource_count = 0
        self.priority = 0
        self.digests: dict[str, object] = {}

    def is_available(self) -> bool:
        """Say whether the node could run something, whatever the scores."""
        return (
            self.online
            and not self.shutdown
            and not self.unclean
            and not self.standby
            and not self.maintenance
        )

    def is_guest(self) -> bool:
        """Say whether the node lives inside a resource of the cluster."""
        return self.connection is not None and self.connection.launcher is not None

    def is_in_bundle(self) -> bool:
        """Say whether the node is the inside of a bundle's container."""
        if self.connection is None or self.connection.launcher is None:
            return False
        return self.connection.top().bundle is not None
