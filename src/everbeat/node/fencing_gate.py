"""The gate between membership and the resource manager: a death passes when it is safe to take.

    link: node is dead ──► withheld ──► fencer asks devices ──► confirmed ──► manager: it is dead
                             │ it left in order, no device is for it, confirmed before: at once
                             '── it is heard again ──► dropped: the manager never hears of it

While a node is withheld the manager believes that it lives and holds what it last said; a node
that starts does not join before every silent node is confirmed, for it cannot know what they hold.

Who asks: in a pair without votes both may be alive and ask at the same time, so the one that holds
nothing, and the later one in ha.cf, wait a little; a little longer just after their start, when
they announce a longer deadtime and the other node declares them dead later. With votes the silent
side has lost its right before: nodes ask in the order of ha.cf, the next one when the former does
not manage.

In:  facts of link, answers of devices, requests of people, time.
Out: GateEffect; Released facts go to the manager. Invariant: of a node for which a device or a
person is configured, no death is released without confirmation, order or return.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.fencing.facts import FencingHeldUp, NodeFenced
from everbeat.fencing.fencer import Fencer
from everbeat.haresources.order import STATES, SpokenOrder
from everbeat.membership.heartbeat import STARTUP_EXTRA_MS, STARTUP_MS
from everbeat.model.cluster import Quorum
from everbeat.model.fencing import FenceAction, RunFencing, SafeNode
from everbeat.model.members import MembershipView, NodeKind, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    CommunicationUp,
    MessageReceived,
    NodeRestarted,
    NodeReturned,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName, node_name_from_text, word_from_wire
from everbeat.model.quorum import ConfirmOff
from everbeat.model.verdict import Verdict
from everbeat.node.fencing_events import FencingEvents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.fencing.facts import FencingEffect
    from everbeat.journal.timeline import EventRecorded, Timeline
    from everbeat.model.cluster import HaConfig
    from everbeat.model.fencing import FencingDone, FencingView
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message

HOLDER_FIRST_MS: Final = 4_000
"""In a pair without votes: the head start of the node that holds groups."""

EARLIER_FIRST_MS: Final = 2_000
"""The same, of the node that is named earlier in ha.cf."""

FENCE_ME: Final = "fence_me"
"""Message of a node that cannot stop a resource: fence me. Heartbeat passes it over."""

NO_DEVICE: Final = "n_stnth"
"""Heartbeat's word for a death that no device is for."""

LEAVING_MS: Final = 30_000
"""How long after its `shutdone` a node may still be heard."""

A_PERSON: Final = "a person"

_SPOKEN_TYPES: Final = STATES | {"stonith", FENCE_ME}

_LIVE: Final = frozenset({NodeStatus.UP, NodeStatus.ACTIVE})


@dataclass(frozen=True, slots=True)
class Released:
    """A fact that the resource manager may have now."""

    fact: MembershipFact


GateEffect: TypeAlias = "Released | RunFencing | Broadcast | ConfirmOff | EventRecorded"


@dataclass(slots=True)
class _Withheld:
    """A death that the manager does not know of yet."""

    fact: NodeStatusChanged
    heard_before: dict[NodeName, tuple[int, int]]  # what each node had said when it was declared


