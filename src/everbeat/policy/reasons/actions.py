"""Why an action is to be done: from the action back to configuration, status or an event.

Enters: a finished plan. Leaves: a reason for each action whose chains end at roots.

    stop ◄─ the resource failed · is to stop · moves · must restart with what it is ordered after
    start ◄─ placement · the stop before it
    points of collectives ◄─ the members' actions

An action may rest on itself through others (two resources ordered around each other); the second
time it is met, the chain ends at the resource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.actions.fence import can_fence
from everbeat.policy.actions.flags import base_task
from everbeat.policy.assign.colocation import instances_of
from everbeat.policy.plan.action import Change
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import (
    BUNDLE,
    PRIMITIVE,
    PROMOTED,
    REASON_CHANGED,
    REASON_FROZEN,
    REASON_MAINTENANCE,
    REASON_NO_QUORUM,
    ROLE_NAMES,
    STOPPED,
    UNPROMOTED,
)
from everbeat.policy.reasons.document import Document
from everbeat.policy.reasons.placement import node_reason, nowhere_reason, placed_reason
from everbeat.policy.reasons.reason import Kind, Reason
from everbeat.policy.reasons.scores import (
    colocation_reason,
    configured,
    fail_count_attribute,
    failure_reason,
    promotion_reasons,
    stopped_reason,
    ticket_reason,
    unmanaged_reason,
)
from everbeat.policy.score import render_score

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action, Because
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_WANTED: Final = (Change.REQUIRED, Change.UNRUNNABLE_BY_COLOCATION)
_FORBIDDEN: Final = (Change.UNRUNNABLE, Change.UNRUNNABLE_BY_COLOCATION)
DEPTH_MAX: Final = 40
"""Actions behind each other; a longer chain is cut at the resource it has reached."""


@final
class Explainer:
    """Answers why for one finished plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan: Final = plan
        self.document: Final = Document(plan)
        self._open: list[int] = []
        self._known: dict[int, tuple[Reason, ...]] = {}

    def reasons(self, action: Action) -> tuple[Reason, ...]:
        """Return the reasons of an action, at least one."""
        known = self._known.get(action.id)
        if known is not None:
            return known
        if action.id in self._open or len(self._open) >= DEPTH_MAX:
            return (self._cut(action),)
        self._open.append(action.id)
        found = self._of_kind(action)
        self._open.pop()
        if not self._open:
            self._known[action.id] = found
        return found

    def _cut(self, action: Action) -> Reason:
        if action.resource is None:
            name = action.key if action.node is None else action.node.name
            return Reason(kind=Kind.NODE, subject=name, text=f"{name} as above")
        name = configured(self.document, action.resource)
        return Reason(kind=Kind.RESOURCE, subject=name, text=f"{action.task} of {name} as above")

    def behind(self, action: Action) -> Reason:
        """Return another action as a reason."""
        return Reason(
            kind=Kind.ACTION,
            subject=action_title(action),
            text=action_title(action),
            because=self.reasons(action),
        )

    def _of_kind(self, action: Action) -> tuple[Reason, ...]:
        resource = action.resource
        if resource is None:
            return self._of_cluster_action(action)
        if action.task in ("notify", "notified"):
            return (self._of_notification(action, resource),)
        if resource.variant != PRIMITIVE:
            return self._of_point(action, resource)
        if action.task == "cancel":
            return (self._of_cancel(action, resource),)
        if action.interval_ms > 0:
            return (self._of_recurring(action, resource),)
        match action.task:
            case "monitor":
                return (self._of_probe(action, resource),)
            case "clear_failcount":
                return (self._of_clearing(action, resource),)
            case "delete" | "lrm_delete":
                return (self._of_deletion(action, resource),)
            case "reload-agent":
                return (self._changed(resource, action.node),)
            case "start":
                return self._of_start(action, resource)
            case "stop":
                return self._of_stop(action, resource)
            case "promote":
                return self._of_promotion(action, resource)
            case "demote":
                return self._of_demotion(action, resource)
            case "migrate_to" | "migrate_from":
                return self._of_migration(resource)
            case _:
                return self._of_flags(action, resource)

    # ------------------------------------------------------------- actions of nodes and of points

    def _of_cluster_action(self, action: Action) -> tuple[Reason, ...]:
        node = action.node
        if action.task == "do_shutdown" and node is not None:
            subject = self.document.attribute(node, "shutdown") or node.name
            text = f"{node.name} was asked to shut down"
            return (Reason(kind=Kind.ATTRIBUTE, subject=subject, text=text),)
        if action.task == "stonith" and node is not None:
            return self._of_fencing(action, node)
        if action.key.startswith("load_stopped"):
            subject = self.document.option("placement-strategy")
            text = "what leaves a node must be gone before what comes (placement-strategy)"
            return (Reason(kind=Kind.OPTION, subject=subject, text=text),)
        if action.task == "maintenance_nodes":
            names = [n.name for n in self.plan.nodes if n.maintenance != n.remote_maintenance]
            text = f"{' '.join(names)} must be told of the change of maintenance"
            return (Reason(kind=Kind.NODE, subject=" ".join(names), text=text),)
        constraint = action.key.partition(":")[2]
        text = f"the point at which enough of {constraint} has been done"
        return (Reason(kind=Kind.ORDER, subject=constraint or action.key, text=text),)

    def _of_fencing(self, action: Action, node: Node) -> tuple[Reason, ...]:
        operation = action.meta.get("stonith_action", "")
        reason = action.reason or "node is unclean"
        connection = node.connection
        if operation == "on":
            text = f"{node.name} must be unfenced: {action.reason or 'its device asks for it'}"
            return (Reason(kind=Kind.NODE, subject=node.name, text=text),)
        if connection is not None and connection.launcher is not None:
            text = f"{node.name} lives in {connection.launcher.id}, which is stopped or failed"
            failure = self._failure_or_stop(connection.launcher)
            return (Reason(kind=Kind.NODE, subject=node.name, text=text, because=failure),)
        culprit = self._culprit(reason, node)
        text = f"{node.name} must be fenced: {reason}"
        return (Reason(kind=Kind.NODE, subject=node.name, text=text, because=culprit),)

    def _failure_or_stop(self, launcher: Resource) -> tuple[Reason, ...]:
        stops = [a for a in launcher.actions if a.task == "stop" and a.is_required]
        if stops:
            return (self.behind(stops[0]),)
        return (failure_reason(self.document, launcher, None, f"{launcher.id} failed"),)

    def _culprit(self, reason: str, node: Node) -> tuple[Reason, ...]:
        """Return the failure of the resource that a fencing's reason names."""
        resource = self.plan.resources_by_id.get(reason.partition(" ")[0])
        if resource is None:
            return ()
        return (failure_reason(self.document, resource, node, f"{resource.id} failed"),)

    def _of_notification(self, action: Action, resource: Resource) -> Reason:
        clone = resource.uber_parent()
        task = action.meta.get("notify_operation", "")
        kind = action.meta.get("notify_type", "")
        subject = self.document.meta(resource, "notify") or clone.xml_id
        about = next(
            (
                a
                for part in (clone, *clone.children)
                for a in part.actions
                if a.task == task and a.is_required and a is not action
            ),
            None,
        )
        text = f"{clone.xml_id} wants to be told before and after each change ({kind} {task})"
        behind = () if about is None else (self.behind(about),)
        return Reason(kind=Kind.META, subject=subject, text=text, because=behind)

    def _of_point(self, action: Action, collective: Resource) -> tuple[Reason, ...]:
        """Explain a collective's own point by the first action of a member it stands for."""
        task = base_task(action)
        parts = list(collective.children)
        if collective.variant == BUNDLE:
            parts = [*instances_of(collective), *collective.children]
        for part in parts:
            for own in part.actions:
                if own.task == task and (own.is_required or own.in_graph):
                    return (self.behind(own),)
        for primitive in collective.primitives():
            for own in primitive.actions:
                if own.task == task and own.is_required:
                    return (self.behind(own),)
        return self._of_flags(action, collective)

    # ------------------------------------------------------------ small actions of a resource

    def _of_probe(self, action: Action, resource: Resource) -> Reason:
        where = "" if action.node is None else f" on {action.node.name}"
        text = f"nothing is known of {resource.id}{where}: it has no history there"
        return Reason(kind=Kind.NO_HISTORY, subject=configured(self.document, resource), text=text)

    def _of_recurring(self, action: Action, resource: Resource) -> Reason:
        task, interval = action.task, action.interval_ms
        subject = self.document.operation(resource, task, interval) or configured(
            self.document, resource
        )
        text = f"operation {subject}: {task} every {interval} ms"
        node = action.node
        if node is None:
            return Reason(kind=Kind.OPERATION, subject=subject, text=text)
        starts = [a for a in resource.actions if a.task == "start" and a.node is node]
        start = next((a for a in starts if a.is_required), None)
        behind: tuple[Reason, ...] = ()
        if start is not None:
            behind = (self.behind(start),)
        elif action.reschedule:
            behind = (self._changed(resource, node),)
        elif action.meta.get("op_target_rc") == "7":
            text += f", to see that it stays stopped on {node.name}"
        else:
            text += f"; it does not yet run on {node.name}"
        return Reason(kind=Kind.OPERATION, subject=subject, text=text, because=behind)

    def _of_cancel(self, action: Action, resource: Resource) -> Reason:
        task, interval = action.cancelled_task or action.task, action.interval_ms
        operation = self.document.operation(resource, task, interval)
        if action.reason == REASON_MAINTENANCE:
            behind = unmanaged_reason(self.plan, self.document, resource)
            text = "nothing is monitored in maintenance"
            return Reason(kind=behind.kind, subject=behind.subject, text=text, because=(behind,))
        if operation is None:
            node = action.node
            entry = None
            if node is not None:
                entry = self.document.recurring(resource, node, task, interval)
            subject = configured(self.document, resource) if entry is None else entry.id
            text = f"{task} every {interval} ms runs there and is no longer configured"
            return Reason(kind=Kind.HISTORY, subject=subject, text=text)
        role = ROLE_NAMES[resource.next_role]
        text = f"operation {operation} is not for the role {role} it will have"
        return Reason(kind=Kind.OPERATION, subject=operation, text=text)

    def _of_clearing(self, action: Action, resource: Resource) -> Reason:
        node = action.node
        subject = f"fail-count-{resource.name_in_history()}"
        if node is not None:
            subject = fail_count_attribute(self.document, resource, node)
            failure = self.document.failure(resource, node)
            if failure is not None and not self.document.exists(subject):
                subject = failure.id
        text = f"the failures of {resource.id} no longer count: {action.reason or 'they expired'}"
        return Reason(kind=Kind.FAIL_COUNT, subject=subject, text=text)

    def _of_deletion(self, action: Action, resource: Resource) -> Reason:
        if action.task == "lrm_delete":
            text = f"the shutdown lock of {resource.id}: {action.reason or 'history cleared'}"
            return Reason(kind=Kind.LOCK, subject=configured(self.document, resource), text=text)
        subject = resource.name_in_history()
        if resource.removed:
            text = f"{resource.id} is no longer configured, and history still has it"
        else:
            text = f"{resource.id} has another agent than its history there says"
        return Reason(kind=Kind.HISTORY, subject=subject, text=text)

    def _changed(self, resource: Resource, node: Node | None) -> Reason:
        node = node or current_node(resource)
        tasks = ("start", "promote", "migrate_from", "monitor")
        entry = None if node is None else self.document.entry(resource, node, *tasks)
        subject = configured(self.document, resource) if entry is None else entry.id
        text = f"{resource.id} is configured otherwise than it was started"
        return Reason(kind=Kind.HISTORY, subject=subject, text=text)

    # ------------------------------------------------------------------ start, stop, move, roles

    def _of_start(self, action: Action, resource: Resource) -> tuple[Reason, ...]:
        node = action.node
        stops = [a for a in resource.actions if a.task == "stop" and a.is_required]
        if action.is_optional:
            if resource.start_pending:
                return (self._pending(resource, node),)
            return self._of_flags(action, resource)
        if node is not None and node in resource.active_on:
            own = [a for a in stops if a.node is node]
            if action.reason == REASON_CHANGED:
                return (self._changed(resource, node),)
            if own and own[0].id not in self._open:
                return self._of_stop(own[0], resource)
            if resource.start_pending:
                return (self._pending(resource, node),)
            return self._of_flags(action, resource)
        placed = placed_reason(self.plan, self.document, resource)
        if stops and stops[0].id not in self._open and resource.active_on:
            return (placed, self.behind(stops[0]))
        return (placed,)

    def _pending(self, resource: Resource, node: Node | None) -> Reason:
        entry = None if node is None else self.document.entry(resource, node, "start")
        subject = configured(self.document, resource) if entry is None else entry.id
        text = f"a start of {resource.id} was under way, and its end is not known"
        return Reason(kind=Kind.HISTORY, subject=subject, text=text)

    def _of_stop(self, action: Action, resource: Resource) -> tuple[Reason, ...]:
        node = action.node
        plan, document = self.plan, self.document
        if resource.removed:
            text = f"{resource.id} is no longer configured, and it runs"
            return (Reason(kind=Kind.HISTORY, subject=resource.name_in_history(), text=text),)
        if action.migration_abort:
            text = f"a migration of {resource.id} did not end; what is left there is stopped"
            return (
                Reason(kind=Kind.HISTORY, subject=configured(self.document, resource), text=text),
            )
        if resource.assigned is None or resource.next_role == STOPPED:
            return self._why_stopped(resource, node)
        if resource.failed and resource.stop_if_failed:
            found = failure_reason(document, resource, node, f"{resource.id} failed")
            return (found,)
        if resource.partial_target is not None or resource.partial_source is not None:
            text = f"a migration of {resource.id} was under way"
            return (
                Reason(kind=Kind.HISTORY, subject=configured(self.document, resource), text=text),
            )
        if len(resource.active_on) > 1:
            names = " ".join(n.name for n in resource.active_on)
            text = f"{resource.id} runs on several nodes: {names}"
            return (
                Reason(kind=Kind.HISTORY, subject=configured(self.document, resource), text=text),
            )
        if node is not None and resource.assigned is not node:
            placed = placed_reason(plan, document, resource)
            state = node_reason(plan, document, node)
            return (placed,) if state is None else (state, placed)
        return self._of_restart(action, resource)

    def _why_stopped(self, resource: Resource, node: Node | None) -> tuple[Reason, ...]:
        state = None if node is None else node_reason(self.plan, self.document, node)
        nowhere = nowhere_reason(self.plan, self.document, resource)
        if resource.assigned is not None:
            nowhere = stopped_reason(self.plan, self.document, resource)
        return (nowhere,) if state is None else (state, nowhere)

    def _of_restart(self, action: Action, resource: Resource) -> tuple[Reason, ...]:
        """Explain a stop on the node on which the resource goes on running."""
        starts = [a for a in resource.actions if a.task == "start" and a.node is action.node]
        for own in (action, *starts):
            if own.reason == REASON_CHANGED:
                return (self._changed(resource, action.node),)
        if resource.start_pending:
            return (self._pending(resource, action.node),)
        found = self._from_because(action, resource)
        for start in starts:
            found = found or self._from_because(start, resource)
        for start in starts:
            if not found and not start.is_runnable:
                found = (self._blocked(start, resource),)
        if found:
            return found
        node = action.node
        if node is not None and node.shutdown:
            subject = self.document.attribute(node, "shutdown") or node.name
            text = f"{node.name} was asked to shut down"
            return (Reason(kind=Kind.ATTRIBUTE, subject=subject, text=text),)
        if resource.failed:
            return (failure_reason(self.document, resource, node, f"{resource.id} failed"),)
        return self._of_flags(action, resource)

    def _of_promotion(self, action: Action, resource: Resource) -> tuple[Reason, ...]:
        node = action.node or resource.assigned
        reason = self._role_reason(resource, node)
        demotes = [a for a in resource.actions if a.task == "demote" and a.is_required]
        if resource.role == PROMOTED and demotes and demotes[0].id not in self._open:
            return (*self._of_demotion(demotes[0], resource), reason)
        return (reason,)

    def _role_reason(self, resource: Resource, node: Node | None) -> Reason:
        if node is None:
            return Reason(
                kind=Kind.RESOURCE,
                subject=configured(self.document, resource),
                text="it is to be promoted",
            )
        behind = promotion_reasons(self.document, resource, node)
        clone = resource.uber_parent()
        text = (
            f"{node.name} is where {clone.xml_id} is promoted "
            f"(promotion score {render_score(resource_instance(resource).promotion_priority)})"
        )
        return Reason(kind=Kind.PLACEMENT, subject=node.name, text=text, because=behind)

    def _of_demotion(self, action: Action, resource: Resource) -> tuple[Reason, ...]:
        if resource.next_role < UNPROMOTED or resource.assigned is not action.node:
            stops = [a for a in resource.actions if a.task == "stop" and a.node is action.node]
            if stops and stops[0].id not in self._open:
                return self._of_stop(stops[0], resource)
        if resource.failed:
            return (failure_reason(self.document, resource, action.node, f"{resource.id} failed"),)
        if resource.next_role == PROMOTED:
            stops = [a for a in resource.actions if a.task == "stop" and a.is_required]
            if stops and stops[0].id not in self._open:
                return (self.behind(stops[0]),)
            return self._of_flags(action, resource)
        return (self.why_unpromoted(resource, action.node),)

    def why_unpromoted(self, resource: Resource, node: Node | None) -> Reason:
        """Say why a resource is not to be promoted on a node."""
        clone = resource.uber_parent()
        wanted = resource.meta.get("target-role", "").lower()
        if wanted in ("unpromoted", "slave"):
            subject = self.document.meta(resource, "target-role") or configured(
                self.document, resource
            )
            text = f"{clone.xml_id} is not to be promoted (target-role)"
            return Reason(kind=Kind.META, subject=subject, text=text)
        for use in clone.tickets:
            if use.role == PROMOTED and not use.ticket.granted:
                return ticket_reason(self.plan, self.document, resource, use.ticket.id)
        if not self.plan.have_quorum:
            subject = self.document.option("no-quorum-policy")
            return Reason(kind=Kind.QUORUM, subject=subject, text="the cluster has no quorum")
        others = [
            part
            for part in clone.primitives()
            if part.next_role == PROMOTED and part.xml_id == resource.xml_id
        ]
        names = " ".join(p.assigned.name for p in others if p.assigned is not None)
        behind = [
            reason
            for other in others
            if other.assigned is not None
            for reason in promotion_reasons(self.document, other, other.assigned)
        ]
        if node is not None:
            behind += promotion_reasons(self.document, resource, node)
        text = f"{clone.xml_id} is promoted on {names or 'no node'} instead"
        return Reason(
            kind=Kind.PLACEMENT, subject=names or "nowhere", text=text, because=tuple(behind)
        )

    def _of_migration(self, resource: Resource) -> tuple[Reason, ...]:
        placed = placed_reason(self.plan, self.document, resource)
        subject = self.document.meta(resource, "allow-migrate") or configured(
            self.document, resource
        )
        text = f"{resource.id} may be moved while it runs (allow-migrate)"
        return (placed, Reason(kind=Kind.META, subject=subject, text=text))

    def why_not_live(self, resource: Resource, node: Node) -> Reason:
        """Say why a resource that may be moved while it runs has to stop first."""
        if resource.failed:
            text = f"{resource.id} failed: it is not moved as it is"
            return failure_reason(self.document, resource, node, text)
        if resource.start_pending:
            return self._pending(resource, node)
        state = node_reason(self.plan, self.document, node) if node.unclean else None
        if state is not None:
            return state
        for action in resource.actions:
            for because in action.because:
                if because.change is Change.UNMIGRATABLE and because.action_id > 0:
                    cause = self.plan.actions[because.action_id - 1]
                    if cause.resource is not resource:
                        return self._link(because, resource, cause)
        placed = placed_reason(self.plan, self.document, resource)
        if len(resource.active_on) > 1:
            names = " ".join(n.name for n in resource.active_on)
            text = f"{resource.id} runs on several nodes: {names}"
            return Reason(kind=Kind.HISTORY, subject=configured(self.document, resource), text=text)
        return placed

    # --------------------------------------------------------- what others made of an action

    def _of_flags(self, action: Action, resource: Resource) -> tuple[Reason, ...]:
        """Explain by what changed the action's flags, else by its resource's placement."""
        found = self._from_because(action, resource)
        if found:
            return found
        if resource.variant == PRIMITIVE:
            return (placed_reason(self.plan, self.document, resource),)
        for primitive in resource.primitives():
            for own in primitive.actions:
                if own.is_required and own.task != "monitor":
                    return (self.behind(own),)
        kind = Kind.GROUP if resource.is_group() else Kind.CLONE
        text = f"{action.task} of {resource.xml_id} as a whole"
        return (Reason(kind=kind, subject=configured(self.document, resource), text=text),)

    def _from_because(self, action: Action, resource: Resource) -> tuple[Reason, ...]:
        for because in action.because:
            if because.action_id == 0 or because.change not in _WANTED:
                continue
            cause = self.plan.actions[because.action_id - 1]
            if cause.id in self._open:
                continue
            return (self._link(because, resource, cause),)
        return ()

    def _link(self, because: Because, resource: Resource, cause: Action) -> Reason:
        """Return the rule that ties an action to its cause, with the cause behind it."""
        other = cause.resource
        behind = (self.behind(cause),)
        if other is None or other is resource:
            return behind[0]
        if because.change is Change.UNRUNNABLE_BY_COLOCATION:
            element = self.document.colocation(resource, other)
            subject = "#group-members" if element is None else element.id
            rule = colocation_reason(self.document, resource, subject)
            return Reason(kind=rule.kind, subject=rule.subject, text=rule.text, because=behind)
        element = self.document.order(other, resource) or self.document.colocation(resource, other)
        if element is not None:
            kind = Kind.ORDER if element.tag == "rsc_order" else Kind.COLOCATION
            text = f"{'order' if kind is Kind.ORDER else 'colocation'} {element.id}"
            return Reason(kind=kind, subject=element.id, text=text, because=behind)
        top = resource.top()
        if other.top() is top and top is not resource:
            kind = Kind.GROUP if top.is_group() else Kind.CLONE
            if top.variant == BUNDLE:
                kind = Kind.BUNDLE
            text = f"both belong to {top.xml_id}"
            return Reason(kind=kind, subject=top.xml_id, text=text, because=behind)
        return behind[0]

    def _blocked(self, action: Action, resource: Resource) -> Reason:
        return self.blocked(action) or placed_reason(self.plan, self.document, resource)

    def blocked(self, action: Action) -> Reason | None:
        """Say why an action cannot be run, or None if it can."""
        resource, node = action.resource, action.node
        if action.is_runnable or resource is None:
            return None
        if action.reason in (REASON_NO_QUORUM, REASON_FROZEN):
            policy = self.plan.options.quorum_policy
            text = f"the cluster has no quorum (no-quorum-policy {policy})"
            subject = self.document.option("no-quorum-policy")
            return Reason(kind=Kind.QUORUM, subject=subject, text=text)
        for because in action.because:
            if because.action_id == 0 or because.change not in _FORBIDDEN:
                continue
            cause = self.plan.actions[because.action_id - 1]
            if cause.id in self._open:
                continue
            self._open.append(action.id)
            deeper = self.blocked(cause)
            self._open.pop()
            text = f"{action_title(cause)} cannot be done"
            behind = (deeper,) if deeper is not None else self.reasons(cause)
            link = Reason(kind=Kind.ACTION, subject=action_title(cause), text=text, because=behind)
            rule = self._link(because, resource, cause)
            if rule.kind is Kind.ACTION:
                return link
            return Reason(kind=rule.kind, subject=rule.subject, text=rule.text, because=(link,))
        if node is None:
            return nowhere_reason(self.plan, self.document, resource)
        if not resource.managed:
            return unmanaged_reason(self.plan, self.document, resource)
        state = node_reason(self.plan, self.document, node)
        if state is not None:
            return state
        if node.is_guest() and not can_fence(self.plan, node):
            text = f"the host of {node.name} is lost and cannot be fenced"
            return Reason(kind=Kind.NODE, subject=node.name, text=text)
        return placed_reason(self.plan, self.document, resource)


def resource_instance(resource: Resource) -> Resource:
    """Return the instance of a clone a resource is or lies in; itself outside of clones."""
    part = resource
    while part.parent is not None and part.parent.variant != BUNDLE:
        if part.parent is part.uber_parent():
            return part
        part = part.parent
    return part


def action_title(action: Action) -> str:
    """Return an action's name for people: `stop web on node1`."""
    if action.task == "stonith" and action.node is not None:
        return f"fence {action.node.name} ({action.meta.get('stonith_action', '')})"
    task = action.cancelled_task or action.task
    if action.interval_ms > 0:
        task = f"{task} every {action.interval_ms} ms of"
    if action.task == "cancel":
        task = f"cancel {task}"
    where = "" if action.node is None else f" on {action.node.name}"
    if action.resource is None:
        return f"{task}{where}"
    return f"{task} {action.resource.id}{where}"
