"""The ledger of a resource on a node: every term of its score, each with its reason.

Enters: a finished plan. Leaves: the terms in the order in which they came; the last one's `after`
is the node's score, and every `after` is the term before it plus `amount`, or `amount` itself where
the score was set anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.plan.table import CauseKind
from everbeat.policy.plan.words import EXIT_TEXTS, PROBE_EXCLUSIVE, PROMOTED
from everbeat.policy.reasons.reason import Kind, Reason
from everbeat.policy.score import ABSENT, INFINITY, render_score
from everbeat.policy.unpack.failcounts import fail_count
from everbeat.policy.values import base_name

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource
    from everbeat.policy.plan.table import Cause
    from everbeat.policy.reasons.document import Document

_HISTORY_TEXTS: Final = {
    CauseKind.PROBE_FAILED: "a probe could not look for it there",
    CauseKind.NOT_INSTALLED: "its agent is not installed there",
    CauseKind.HARD_ERROR: "it failed there with an error no retry on that node would cure",
    CauseKind.FATAL_ERROR: "it failed with an error that no node would cure",
    CauseKind.STOP_FAILED: "it could not be stopped there",
    CauseKind.STAYS_STOPPED: "it failed, and its operation says on-fail=stop",
}
_TIMED_OUT: Final = "2"  # op-status of what took too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One change of a score. `is_new`: the score was set to `amount`, whatever it was before."""

    amount: int
    after: int
    is_new: bool
    reason: Reason


def terms_of(plan: Plan, document: Document, resource: Resource, node: Node) -> tuple[Term, ...]:
    """Return how a score came about; nothing if the node is out of question."""
    terms: list[Term] = []
    for entry in resource.table.ledger:
        if entry.node != node.index:
            continue
        if entry.after == ABSENT:
            terms.clear()
            continue
        if entry.cause.kind is CauseKind.TRIAL_UNDONE and _take_back(terms, entry.after):
            continue
        terms.append(
            Term(
                amount=entry.after if entry.is_replacement else entry.amount,
                after=entry.after,
                is_new=entry.is_replacement,
                reason=reason_of_cause(plan, document, resource, node, entry.cause),
            )
        )
    return tuple(terms) if resource.table.has(node.index) else ()


def _take_back(terms: list[Term], score: int) -> bool:
    """Drop the terms of a trial that was undone: those behind the score it went back to."""
    for index in range(len(terms) - 1, -1, -1):
        if terms[index].after == score:
            del terms[index + 1 :]
            return True
    return False


def decisive(terms: tuple[Term, ...]) -> Term | None:
    """Return the term that says most about a score: a ban, else the largest."""
    return min(
        terms,
        key=lambda term: (term.amount, 0) if term.amount < 0 else (0, -term.amount),
        default=None,
    )


