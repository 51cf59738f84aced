"""One entry of a history: what it says about the resource's role and what its failure asks for.

Reads:  one lrm_rsc_op and the entries before it (through HistoryState)
Writes: the resource's role, bans, blocks; what a failure asks for
Oracle: the first resource list of every summary
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.actions.create import task_action
from everbeat.policy.actions.fence import can_fence
from everbeat.policy.actions.operations import on_fail_of, operation_meta, role_after_failure
from everbeat.policy.plan.placing import score_everywhere, score_on
from everbeat.policy.plan.plan import FailedOperation
from everbeat.policy.plan.table import Cause, CauseKind, ScoreTable
from everbeat.policy.plan.words import (
    CLONE,
    ON_FAIL_BAN,
    ON_FAIL_BLOCK,
    ON_FAIL_DEMOTE,
    ON_FAIL_IGNORE,
    ON_FAIL_RESET_REMOTE,
    ON_FAIL_RESTART,
    ON_FAIL_RESTART_CONTAINER,
    PROMOTED,
    ROLE_UNKNOWN,
    STARTED,
    STOPPED,
    UNPROMOTED,
)
from everbeat.policy.score import INFINITY
from everbeat.policy.unpack.expiry import judge_expiry
from everbeat.policy.unpack.migration_history import (
    migrate_from_failed,
    migrate_to_failed,
    migrate_to_succeeded,
)
from everbeat.policy.unpack.operation_order import (
    interval_of,
    transition_key,
)

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_TASKS: Final = frozenset(
    ("monitor", "start", "stop", "promote", "demote", "migrate_to", "migrate_from", "asyncmon")
)
PENDING: Final = -1
DONE: Final = 0
_CANCELLED: Final = 1
NOT_SUPPORTED: Final = 3
ERROR: Final = 4
ERROR_HARD: Final = 5
ERROR_FATAL: Final = 6
NOT_INSTALLED: Final = 7
NOT_CONNECTED: Final = 8
_NO_DEVICE_OR_SECRETS: Final = (10, 11)
_STATUS_MAX: Final = 11


@final
class HistoryState:
    """What the entries read so far add up to."""

    def __init__(self) -> None:
        self.on_fail = ON_FAIL_IGNORE
        self.last_failure: Element | None = None


@final
class Entry:
    """One entry with its numbers read."""

    def __init__(self, xml: Element, status: int, rc: int) -> None:
        self.xml: Final = xml
        self.task: Final = xml.text("operation")
        self.interval: Final = interval_of(xml)
        self.target_rc: Final = transition_key(xml).target_rc
        self.original_rc: Final = rc
        self.status = status
        self.rc = rc
        self.expired = False

    @property
    def is_probe(self) -> bool:
        """Say whether the entry is a single monitor."""
        return self.task == "monitor" and self.interval == 0


def unpack_entry(
    plan: Plan, resource: Resource, node: Node, xml: Element, told: HistoryState
) -> None:
    """Take one entry into account."""
    status, rc = integer_prefix(xml.text("op-status")), integer_prefix(xml.text("rc-code"))
    if xml.text("operation") not in _TASKS or status is None or rc is None:
        return
    if rc < 0 or rc > 255 or not PENDING <= status <= _STATUS_MAX or status == _CANCELLED:
        return
    entry = Entry(xml, status, rc)
    entry.expired = judge_expiry(plan, resource, node, xml, status, rc)
    masked = entry.is_probe and (rc in (2, 5) or status == NOT_INSTALLED)
    masked = masked and resource.top().bundle is None
    _remap(plan, resource, node, entry, told, masked=masked)
    if entry.expired and _skip_expired(resource, node, entry, masked=masked):
        return
    owner = resource if resource.unique else resource.uber_parent()
    if masked:
        _take_success(plan, resource, node, entry, told, rc=entry.target_rc, masked=True)
        record_failure(plan, resource, node, entry, masked=True)
        score_on(owner, node, -INFINITY, Cause(CauseKind.PROBE_FAILED, entry.xml.id))
        return
    if entry.status == PENDING:
        _take_pending(plan, resource, node, entry, told)
    elif entry.status == DONE:
        _take_success(plan, resource, node, entry, told, rc=entry.rc, masked=False)
    else:
        if entry.status == NOT_CONNECTED and resource.is_remote_connection():
            if resource.managed:
                resource.failed = True
        _take_failure(plan, resource, node, entry, told)


def record_failure(
    plan: Plan, resource: Resource, node: Node, entry: Entry, *, masked: bool = False
) -> None:
    """Remember a failure for display, once for each entry and node."""
    if not node.online:
        return
    for known in plan.failed_operations:
        if known.node is node and known.key == entry.xml.id:
            return
    plan.failed_operations.append(
        FailedOperation(entry.xml.id, node, resource.id, entry.xml, entry.original_rc, probe=masked)
    )


def _remap(
    plan: Plan,
    resource: Resource,
    node: Node,
    entry: Entry,
    told: HistoryState,
    *,
    masked: bool,
) -> None:
    if entry.rc in (190, 191):
        entry.rc = 0 if entry.rc == 190 else 8
        if not entry.expired and (not node.shutdown or node.online):
            record_failure(plan, resource, node, entry)
    if masked:
        entry.status, entry.rc = DONE, 7
    if entry.status in _NO_DEVICE_OR_SECRETS:
        entry.status = ERROR_HARD
        return
    if entry.status not in (DONE, ERROR):
        return
    entry.status = DONE if entry.rc == entry.target_rc else ERROR
    _remap_by_rc(plan, resource, node, entry, told)


def _remap_by_rc(
    plan: Plan, resource: Resource, node: Node, entry: Entry, told: HistoryState
) -> None:
    match entry.rc:
        case 0:
            if entry.is_probe and entry.target_rc == 7:
                entry.status = DONE
        case 7:
            if entry.is_probe or entry.target_rc == 7 or not resource.managed:
                entry.status = DONE
                resource.role = STOPPED
                told.on_fail = ON_FAIL_IGNORE
                resource.next_role = ROLE_UNKNOWN
        case 8:
            if entry.is_probe and entry.rc != entry.target_rc:
                entry.status = DONE
            if not entry.expired or entry.rc == entry.target_rc:
                resource.role = PROMOTED
        case 9:
            if not entry.expired:
                resource.role = PROMOTED
            entry.status = ERROR
        case 6:
            entry.status = ERROR_FATAL
        case 3:
            if entry.interval > 0:
                entry.status = NOT_SUPPORTED
            else:
                _block_if_hopeless(plan, resource, node, entry)
                entry.status = ERROR_HARD
        case 2 | 4 | 5:
            _block_if_hopeless(plan, resource, node, entry)
            entry.status = ERROR_HARD
        case _:
            if entry.status == DONE:
                entry.status = ERROR


def _block_if_hopeless(plan: Plan, resource: Resource, node: Node, entry: Entry) -> None:
    if entry.task == "stop" and not entry.expired and not can_fence(plan, node):
        resource.managed = False
        resource.blocked = True


def _skip_expired(resource: Resource, node: Node, entry: Entry, *, masked: bool) -> bool:
    """Say whether an expired entry says nothing any more."""
    if masked and entry.original_rc != entry.target_rc:
        if resource.role <= STOPPED:
            resource.role = ROLE_UNKNOWN
        return True
    if entry.rc == entry.target_rc:
        return False
    if entry.interval == 0:
        return True
    if node.online and not node.unclean:
        resource.expired_entries.add((node.index, entry.xml.id))
        return True
    return False


def _active_role(resource: Resource) -> int:
    return UNPROMOTED if resource.is_promotable_part() else STARTED


def _set_active(resource: Resource) -> None:
    resource.role = _active_role(resource)


def _has_failed_since(entry: Entry, last: Element | None) -> bool:
    """Say whether the last failure is that of a pending entry's operation, and not older."""
    if last is None or last.text("operation") != entry.task or interval_of(last) != entry.interval:
        return False
    failed = integer_prefix(last.text("last-rc-change"))
    began = integer_prefix(entry.xml.text("last-rc-change"))
    return failed is not None and began is not None and failed >= began