class FencingGate:
    """Owned by the core node. `timeline` is the manager's, so that all events have one order."""

    def __init__(
        self,
        config: HaConfig,
        timeline: Timeline,
        first_operation_id: int,
        safe: Iterable[SafeNode] = (),
    ) -> None:
        self._config = config
        self._fencer = Fencer(
            config.fence_devices,
            timeout_ms=config.stonith_timeout_ms,
            first_operation_id=first_operation_id,
        )
        self._events = FencingEvents(timeline)
        self._withheld: dict[NodeName, _Withheld] = {}
        # Said shutdone: they hold nothing. Fenced, and not heard since.
        self._left_ms = {entry.node: entry.since_ms for entry in safe if entry.has_left}
        self._confirmed_ms = {entry.node: entry.since_ms for entry in safe if not entry.has_left}
        self._heard: dict[NodeName, tuple[int, int]] = {}  # newest message of each node
        self._spoken = SpokenOrder()
        self._unable: set[NodeName] = set()  # said that they could not fence
        self._communication_up: CommunicationUp | None = None  # withheld as well
        self._is_let_in = False
        self._view = MembershipView(config.node)  # as last seen
        self._started_ms: int | None = None

    # --- inputs ------------------------------------------------------------------------------

    def on_configuration(self, config: HaConfig) -> None:
        """Use another list of nodes; devices stay as they were at the start."""
        self._config = config

    def on_view(
        self, view: MembershipView, now_ms: int, *, is_holding: bool
    ) -> tuple[MembershipView, list[GateEffect]]:
        """Take the whole membership; return it as the manager may see it."""
        self._view = view
        effects = self._start(now_ms)
        for node in view.peers():
            if node.status is NodeStatus.DEAD and not self._is_safe(node.node, node.last_heard_ms):
                fact = NodeStatusChanged(
                    node=node.node,
                    old=NodeStatus.INIT,
                    new=NodeStatus.DEAD,
                    reason=StatusReason.DEADTIME,
                    last_heard_ms=node.last_heard_ms,
                    at_ms=node.status_since_ms or now_ms,
                )
                effects += self._withhold(fact, now_ms, is_holding=is_holding)
            elif node.status in _LIVE and node.node in self._withheld:
                effects += self._heard_again(node.node, "it is heard", now_ms)
        nodes = tuple(
            replace(node, status=NodeStatus.INIT) if node.node in self._withheld else node
            for node in view.nodes
        )
        is_up = view.is_communication_up and (self._is_let_in or self._is_certain())
        if view.is_communication_up and not is_up:
            self._communication_up = CommunicationUp(now_ms)
        self._is_let_in |= is_up
        return replace(view, nodes=nodes, is_communication_up=is_up), effects

    def on_membership(
        self, fact: MembershipFact, view: MembershipView, now_ms: int, *, is_holding: bool
    ) -> list[GateEffect]:
        """Take one fact of link; `view` knows it already."""
        self._view = view
        match fact:
            case NodeStatusChanged() if _is_peer(fact.node, view):
                if fact.new is NodeStatus.DEAD:
                    return self._on_death(fact, now_ms, is_holding=is_holding)
                if fact.old is NodeStatus.DEAD or fact.new is NodeStatus.UP:  # a new life
                    self._forget(fact.node)
                why = f"it is {fact.new.value}"
                return [Released(fact), *self._heard_again(fact.node, why, now_ms)]
            case NodeRestarted(node) | NodeReturned(node):
                if isinstance(fact, NodeRestarted):
                    self._spoken.on_restarted(node, fact.generation)
                self._forget(node)  # its status follows; until then the manager does not see it
                return [Released(fact)]
            case CommunicationUp():
                self._communication_up = fact
                return [*self._start(now_ms), *self._let_in(now_ms)]
            case MessageReceived(message):
                return [Released(fact), *self._on_message(message, now_ms)]
            case _:
                return [Released(fact)]

    def on_done(self, done: FencingDone, now_ms: int) -> list[GateEffect]:
        """Take a device's answer."""
        return self._carried_out(self._fencer.on_done(done, now_ms), now_ms)

    def on_request(self, node: NodeName, action: FenceAction, now_ms: int) -> Verdict[GateEffect]:
        """Take a person's request to fence a node."""
        if node == self._config.node:
            return Verdict(reason=f"{node} does not fence itself: ask on another node")
        if not self._fencer.is_configured_for(node):
            reason = f"no device of this node can fence {node}: see stonith_host in ha.cf"
            return Verdict(reason=reason)
        if self._fencer.is_open(node):
            effects = self._fencer.on_hurry(node, now_ms)
        else:
            effects = self._fencer.on_request(node, action, "a person asked for it", now_ms)
        return Verdict(effects=self._carried_out(effects, now_ms))

    def on_confirm(self, node: NodeName, now_ms: int) -> Verdict[GateEffect]:
        """Take a person's word that a node is off."""
        verdict = self._fencer.on_confirm(node, A_PERSON, now_ms)
        if not verdict.is_accepted and self._is_waited_for(node):
            return self._on_promise_ended(node, now_ms)
        return verdict.with_effects(self._carried_out(verdict.effects, now_ms))

    def _is_waited_for(self, node: NodeName) -> bool:
        """Whether this node left in order and promised to hold nothing before it hears that one."""
        return self._view.quorum is not None and node in self._view.quorum.waits_for

    def _on_promise_ended(self, node: NodeName, now_ms: int) -> Verdict[GateEffect]:
        """Take a person's word for a node that the quorum waits for: it was never declared dead."""
        known = self._view.node(node)
        if known is not None and known.status in _LIVE:
            return Verdict(reason=f"{node} is not off: it is heard")
        fenced = NodeFenced(
            node=node,
            action=FenceAction.OFF,
            by=A_PERSON,
            detail="a person says that it is off",
            at_ms=now_ms,
        )
        opened = self._events.on_waited_for(node, now_ms)
        return Verdict(effects=[*opened, *self._carried_out([fenced], now_ms)])

    def on_test(self, node: NodeName, now_ms: int) -> Verdict[GateEffect]:
        """Have the devices of a node asked without harm."""
        verdict = self._fencer.on_test(node)
        return verdict.with_effects(self._carried_out(verdict.effects, now_ms))

    def on_executor_lost(self, now_ms: int) -> list[GateEffect]:
        """Ask again what was under way."""
        return self._carried_out(self._fencer.on_executor_lost(now_ms), now_ms)

    def on_tick(self, now_ms: int) -> list[GateEffect]:
        """Let time pass."""
        return self._carried_out(self._fencer.on_tick(now_ms), now_ms)

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is due, or None."""
        return self._fencer.next_wakeup_ms()

    def view(self) -> FencingView:
        """Return devices and fencing for people."""
        return self._fencer.view()

    def safe_nodes(self) -> tuple[SafeNode, ...]:
        """Return what the next core process should know: who holds nothing."""
        left = [SafeNode(node, at_ms, has_left=True) for node, at_ms in self._left_ms.items()]
        fenced = self._confirmed_ms.items()
        return (*left, *(SafeNode(node, at_ms, has_left=False) for node, at_ms in fenced))

    # --- deaths ------------------------------------------------------------------------------

    def _on_death(
        self, fact: NodeStatusChanged, now_ms: int, *, is_holding: bool
    ) -> list[GateEffect]:
        if not self._is_safe(fact.node, fact.last_heard_ms):
            return self._withhold(fact, now_ms, is_holding=is_holding)
        if fact.node in self._left_ms:
            return [_word(fact.node, "unneeded"), Released(fact)]
        if fact.node in self._confirmed_ms:
            return [Released(fact)]
        return [_word(fact.node, NO_DEVICE), Released(fact)]

    def _is_safe(self, node: NodeName, last_heard_ms: int) -> bool:
        """Whether what a silent node held may be taken without asking anybody."""
        confirmed_ms = self._confirmed_ms.get(node)
        is_confirmed = confirmed_ms is not None and last_heard_ms <= confirmed_ms
        left_ms = self._left_ms.get(node)
        has_left = left_ms is not None and last_heard_ms <= left_ms + LEAVING_MS
        return has_left or is_confirmed or not self._fencer.is_configured_for(node)

    def _withhold(
        self, fact: NodeStatusChanged, now_ms: int, *, is_holding: bool
    ) -> list[GateEffect]:
        if fact.node in self._withheld:
            return []
        self._forget(fact.node)  # it was heard after that
        self._withheld[fact.node] = _Withheld(fact, dict(self._heard))
        self._unable.clear()
        delay_ms = self._delay_ms(fact.node, fact.last_heard_ms, is_holding=is_holding)
        opened = self._events.on_withheld(fact, delay_ms)
        why = f"silent for {max(fact.at_ms - fact.last_heard_ms, 0)} ms"
        if not fact.last_heard_ms:
            why = "never heard since this node started"
        action = self._config.stonith_action
        asked = self._fencer.on_request(fact.node, action, why, now_ms, delay_ms=delay_ms)
        return [*opened, *self._carried_out(asked, now_ms)]

    def _delay_ms(self, node: NodeName, last_heard_ms: int, *, is_holding: bool) -> int:
        """Return how long others have the right to go first.

        `last_heard_ms`: when the node was heard, and so when it heard us, or 0 if never.
        """
        own, order = self._config.node, self._config.nodes
        if self._config.quorum in {Quorum.VOTES, Quorum.WITNESS, Quorum.PING}:
            return self._rank(node) * self._config.stonith_timeout_ms
        is_later = node in order and own in order and order.index(node) < order.index(own)
        delay_ms = HOLDER_FIRST_MS * (not is_holding) + EARLIER_FIRST_MS * is_later
        has_announced_more = (
            self._started_ms is not None and 0 < last_heard_ms <= self._started_ms + STARTUP_MS
        )
        return delay_ms + STARTUP_EXTRA_MS if delay_ms and has_announced_more else delay_ms

    def _rank(self, node: NodeName) -> int:
        """Return how many living nodes, able as far as known, come before us in ha.cf."""
        live = {n.node for n in self._view.peers() if n.status in _LIVE} - self._unable - {node}
        order = self._config.nodes
        own = order.index(self._config.node) if self._config.node in order else len(order)
        return sum(name in live for name in order[:own])

    def _heard_again(self, node: NodeName, why: str, now_ms: int) -> list[GateEffect]:
        effects: list[GateEffect] = []
        if self._withheld.pop(node, None) is not None:
            effects = self._carried_out(self._fencer.on_cancel(node, why, now_ms), now_ms)
        return [*effects, *self._let_in(now_ms)]

    def _is_certain(self) -> bool:
        """Whether every other node was heard, or is known to hold nothing."""
        silent = (n for n in self._view.peers() if n.status not in _LIVE)
        return not self._withheld and all(self._is_safe(n.node, n.last_heard_ms) for n in silent)

    def _forget(self, node: NodeName) -> None:
        """Begin anew with a node: what was known of its former life says nothing."""
        self._left_ms.pop(node, None)
        self._confirmed_ms.pop(node, None)

    def _start(self, now_ms: int) -> list[GateEffect]:
        if self._started_ms is not None:
            return []
        self._started_ms = now_ms
        return self._carried_out(self._fencer.on_start(now_ms), now_ms)

    # --- messages ----------------------------------------------------------------------------

    def _on_message(self, message: Message, now_ms: int) -> list[GateEffect]:
        source = NodeName(message.text("src") or "")
        if source == self._config.node:
            return []
        if message.type in _SPOKEN_TYPES and not self._spoken.is_news(message):
            return []
        order = message.order
        self._heard[source] = max(order, self._heard.get(source, (0, 0)))
        match message.type:
            case "shutdone":
                self._left_ms[source] = now_ms
            case "starting":
                self._forget(source)
            case "stonith":
                return self._on_word(source, order, message, now_ms)
            case "fence_me" if self._fencer.is_configured_for(source):
                why = word_from_wire(message.text("why") or "") or "it asks for it"
                delay_ms = self._rank(source) * self._config.stonith_timeout_ms
                action = self._config.stonith_action
                asked = self._fencer.on_request(source, action, why, now_ms, delay_ms=delay_ms)
                return self._carried_out(asked, now_ms)
            case _:
                pass
        return []

    def _on_word(
        self,
        source: NodeName,
        order: tuple[int, int],
        message: Message,
        now_ms: int,
    ) -> list[GateEffect]:
        """Take what another node says of its own fencing; words of before the death say nothing."""
        node = node_name_from_text(message.text("node") or "")
        withheld = self._withheld.get(node)
        if withheld is None or order <= withheld.heard_before.get(source, (0, 0)):
            return []
        if message.text("result") == "OK":
            return self._carried_out(self._fencer.on_word(node, source, now_ms), now_ms)
        self._unable.add(source)
        if self._config.quorum is Quorum.FENCING or self._rank(node):
            return []
        return self._carried_out(self._fencer.on_hurry(node, now_ms), now_ms)

    # --- what the fencer says ----------------------------------------------------------------

    def _carried_out(self, effects: Iterable[FencingEffect], now_ms: int) -> list[GateEffect]:
        out: list[GateEffect] = []
        for effect in effects:
            if isinstance(effect, RunFencing):
                out.append(effect)
                continue
            out += self._events.on_fact(effect)
            if isinstance(effect, NodeFenced):
                out += self._on_fenced(effect, now_ms)
            elif isinstance(effect, FencingHeldUp) and effect.rounds <= 1:
                out.append(_word(effect.node, "bad"))
        return out

    def _on_fenced(self, fenced: NodeFenced, now_ms: int) -> list[GateEffect]:
        node = fenced.node
        self._confirmed_ms[node] = fenced.at_ms
        effects: list[GateEffect] = [_word(node, "OK"), ConfirmOff(node)]
        withheld = self._withheld.pop(node, None)
        if withheld is not None:
            phases = (*withheld.fact.phases, *self._events.phases(node))
            effects.append(Released(replace(withheld.fact, phases=phases)))
        return effects + self._let_in(now_ms)

    def _let_in(self, now_ms: int) -> list[GateEffect]:
        """Let this node join if it was kept from it, now that nothing is uncertain any more."""
        if self._communication_up is None or not self._is_certain():
            return []
        self._communication_up = None
        self._is_let_in = True
        return [Released(CommunicationUp(now_ms))]


def _is_peer(node: NodeName, view: MembershipView) -> bool:
    known = view.node(node)
    return node != view.own and known is not None and known.kind is NodeKind.NORMAL


def _word(node: NodeName, result: str) -> Broadcast:
    """Say on the wire what Heartbeat says: OK, bad, n_stnth (no device) or unneeded."""
    return Broadcast(message_of(t="stonith", node=node, result=result))
