"""Ask where the nodes reach an address that was announced here, until all of them say: here.

    announced ─► asked, at CHECK_AT_MS ─► every node reaches it here ─► over
                   ▲        │ a node does not, or another machine answers for it
                   └────────┘ told once, announced again; after the last time: given up, told

    a question of another node ─► ProbeAddresses ─► AddressesProbed ─► the answer to who asked

In:  AddressAnnounced and AddressesProbed of our executor, messages of other nodes, time.
Out: questions to our executor and to the other nodes, RepeatAnnouncement, events.

We ask the network as well: of a pair with one node left nobody else can see that a machine that
hangs still answers. Who never answers (Heartbeat 3.0.6) is no trouble. An address that its group
is giving up, or that is not here any more, is not asked for. Nothing waits for any of this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from everbeat.model.groups import GroupState
from everbeat.model.members import NodeStatus
from everbeat.model.membership import Broadcast
from everbeat.model.names import NodeName
from everbeat.model.neighbours import AddressesProbed, ProbeAddresses, RepeatAnnouncement
from everbeat.model.reports import Severity
from everbeat.model.service_address import (
    ADDRESS_NAMES,
    AddressError,
    address_from_arguments,
)
from everbeat.node.address_messages import (
    ADDRESSES_MAX,
    check_message,
    probe_from_message,
    probed_from_message,
    seen_message,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from everbeat.journal.timeline import EventRecorded, Timeline
    from everbeat.model.groups import ManagerView, ResourceSpec
    from everbeat.model.members import MembershipView
    from everbeat.model.message import Message
    from everbeat.model.neighbours import AddressAnnounced, Finding

CHECK_AT_MS: Final = (200, 1_300, 2_600, 5_200, 10_400)
"""When is asked, from the announcement: after the kernel's locktime of one second once more."""

ANSWER_MS: Final = 2_000
"""So long after the last question a check ends."""

UNANSWERED_MAX: Final = 2
"""A node that left so many questions in a row unanswered is asked no more in this check."""

CHECKS_MAX: Final = 500
"""Addresses checked at a time; one more is not checked."""

ASKED_MAX: Final = 8
"""Questions of others under way in our executor; one more is not answered."""

PROBE_MS_MAX: Final = 5_000
"""A question that the executor has not answered by then is forgotten."""

_TOGETHER_MS: Final = 100  # what is due so soon is asked for now, in the same message

CheckEffect: TypeAlias = "Broadcast | ProbeAddresses | RepeatAnnouncement | EventRecorded"