def _take_pending(
    plan: Plan, resource: Resource, node: Node, entry: Entry, told: HistoryState
) -> None:
    if _has_failed_since(entry, told.last_failure):
        return
    if entry.task == "start":
        resource.start_pending = True
        _set_active(resource)
    elif entry.task == "promote":
        resource.role = PROMOTED
    elif entry.task == "migrate_to" and node.unclean:
        target = plan.node_named(entry.xml.get("migrate_target"))
        if target is not None:
            task_action(plan, resource, "stop", target, optional=False)
    if resource.pending_task is None and not (entry.is_probe):
        resource.pending_task = entry.task
        resource.pending_node = node


def _clear_past_failure(resource: Resource, told: HistoryState) -> None:
    if told.on_fail in (
        ON_FAIL_BLOCK,
        ON_FAIL_IGNORE,
        ON_FAIL_DEMOTE,
        ON_FAIL_RESTART,
        ON_FAIL_RESTART_CONTAINER,
    ) or (told.on_fail == ON_FAIL_RESET_REMOTE and not resource.reconnect_ms):
        told.on_fail = ON_FAIL_IGNORE
        resource.next_role = ROLE_UNKNOWN


def _take_success(
    plan: Plan,
    resource: Resource,
    node: Node,
    entry: Entry,
    told: HistoryState,
    *,
    rc: int,
    masked: bool,
) -> None:
    clears = False
    if masked or rc == 5:
        resource.role = STOPPED
    elif rc == 7:
        clears = True
    else:
        match entry.task:
            case "monitor":
                last = told.last_failure
                clears = (
                    last is not None
                    and last.text("operation") == entry.task
                    and interval_of(last) == entry.interval
                )
                if resource.role < STARTED:
                    _set_active(resource)
            case "start":
                resource.role = STARTED
                clears = True
            case "stop":
                resource.role = STOPPED
                clears = True
            case "promote":
                resource.role = PROMOTED
                clears = True
            case "demote":
                resource.role = UNPROMOTED
                clears = told.on_fail == ON_FAIL_DEMOTE
            case "migrate_from":
                resource.role = STARTED
                clears = True
            case "migrate_to":
                migrate_to_succeeded(plan, resource, node, entry.xml)
            case _:
                if resource.role < STARTED:
                    _set_active(resource)
    if clears:
        _clear_past_failure(resource, told)