def reason_of_cause(
    plan: Plan, document: Document, resource: Resource, node: Node, cause: Cause
) -> Reason:
    """Return a ledger entry's cause as a reason."""
    kind, subject = cause.kind, cause.subject
    match kind:
        case CauseKind.LOCATION | CauseKind.HEALTH:
            return _location(plan, document, resource, node, kind, subject)
        case CauseKind.COLOCATION | CauseKind.COLOCATION_UNDONE:
            return colocation_reason(document, resource, subject)
        case CauseKind.TICKET:
            return ticket_reason(plan, document, resource, subject)
        case CauseKind.STICKINESS:
            text = f"it prefers to stay where it runs (resource-stickiness {resource.stickiness})"
            return _meta(document, resource, "resource-stickiness", text)
        case CauseKind.MIGRATION_THRESHOLD:
            return _threshold(plan, document, resource, node)
        case CauseKind.EXCLUSIVE_DISCOVERY:
            return _exclusive(resource)
        case CauseKind.SHUTDOWN_LOCK:
            where = "" if resource.lock_node is None else f" to {resource.lock_node.name}"
            text = f"it is locked{where}, which shut down cleanly and is to have it back"
            return Reason(kind=Kind.LOCK, subject=resource.id, text=text)
        case CauseKind.NO_CAPACITY:
            text = f"{node.name} has not the capacity it needs"
            return Reason(kind=Kind.CAPACITY, subject=resource.id, text=text)
        case CauseKind.ENOUGH_INSTANCES | CauseKind.ENOUGH_ON_NODE:
            return _limit(document, resource, kind)
        case CauseKind.PROMOTION_SCORE:
            return promotion_reason(document, resource, node)
        case CauseKind.NOT_MANAGED | CauseKind.WANTED_STOPPED | CauseKind.ACTIVE_ON_SEVERAL:
            return _state(plan, document, resource, kind)
        case CauseKind.SYMMETRIC_CLUSTER:
            text = "every node may run everything (symmetric-cluster)"
            subject = document.option("symmetric-cluster")
            return Reason(kind=Kind.OPTION, subject=subject, text=text)
        case CauseKind.FAILED_THERE:
            return failure_reason(document, resource, node, "it failed there")
        case CauseKind.NOT_CONFIGURED:
            text = "it is no longer configured"
            return Reason(kind=Kind.HISTORY, subject=resource.id, text=text)
        case CauseKind.NO_MATE:
            text = f"no instance of {subject} is there to go with"
            return Reason(kind=Kind.ORDER, subject=subject, text=text)
        case CauseKind.BUNDLE_NODE | CauseKind.NOT_ON_REMOTE:
            text = "a bundle's parts run on the bundle's own nodes, and nothing else does"
            return Reason(kind=Kind.BUNDLE, subject=resource.top().id, text=text)
        case CauseKind.WITH_LAUNCHER | CauseKind.INTO_CONTAINER:
            text = "it runs where the resource that launches it runs"
            return Reason(kind=Kind.RESOURCE, subject=configured(document, resource), text=text)
        case (
            CauseKind.PROBE_FAILED
            | CauseKind.NOT_INSTALLED
            | CauseKind.HARD_ERROR
            | CauseKind.FATAL_ERROR
            | CauseKind.STOP_FAILED
            | CauseKind.STAYS_STOPPED
        ):
            return Reason(kind=Kind.HISTORY, subject=subject, text=_HISTORY_TEXTS[kind])
        case (
            CauseKind.STOP_ALL
            | CauseKind.BEST_SCORE
            | CauseKind.PREFERRED
            | CauseKind.ALREADY_THERE
            | CauseKind.TRIAL_UNDONE
        ):
            return Reason(kind=Kind.SCORE, subject=kind.value, text=kind.value)


def _location(
    plan: Plan, document: Document, resource: Resource, node: Node, kind: CauseKind, subject: str
) -> Reason:
    if kind is CauseKind.HEALTH:
        text = f"the health of {node.name} counts (node-health-strategy {subject})"
        option = document.option("node-health-strategy")
        return Reason(kind=Kind.OPTION, subject=option, text=text)
    found = _constraint_of(document, subject)
    if found is None:
        return Reason(kind=Kind.LOCATION, subject=subject, text=f"location constraint {subject}")
    constraint, rule = found
    text = f"location constraint {constraint.id}"
    if rule is not None:
        text += f", rule {rule.id}: {rule_text(rule)}"
    if plan.resources_by_id.get(constraint.text("rsc")) not in (resource, None):
        text += f" (of {constraint.text('rsc')})"
    return Reason(kind=Kind.LOCATION, subject=subject, text=text)


def _constraint_of(document: Document, subject: str) -> tuple[Element, Element | None] | None:
    """Return a location constraint by its id or by that of one of its rules."""
    for constraint in document.constraints:
        if constraint.id == subject:
            return constraint, None
        for rule in constraint.children:
            if rule.tag == "rule" and subject in (rule.id, rule.get("id-ref")):
                return constraint, rule
    return None


def rule_text(rule: Element) -> str:
    """Write a rule's conditions in one line."""
    parts = []
    for child in rule.children:
        if child.tag == "rule":
            parts.append(f"({rule_text(child)})")
        elif child.tag == "expression":
            words = (child.get("attribute"), child.get("operation"), child.get("value"))
            parts.append(" ".join(word for word in words if word is not None))
        elif child.tag == "date_expression":
            words = (child.get("operation"), child.get("start"), child.get("end"))
            parts.append("date " + " ".join(word for word in words if word is not None))
        else:
            shown = (f"{name}={value}" for name, value in child.attributes.items() if name != "id")
            parts.append(f"{child.tag} {' '.join(shown)}")
    return f" {rule.text('boolean-op', 'and')} ".join(parts)