class ResourceManager(Protocol):
    """What must be known of the resource manager."""

    @property
    def timeline(self) -> Timeline:
        """Where events go."""
        ...

    def view(self) -> ManagerView:
        """Return who holds what."""
        ...


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Something is wrong. Told once of each `subject`."""

    kind: str
    subject: str  # a node, or the MAC of another machine
    text: str
    severity: Severity = Severity.WARNING


@dataclass(slots=True)
class _Check:
    announced: AddressAnnounced
    began_ms: int
    rounds: int = 0  # questions asked
    number: int = 0  # of the newest question
    repeated: int = 0  # number of the question that made us announce again
    settled: set[NodeName] = field(default_factory=set)
    unanswered: dict[NodeName, int] = field(default_factory=dict)  # questions in a row
    troubles: dict[NodeName, _Trouble] = field(default_factory=dict)  # what each found last
    told: set[str] = field(default_factory=set)

    def due_ms(self) -> int:
        is_last = self.rounds == len(CHECK_AT_MS)
        after_ms = CHECK_AT_MS[-1] + ANSWER_MS if is_last else CHECK_AT_MS[self.rounds]
        return self.began_ms + after_ms


class AddressCheck:
    """The checks of what is announced here, and the questions of other nodes."""

    def __init__(self, own: NodeName, manager: ResourceManager, first_number: int = 1) -> None:
        self._own = own
        self._manager = manager
        self._number = first_number
        self._checks: dict[str, _Check] = {}
        self._answering: dict[tuple[NodeName, int], int] = {}  # asker and number, since when

    def on_announced(self, announced: AddressAnnounced, now_ms: int) -> None:
        """Begin to ask for an address; a check of it under way begins again."""
        if announced.address in self._checks or len(self._checks) < CHECKS_MAX:
            self._checks[announced.address] = _Check(announced, now_ms)

    def on_message(self, message: Message, now_ms: int) -> list[CheckEffect]:
        """Take a message of any type: questions and answers of other nodes are for us."""
        node = NodeName(message.text("src") or "")
        if node in {"", self._own}:
            return []
        if (order := probe_from_message(message, self._own)) is not None:
            return [*self._on_question(order, now_ms)]
        if (probed := probed_from_message(message, self._own)) is not None:
            return self._on_found(node, probed, now_ms)
        return []

    def on_probed(self, probed: AddressesProbed, now_ms: int) -> list[CheckEffect]:
        """Take what our executor found, and answer whoever asked."""
        if probed.asker == self._own:
            return self._on_found(self._own, probed, now_ms)
        if self._answering.pop((probed.asker, probed.number), None) is None:
            return []
        return [Broadcast(seen_message(probed))]

    def on_tick(self, view: MembershipView, now_ms: int) -> list[CheckEffect]:
        """Ask for what is due, and end what is over."""
        if (due_ms := self.next_wakeup_ms()) is None or due_ms > now_ms:
            return []
        held = _held_addresses(self._manager.view())
        effects: list[CheckEffect] = []
        asked: list[_Check] = []
        nodes: set[NodeName] = set()
        for check in tuple(self._checks.values()):
            if check.due_ms() > now_ms + _TOGETHER_MS:
                continue
            pending = self._pending(check, view)
            if check.announced.address not in held or not pending:
                del self._checks[check.announced.address]
            elif check.rounds < len(CHECK_AT_MS):
                asked.append(check)
                nodes.update(pending)
            elif check.due_ms() <= now_ms:
                del self._checks[check.announced.address]
                effects += self._give_up(check, pending, now_ms)
        return effects + self._ask(asked, nodes)

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is due, or None."""
        return min((check.due_ms() for check in self._checks.values()), default=None)

    def _on_question(self, order: ProbeAddresses, now_ms: int) -> list[ProbeAddresses]:
        since_ms = now_ms - PROBE_MS_MAX
        self._answering = {key: ms for key, ms in self._answering.items() if ms > since_ms}
        if len(self._answering) >= ASKED_MAX:
            return []
        self._answering[order.asker, order.number] = now_ms
        return [order]

    def _on_found(self, node: NodeName, probed: AddressesProbed, now_ms: int) -> list[CheckEffect]:
        held = _held_addresses(self._manager.view())
        effects: list[CheckEffect] = []
        for finding in probed.findings:
            check = self._checks.get(finding.address)
            if check is None or check.number != probed.number:
                continue  # an answer to an older question
            if finding.address not in held or (node == self._own and not finding.held_at):
                del self._checks[finding.address]
                continue
            effects += self._judge(check, node, finding, now_ms)
        return effects

    def _pending(self, check: _Check, view: MembershipView) -> list[NodeName]:
        live = [n.node for n in view.peers() if n.status in {NodeStatus.UP, NodeStatus.ACTIVE}]
        return [
            node
            for node in (self._own, *live)
            if node not in check.settled and check.unanswered.get(node, 0) < UNANSWERED_MAX
        ]

    def _ask(self, checks: list[_Check], nodes: set[NodeName]) -> list[CheckEffect]:
        effects: list[CheckEffect] = []
        for some in _portions(checks):
            self._number += 1
            addresses = tuple(check.announced.address for check in some)
            for check in some:
                check.rounds += 1
                check.number = self._number
                for node in nodes - check.settled:
                    check.unanswered[node] = check.unanswered.get(node, 0) + 1
            if others := sorted(nodes - {self._own}):
                effects.append(Broadcast(check_message(others, self._number, addresses)))
            if self._own in nodes:
                effects.append(
                    ProbeAddresses(asker=self._own, number=self._number, addresses=addresses)
                )
        return effects

    def _judge(
        self, check: _Check, node: NodeName, finding: Finding, now_ms: int
    ) -> list[CheckEffect]:
        address = check.announced.address
        check.unanswered[node] = 0
        trouble = _trouble_of(check.announced, node, finding, is_own=node == self._own)
        if trouble is None:
            check.settled.add(node)
            earlier = check.troubles.pop(node, None)
            if earlier is None:
                return []
            text = f"{node} reaches {address} here now, at {check.announced.mac}"
            return [*self._manager.timeline.note("address-reached", text, now_ms, node=node)]
        check.settled.discard(node)
        check.troubles[node] = trouble
        effects: list[CheckEffect] = []
        if check.repeated != check.number:
            check.repeated = check.number
            effects.append(RepeatAnnouncement(address))
        if trouble.subject not in check.told:
            check.told.add(trouble.subject)
            effects += self._manager.timeline.note(
                *(trouble.kind, f"{trouble.text}: announced again", now_ms),
                node=node,
                severity=trouble.severity,
            )
        return effects

    def _give_up(
        self, check: _Check, nodes: Sequence[NodeName], now_ms: int
    ) -> list[EventRecorded]:
        """Tell each trouble that is left, once."""
        found = [(node, check.troubles[node]) for node in nodes if node in check.troubles]
        left = {trouble.subject: (node, trouble) for node, trouble in found}
        notes: list[EventRecorded] = []
        for node, trouble in left.values():
            text = (
                f"{trouble.text}: asked {check.rounds} times, given up until it is announced anew"
            )
            notes += self._manager.timeline.note(
                "address-given-up", text, now_ms, node=node, severity=Severity.ERROR
            )
        return notes


def _held_addresses(view: ManagerView) -> frozenset[str]:
    """Return the addresses of groups that run here or start."""
    return frozenset(
        _address_of(resource)
        for group in view.groups
        if group.state in {GroupState.STARTING, GroupState.STARTED}
        for resource in group.group.resources
        if resource.script in ADDRESS_NAMES
    )


def _address_of(resource: ResourceSpec) -> str:
    """Return the address of a resource, or nothing if its argument cannot be used."""
    try:
        return str(address_from_arguments(resource.arguments).address)
    except AddressError:
        return ""


def _trouble_of(
    announced: AddressAnnounced, node: NodeName, finding: Finding, *, is_own: bool
) -> _Trouble | None:
    """Return what is wrong with what a node found, or None."""
    address = announced.address
    if not finding.is_near:
        return None
    strangers = [mac for mac in finding.answers if mac not in announced.own_macs]
    if finding.held_at and not is_own:
        return _Trouble("address-conflict", node, f"{node} has {address} too", Severity.ERROR)
    if strangers:
        text = f"another machine answers for {address} (heard by {node}): {', '.join(strangers)}"
        return _Trouble("address-conflict", strangers[0], text, Severity.ERROR)
    if is_own:
        return None
    if finding.cached and finding.cached not in announced.own_macs:
        text = f"{node} still reaches {address} at {finding.cached}"
        return _Trouble("address-unreached", node, text)
    if not finding.answers:
        return _Trouble("address-unreached", node, f"{node} gets no answer for {address}")
    return None


def _portions(checks: Sequence[_Check]) -> Iterator[Sequence[_Check]]:
    for start in range(0, len(checks), ADDRESSES_MAX):
        yield checks[start : start + ADDRESSES_MAX]