def _take_failure(
    plan: Plan, resource: Resource, node: Node, entry: Entry, told: HistoryState
) -> None:
    meta = operation_meta(plan, resource, entry.task, entry.interval)
    on_fail = on_fail_of(plan, resource, entry.task, entry.interval, meta)
    owner = resource if resource.unique else resource.uber_parent()
    if entry.status == NOT_INSTALLED:
        if on_fail == ON_FAIL_IGNORE:
            on_fail = ON_FAIL_BAN
        score_on(owner, node, -INFINITY, Cause(CauseKind.NOT_INSTALLED, entry.xml.id))
    if on_fail == ON_FAIL_IGNORE or (on_fail == ON_FAIL_RESTART_CONTAINER and entry.task == "stop"):
        _take_success(plan, resource, node, entry, told, rc=entry.target_rc, masked=False)
        resource.failure_ignored = True
        record_failure(plan, resource, node, entry)
        if on_fail == ON_FAIL_RESTART_CONTAINER and told.on_fail <= ON_FAIL_RESTART:
            told.on_fail = ON_FAIL_RESTART_CONTAINER
        return
    role = role_after_failure(resource, entry.task, on_fail)
    told.last_failure = entry.xml
    if entry.rc != 5 or plan.options.symmetric:
        record_failure(plan, resource, node, entry)
    told.on_fail = max(told.on_fail, on_fail)
    _take_failed_task(plan, resource, node, entry, on_fail)
    if entry.is_probe and entry.rc == 5:
        resource.role = STOPPED
    elif resource.role < STARTED:
        _set_active(resource)
    if role != STARTED and resource.next_role < role:
        resource.next_role = role
    if role == STOPPED:
        _ban_afresh(plan, resource, entry)
    if entry.status == ERROR_HARD:
        score_on(owner, node, -INFINITY, Cause(CauseKind.HARD_ERROR, entry.xml.id))
    elif entry.status == ERROR_FATAL:
        score_everywhere(plan, owner, -INFINITY, Cause(CauseKind.FATAL_ERROR, entry.xml.id))


def _take_failed_task(
    plan: Plan, resource: Resource, node: Node, entry: Entry, on_fail: int
) -> None:
    match entry.task:
        case "stop":
            score_on(resource, node, -INFINITY, Cause(CauseKind.STOP_FAILED, entry.xml.id))
        case "migrate_to":
            migrate_to_failed(plan, resource, node, entry.xml)
        case "migrate_from":
            migrate_from_failed(plan, resource, node, entry.xml)
        case "promote":
            resource.role = PROMOTED
        case "demote":
            if on_fail == ON_FAIL_BLOCK:
                resource.role = PROMOTED
                resource.next_role = STOPPED
            elif entry.rc == 7:
                resource.role = STOPPED
            else:
                resource.role = UNPROMOTED
        case _:
            pass


def _ban_afresh(plan: Plan, resource: Resource, entry: Entry) -> None:
    target = resource
    parent = resource.uber_parent()
    if parent.variant == CLONE and not parent.unique:
        target = parent
    ledger = target.table.ledger
    target.table = ScoreTable()
    target.table.ledger = ledger
    cause = Cause(CauseKind.STAYS_STOPPED, entry.xml.id)
    for node in plan.nodes:
        target.table.put(node.index, -INFINITY, node.probe_mode, cause)