def colocation_reason(document: Document, resource: Resource, subject: str) -> Reason:
    """Return a colocation record as a reason, also those the engine makes itself."""
    if subject == "#group-members":
        group = next((p for p in _ancestors(resource) if p.is_group()), resource)
        text = f"members of group {group.xml_id} run together"
        if group is resource:
            text = "members of a group run together"
        return Reason(kind=Kind.GROUP, subject=group.xml_id, text=text)
    if subject.startswith("#"):
        text = "parts of a container run together"
        return Reason(kind=Kind.BUNDLE, subject=resource.top().id, text=text)
    element = document.element(subject)
    if element is None:
        return Reason(kind=Kind.COLOCATION, subject=subject, text=f"colocation {subject}")
    text = f"colocation {subject}"
    if element.tag == "rsc_colocation" and element.get("rsc"):
        dependent, primary = element.text("rsc"), element.text("with-rsc")
        score = element.text("score", "0")
        text += f": {dependent} with {primary}, score {score}"
    return Reason(kind=Kind.COLOCATION, subject=subject, text=text)


def ticket_reason(plan: Plan, document: Document, resource: Resource, ticket_id: str) -> Reason:
    """Return a lost ticket as a reason."""
    ticket = plan.tickets.get(ticket_id)
    state = "on standby" if ticket is not None and ticket.granted else "not granted"
    names = {part.xml_id for part in (resource, *_ancestors(resource))}
    uses = [
        use
        for use in document.constraints
        if use.tag == "rsc_ticket" and use.text("ticket") == ticket_id
    ]
    use = next((use for use in uses if use.text("rsc") in names), uses[0] if uses else None)
    subject = ticket_id if use is None else use.id
    return Reason(kind=Kind.TICKET, subject=subject, text=f"ticket {ticket_id} is {state}")


def _meta(document: Document, resource: Resource, name: str, text: str) -> Reason:
    found = document.meta(resource, name)
    if found is None:
        return Reason(kind=Kind.RESOURCE, subject=configured(document, resource), text=text)
    return Reason(kind=Kind.META, subject=found, text=text)


def configured(document: Document, resource: Resource) -> str:
    """Return the id under which the document has a resource: a part of a bundle is the bundle."""
    part: Resource | None = resource
    while part is not None:
        if document.exists(part.xml_id):
            return part.xml_id
        part = part.parent
    return resource.xml_id


def _threshold(plan: Plan, document: Document, resource: Resource, node: Node) -> Reason:
    owner = resource.uber_parent()
    parts = [*resource.primitives(), *resource.launched, *owner.primitives()]
    member = next((p for p in parts if fail_count(plan, p, node, effective=True)[0]), resource)
    count, _ = fail_count(plan, member, node, effective=True)
    subject = fail_count_attribute(document, member, node)
    who = "it" if member is resource else member.xml_id
    text = f"{who} failed {count} times there; migration-threshold is {member.migration_threshold}"
    if count == 0:
        text = f"{who} failed there too often; migration-threshold is {member.migration_threshold}"
    if count >= INFINITY:
        text = f"{who} failed to start or stop there, and must not be tried again"
    failure = document.failure(member, node)
    behind: tuple[Reason, ...] = ()
    if failure is not None:
        behind = (Reason(kind=Kind.HISTORY, subject=failure.id, text=_ended(failure)),)
    return Reason(kind=Kind.FAIL_COUNT, subject=subject, text=text, because=behind)


def fail_count_attribute(document: Document, resource: Resource, node: Node) -> str:
    """Return the id of the nvpair of a resource's fail count on a node, else the count's name."""
    stem = f"fail-count-{base_name(resource.name_in_history())}"
    names = [name for name in node.attributes if name.startswith((f"{stem}#", f"{stem}:"))]
    found = document.attribute(node, *names) if names else None
    return found or stem


