"""A resource of any kind, with everything the stages find out about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.plan.table import ScoreTable
from everbeat.policy.plan.words import (
    GROUP,
    ON_FAIL_IGNORE,
    PRIMITIVE,
    ROLE_UNKNOWN,
    STOPPED,
)
from everbeat.policy.score import INFINITY

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.constraint import Colocation, LocationRecord, TicketUse
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.table import Cause


@final
class Replica:
    """One container of a bundle with its address, its connection and the resource inside."""

    def __init__(self, offset: int) -> None:
        self.offset: Final = offset
        self.address: str | None = None
        self.container: Resource | None = None
        self.ip: Resource | None = None
        self.remote: Resource | None = None
        self.node: Node | None = None
        self.child: Resource | None = None


@final
class BundleParts:
    """What only bundles have."""

    def __init__(self) -> None:
        self.replicas: list[Replica] = []
        self.clone: Resource | None = None
        self.promoted_max = 0
        self.replica_count = 1
        self.per_host = 1
        self.image = ""
        self.agent = "docker"


@final
class Resource:
    """One resource: primitive, group, clone or bundle; instances of clones are resources too."""

    def __init__(
        self, resource_id: str, variant: int, xml: Element, parent: Resource | None
    ) -> None:
        self.id: Final = resource_id
        self.variant: Final = variant
        self.xml: Final = xml
        self.xml_id = xml.id  # the id as configured, without an instance number
        self.parent = parent
        self.children: list[Resource] = []
        self.operations: list[Element] = []
        self.meta: dict[str, str] = {}
        self.parameters: dict[int, dict[str, str]] = {}
        self.utilization: dict[str, int] = {}
        self.history_id: str | None = None
        # Configuration.
        self.managed = True
        self.maintenance = False
        self.unique = True
        self.notify = False
        self.promotable = False
        self.critical = True
        self.is_fence_device = False
        self.is_internal = False
        self.needs_quorum = False
        self.needs_fencing = False
        self.needs_unfencing = False
        self.allow_migrate = False
        self.allows_nested_remote = False
        self.multiple_active = "stop_start"
        self.priority = 0
        self.stickiness = 0
        self.migration_threshold = INFINITY
        self.failure_timeout_ms = 0
        self.reconnect_ms = 0
        self.exclusive_probes = False
        # Collectives.
        self.ordered = True
        self.collocated = True
        self.clone_max = 0
        self.clone_node_max = 1
        self.promoted_max = 1
        self.promoted_node_max = 1
        self.child_xml: Element | None = None
        self.bundle: BundleParts | None = None
        self.launcher: Resource | None = None
        self.launched: list[Resource] = []
        # What history says.
        self.removed = False
        self.failed = False
        self.stop_if_failed = False
        self.failure_ignored = False
        self.blocked = False
        self.start_pending = False
        self.role = STOPPED
        self.next_role = ROLE_UNKNOWN
        self.on_fail = ON_FAIL_IGNORE
        self.active_on: list[Node] = []
        self.probed_nodes: list[Node] = []
        self.pending_task: str | None = None
        self.pending_node: Node | None = None
        self.dangling_sources: list[Node] = []
        self.partial_source: Node | None = None
        self.partial_target: Node | None = None
        self.lock_node: Node | None = None
        self.lock_time = 0
        # Wishes.
        self.table = ScoreTable()
        self.locations: list[LocationRecord] = []
        self.this_with: list[Colocation] = []
        self.with_this: list[Colocation] = []
        self.tickets: list[TicketUse] = []
        # Decisions.
        self.is_assigned = False
        self.assigning = False
        self.updating = False
        self.assigned: Node | None = None
        self.assigned_score = 0
        self.placement_cause: Cause | None = None
        self.promotion_priority = 0
        self.promotion_scored = False
        self.promotion_sorted = False
        self.expired_entries: set[tuple[int, str]] = set()  # recurring ones to schedule anew
        self.reload = False
        self.restarting = False
        self.stop_unexpected = False
        self.actions: list[Action] = []  # in order of creation
        self.actions_by_key: dict[str, list[Action]] = {}
        self.actions_by_task: dict[str, list[Action]] = {}
        self.notify_data: dict[str, object] = {}

    def top(self) -> Resource:
        """Return the outermost resource this one belongs to, bundles included."""
        resource = self
        while resource.parent is not None:
            resource = resource.parent
        return resource

    def uber_parent(self) -> Resource:
        """Return the outermost resource this one belongs to, but no bundle above a clone."""
        resource = self
        while resource.parent is not None and resource.parent.bundle is None:
            resource = resource.parent
        return resource

    def is_primitive(self) -> bool:
        """Say whether this is a single resource."""
        return self.variant == PRIMITIVE

    def is_group(self) -> bool:
        """Say whether this is a group."""
        return self.variant == GROUP

    def is_remote_connection(self) -> bool:
        """Say whether the resource connects a remote or guest node."""
        return (
            self.variant == PRIMITIVE
            and self.xml.get("type") == "remote"
            and self.xml.get("provider") == "pacemaker"
            and self.xml.get("class") == "ocf"
        )

    def primitives(self) -> list[Resource]:
        """Return the single resources below this one, in order; itself if it is one."""
        if self.variant == PRIMITIVE:
            return [self]
        return [found for child in self.children for found in child.primitives()]

    def is_promotable_part(self) -> bool:
        """Say whether the outermost parent below any bundle is a promotable clone."""
        return self.uber_parent().promotable

    def name_in_history(self) -> str:
        """Return the name under which the executor knows the resource."""
        return self.history_id or self.id