def _exclusive(resource: Resource) -> Reason:
    top = resource.uber_parent()
    owners = (resource, *_ancestors(resource))
    record = next((r for part in owners for r in part.locations if r.mode == PROBE_EXCLUSIVE), None)
    subject = top.xml_id if record is None else record.id
    text = "only nodes named by constraints with resource-discovery=exclusive may run it"
    return Reason(kind=Kind.LOCATION, subject=subject, text=text)


def _limit(document: Document, resource: Resource, kind: CauseKind) -> Reason:
    top = resource.uber_parent()
    if resource.top().bundle is not None:
        text = "the bundle has a container there already, or all it may have"
        return Reason(kind=Kind.BUNDLE, subject=resource.top().id, text=text)
    if kind is CauseKind.ENOUGH_INSTANCES:
        text = f"all {top.clone_max} instances of {top.xml_id} have a place (clone-max)"
        name = "clone-max"
    else:
        text = f"there is an instance of {top.xml_id} already (clone-node-max {top.clone_node_max})"
        name = "clone-node-max"
    found = document.meta(resource, name)
    if found is None:
        return Reason(kind=Kind.CLONE, subject=top.xml_id, text=text)
    return Reason(kind=Kind.META, subject=found, text=text)


def promotion_reasons(document: Document, resource: Resource, node: Node) -> tuple[Reason, ...]:
    """Return what speaks for and against promoting a resource on a node, at least one reason."""
    found: list[Reason] = []
    for part in (resource, *_ancestors(resource)):
        for record in part.locations:
            if record.role == PROMOTED and any(other is node for other, _ in record.nodes):
                score = next(score for other, score in record.nodes if other is node)
                text = f"location constraint {record.id}: promoted on {node.name}, score "
                text += render_score(score)
                found.append(Reason(kind=Kind.LOCATION, subject=record.id, text=text))
        wishes = [w for w in part.this_with if PROMOTED in (w.dependent_role, w.primary_role)]
        wishes += [w for w in part.with_this if w.primary_role == PROMOTED]
        found.extend(colocation_reason(document, resource, wish.id) for wish in wishes)
    score_reason = promotion_reason(document, resource, node)
    if not found or document.exists(score_reason.subject):
        found.insert(0, score_reason)
    return tuple(dict.fromkeys(found))


def promotion_reason(document: Document, resource: Resource, node: Node) -> Reason:
    """Return the promotion score an agent has set on a node, or that there is none."""
    names = [
        f"master-{name}"
        for part in (resource, *resource.primitives())
        for name in (part.name_in_history(), part.id, part.xml_id)
    ]
    found = document.attribute(node, *names)
    value = next((node.attributes[name] for name in names if name in node.attributes), None)
    if value is None:
        text = f"its agent has set no promotion score on {node.name}"
        return Reason(kind=Kind.ATTRIBUTE, subject=found or names[0], text=text)
    text = f"its agent has set the promotion score {value} on {node.name}"
    return Reason(kind=Kind.ATTRIBUTE, subject=found or names[0], text=text)


def failure_reason(document: Document, resource: Resource, node: Node | None, text: str) -> Reason:
    """Return a resource's newest failure on a node as a reason."""
    failure = None
    for part in (resource, *resource.primitives()):
        failure = failure or document.failure(part, node)
    if failure is None and node is not None and (node.is_remote or not node.online or node.unclean):
        lost = f"{node.name}, where it ran, is lost"
        return Reason(kind=Kind.NODE, subject=node.name, text=lost)
    if failure is None and node is not None:
        failure = document.entry(resource, node)
    if failure is None:
        return Reason(kind=Kind.HISTORY, subject=resource.xml_id, text=text)
    return Reason(kind=Kind.HISTORY, subject=failure.id, text=f"{text}: {_ended(failure)}")


def _ended(entry: Element) -> str:
    """Say how an operation of the history ended: its code, what that means, what else was noted."""
    operation, noted = entry.text("operation"), entry.text("exit-reason")
    why = f"; reason given: {noted}" if noted else ""
    if entry.text("op-status") == _TIMED_OUT:  # whatever code stands beside it
        return f"{operation} timed out{why}"
    code = entry.text("rc-code", "no code")
    meaning = EXIT_TEXTS.get(integer_prefix(code) or 0) if code.isdecimal() else None
    meant = f" ({meaning.lower()})" if meaning is not None else ""
    return f"{operation} ended with {code}{meant}{why}"


def _state(plan: Plan, document: Document, resource: Resource, kind: CauseKind) -> Reason:
    if kind is CauseKind.WANTED_STOPPED:
        return stopped_reason(plan, document, resource)
    if kind is CauseKind.ACTIVE_ON_SEVERAL:
        text = f"it runs on several nodes at once (multiple-active {resource.multiple_active})"
        return _meta(document, resource, "multiple-active", text)
    return unmanaged_reason(plan, document, resource)


def unmanaged_reason(plan: Plan, document: Document, resource: Resource) -> Reason:
    """Say why the cluster leaves a resource alone."""
    if resource.blocked:
        node = resource.active_on[0] if resource.active_on else None
        text = "it is blocked after a failure"
        if resource.tickets and any(not use.ticket.granted for use in resource.tickets):
            return ticket_reason(plan, document, resource, resource.tickets[0].ticket.id)
        return failure_reason(document, resource, node, text)
    if plan.options.maintenance_mode:
        text = "the whole cluster is in maintenance (maintenance-mode)"
        subject = document.option("maintenance-mode")
        return Reason(kind=Kind.OPTION, subject=subject, text=text)
    for node in resource.active_on:
        if node.maintenance:
            text = f"{node.name}, where it runs, is in maintenance"
            return Reason(kind=Kind.NODE, subject=node.name, text=text)
    if plan.options.fencing_enabled and not plan.have_fencing:
        text = "fencing is enabled and there is no device: nothing is started or stopped"
        subject = document.option("fencing-enabled", "stonith-enabled")
        return Reason(kind=Kind.OPTION, subject=subject, text=text)
    for name in ("is-managed", "maintenance"):
        found = document.meta(resource, name)
        if found is not None:
            value = resource.meta.get(name, "")
            return Reason(kind=Kind.META, subject=found, text=f"it is not managed ({name}={value})")
    subject = document.option("is-managed-default")
    return Reason(kind=Kind.OPTION, subject=subject, text="resources are not managed")


def stopped_reason(plan: Plan, document: Document, resource: Resource) -> Reason:
    """Say why a resource is to be stopped whatever the scores say."""
    if resource.meta.get("target-role", "").lower() == "stopped":
        found = document.meta(resource, "target-role") or resource.xml_id
        return Reason(kind=Kind.META, subject=found, text="it is to be stopped (target-role)")
    if resource.meta.get("enabled", "").lower() in ("false", "0", "no", "off", "n"):
        return _meta(document, resource, "enabled", "it is not enabled")
    if plan.options.stop_all:
        text = "everything is to be stopped (stop-all-resources)"
        subject = document.option("stop-all-resources")
        return Reason(kind=Kind.OPTION, subject=subject, text=text)
    if resource.removed:
        return Reason(kind=Kind.HISTORY, subject=resource.id, text="it is no longer configured")
    if resource.is_fence_device and plan.options.stop_all:
        return Reason(
            kind=Kind.RESOURCE, subject=configured(document, resource), text="it is a fence device"
        )
    if not plan.have_quorum:
        text = f"the cluster has no quorum (no-quorum-policy {plan.options.quorum_policy})"
        return Reason(kind=Kind.QUORUM, subject=document.option("no-quorum-policy"), text=text)
    if resource.active_on or resource.failed:
        node = resource.active_on[0] if resource.active_on else None
        return failure_reason(document, resource, node, "it failed and stays stopped")
    failure = document.failure(resource, None)
    if failure is not None:
        return failure_reason(document, resource, None, "it failed and stays stopped")
    return Reason(
        kind=Kind.RESOURCE, subject=configured(document, resource), text="it is to stay stopped"
    )


def _ancestors(resource: Resource) -> list[Resource]:
    found = []
    part = resource.parent
    while part is not None:
        found.append(part)
        part = part.parent
    return found
