"""The haresources manager: facts and requests in, orders and facts out. One per node.

    OFFLINE --communication up--> JOINING --others known--> JOINED --stop--> STOPPING --> STOPPED
                                     ^                        |
                                     '------ YIELDING <-------' we were silent for too long, or
                                                                have lost the right to hold (right)

Everything that is due is decided in one place, `_settle`, after every input: level-triggered, so
that a lost or doubled message can delay a decision but not lose it.

In:  MembershipFact, OperationDone, requests of people, time.
Out: ManagerEffect (Broadcast, RunOperation, RaiseGeneration; facts for logs and events).
Invariant: what another node may run is never started here, as far as messages can tell; what
cannot be stopped here stays claimed.
Source: measured on Heartbeat 3.0.6; differences on purpose are in docs/compare.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources import (
    joining,
    legacy,
    pause,
    reconfiguration,
    recovery,
    right,
    standby,
    takeover,
)
from everbeat.haresources.desk import Desk, Stage
from everbeat.haresources.effects import GroupMoved, ResourceActed
from everbeat.haresources.order import STATES, SpokenOrder
from everbeat.haresources.peers import (
    JOINING_FIELD,
    RIGHT_FIELD,
    Holdings,
    with_empty_groups,
)
from everbeat.haresources.reconfiguration import Reconfiguration
from everbeat.haresources.runner import GroupRunner
from everbeat.haresources.view import manager_view, phase_of
from everbeat.journal.timeline import Timeline
from everbeat.model.cluster import Quorum
from everbeat.model.groups import GroupState
from everbeat.model.holdings import Hold, hold_from_word
from everbeat.model.journal import Phase
from everbeat.model.members import LinkStatus, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    CommunicationUp,
    LinkChanged,
    MessageReceived,
    NodeDialectChanged,
    NodeRestarted,
    NodeReturned,
    NodeRightChanged,
    NodeStatusChanged,
    OwnHeartbeatLate,
    RaiseGeneration,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from everbeat.model.quorum import RightExtended, RightGained, RightLost
from everbeat.model.reports import Severity
from everbeat.model.shutdown import StopFinished
from everbeat.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.effects import ManagerEffect
    from everbeat.haresources.peers import Peer
    from everbeat.model.cluster import HaConfig
    from everbeat.model.failures import ResourceFailures
    from everbeat.model.groups import ManagerView, ResourceGroup, ResourceSpec
    from everbeat.model.members import MembershipView
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message
    from everbeat.model.names import GroupKey
    from everbeat.model.operations import MonitorFailed, MonitorUnheard, OperationDone

LINGER_MS: Final = 1_000  # after `shutdone`, so that a lost one can still be asked for again
TICK_MS: Final = 1_000

_SPOKEN_TYPES: Final = STATES | {
    "ask_resources",
    "hb_takeover",
    pause.REFUSED_TYPE,
    "ip-request",
    "ip-request-resp",
}


class HaresourcesManager:
    """Heartbeat V1's resource manager."""

    def __init__(
        self,
        config: HaConfig,
        groups: Iterable[ResourceGroup],
        *,
        is_adopting: bool = False,
        first_event_id: int = 1,
        first_operation_id: int = 1,
    ) -> None:
        self._groups = with_empty_groups(groups, config.nodes)
        self._desk = Desk(
            own=config.node,
            order=config.nodes,
            mode=config.auto_failback,
            deadtime_ms=config.timing.deadtime_ms,
            holdings=Holdings(self._groups),
            runner=GroupRunner(self._groups, config.monitoring, first_operation_id),
            timeline=Timeline(config.node, first_event_id),
            monitoring=config.monitoring,
            is_adopting=is_adopting,
            has_fencing=config.quorum is Quorum.FENCING,
        )
        for node in config.nodes:
            if node != config.node:
                self._desk.peer(node)
        self._spoken = SpokenOrder()
        self._settled_ms = 0
        self._wanted: Reconfiguration | None = None

    @property
    def timeline(self) -> Timeline:
        """Return the remembered events."""
        return self._desk.timeline

    @property
    def is_holding(self) -> bool:
        """Whether anything may run here."""
        return bool(self._desk.runner.touched())

    def on_view(self, view: MembershipView, now_ms: int) -> list[ManagerEffect]:
        """Take the whole membership: at the start, and when the link process is a new one.

        A node that a new link process has not heard yet keeps its last status: its deadtime runs.
        """
        for node in view.peers():
            peer = self._desk.peer(node.node)
            peer.dialect = node.dialect or peer.dialect
            peer.paths = frozenset(link for link, status in node.links if status is LinkStatus.UP)
            if node.status is not NodeStatus.INIT:
                peer.status, peer.has_right, peer.dialect = (
                    node.status,
                    node.has_right,
                    node.dialect,
                )
        effects = right.on_view(self._desk, view.quorum, now_ms)
        self._desk.is_communication_up = view.is_communication_up
        if self._desk.is_adopting:
            effects += joining.adopt(self._desk, now_ms)
        elif self._desk.stage is Stage.OFFLINE:
            effects += joining.begin_join(self._desk, now_ms)
        return effects + self._settle(now_ms)

    def on_membership(self, fact: MembershipFact, now_ms: int) -> list[ManagerEffect]:
        """Take one fact of the membership layer."""
        return self._on_fact(fact, now_ms) + self._settle(now_ms)

    def on_operation(self, done: OperationDone, now_ms: int) -> list[ManagerEffect]:
        """Take the result of an operation."""
        if done.is_held:
            self._desk.heard.add((done.group, done.resource.text))
        return self._noted(self._desk.runner.on_done(done, now_ms), now_ms) + self._settle(now_ms)

    def on_monitor_failed(self, failed: MonitorFailed, now_ms: int) -> list[ManagerEffect]:
        """Take that a resource of a held group was found dead."""
        effects = recovery.on_failed(self._desk, failed, now_ms)
        return self._noted(effects, now_ms) + self._settle(now_ms)

    def on_monitor_heard(self, group: GroupKey, resource: ResourceSpec) -> None:
        """Take that a status can be believed; an executor that is a new one will be told."""
        self._desk.heard.add((group, resource.text))
        self._desk.unheard.pop((group, resource.text), None)

    def on_monitor_unheard(
        self, unheard: MonitorUnheard, why: str, now_ms: int
    ) -> list[ManagerEffect]:
        """Take that the death of a resource would not be seen."""
        key = (unheard.group, unheard.resource.text)
        self._desk.unheard[key] = why
        text = f"{unheard.resource.text} is not watched: {why}"
        severity = Severity.WARNING
        return [*self._desk.timeline.note("monitor-unheard", text, now_ms, severity=severity)]

    def on_failures(
        self, node: NodeName, counts: tuple[ResourceFailures, ...], now_ms: int
    ) -> list[ManagerEffect]:
        """Take all fail counts of a node, ourselves included."""
        if node == self._desk.own:
            effects = recovery.on_own_failures(self._desk, counts, now_ms)
            return self._noted(effects, now_ms) + self._settle(now_ms)
        self._desk.peer(node).barred = frozenset(c.group for c in counts if c.is_barred)
        return self._settle(now_ms)

    @property
    def pauses(self) -> tuple[tuple[GroupKey, int], ...]:
        """Return the paused groups, and until when: for the next process of this node."""
        return tuple(sorted(self._desk.pauses.items()))

    def use_pauses(self, pauses: Iterable[tuple[GroupKey, int]]) -> None:
        """Take what the process that this one replaces had paused, before anything else."""
        self._desk.pauses = dict(pauses)

    def on_pause(self, target: str, for_ms: int, now_ms: int) -> Verdict[ManagerEffect]:
        """Leave what a word names alone."""
        verdict = pause.begin(self._desk, target, for_ms, now_ms)
        return verdict.with_effects([*verdict.effects, *self._settle(now_ms)])

    def on_resume(self, target: str, now_ms: int) -> Verdict[ManagerEffect]:
        """Care for what a word names again."""
        verdict = pause.end(self._desk, target, now_ms)
        return verdict.with_effects([*verdict.effects, *self._settle(now_ms)])

    def on_executor_lost(self, now_ms: int) -> list[ManagerEffect]:
        """Ask again what was under way, and have all watched again: the executor died."""
        self._desk.watched.clear()
        effects: list[ManagerEffect] = [*self._desk.runner.on_executor_lost(now_ms)]
        return effects + self._settle(now_ms)

    def on_standby(
        self, word: str, now_ms: int, cause: str = "standby requested"
    ) -> Verdict[ManagerEffect]:
        """Take a request to hand groups over."""
        hold = hold_from_word(word)
        if not hold:
            return Verdict(reason=f"wrong resources ({word}): write all, local or foreign")
        keys = self._desk.holdings.keys(hold, self._desk.own) & self._desk.claims()
        reason = standby.refusal(self._desk) or pause.refusal(self._desk, keys, now_ms)
        if reason:
            return Verdict(reason=reason)
        effects = standby.give(self._desk, hold, cause, now_ms)
        return Verdict(effects=effects + self._settle(now_ms))

    def on_takeover(self, word: str) -> Verdict[ManagerEffect]:
        """Take a request to get groups from the other node."""
        hold = hold_from_word(word)
        if not hold:
            return Verdict(reason=f"wrong resources ({word}): write all, local or foreign")
        reason = standby.refusal(self._desk)
        if reason:
            return Verdict(reason=reason)
        return Verdict(effects=[Broadcast(message_of(t="hb_takeover", rsc_hold=hold.word))])

    def on_stop(self, now_ms: int) -> list[ManagerEffect]:
        """Give up everything and tell the others; StopFinished follows when it is done."""
        desk = self._desk
        if desk.stage in {Stage.STOPPING, Stage.STOPPED}:
            return []
        is_known = desk.stage is not Stage.OFFLINE
        desk.stage = Stage.STOPPING
        desk.handover = None
        desk.requests.clear()
        desk.grants.clear()
        desk.pauses.clear()
        keys = desk.holdings.all()
        desk.stop_event, events = desk.timeline.begin(
            "stop", f"{desk.own} stops", now_ms, node=desk.own, subjects=keys
        )
        effects: list[ManagerEffect] = [*events]
        if is_known and not desk.is_legacy:
            effects.append(desk.announcement(desk.last_claims(), "shutdown"))
        effects += desk.runner.release(sorted(keys), "this node stops", now_ms)
        return effects + self._settle(now_ms)

    def on_configuration(
        self, config: HaConfig, groups: Iterable[ResourceGroup], now_ms: int
    ) -> Verdict[ManagerEffect]:
        """Take another configuration; it waits while groups are being handed over."""
        reason = reconfiguration.refusal(self._desk)
        if reason:
            return Verdict(reason=reason)
        self._wanted = Reconfiguration(config, tuple(groups))
        return Verdict(effects=self._settle(now_ms))

    def on_tick(self, now_ms: int) -> list[ManagerEffect]:
        """Let time pass."""
        return [*self._desk.runner.on_tick(now_ms), *self._settle(now_ms)]

    def next_wakeup_ms(self) -> int | None:
        """Return when something falls due, or None."""
        desk = self._desk
        due = [
            desk.runner.next_wakeup_ms(),
            desk.join_until_ms if desk.stage is Stage.JOINING else None,
            desk.stop_at_ms,
            right.next_wakeup_ms(desk),
            pause.next_wakeup_ms(desk),
            min(desk.requests.values(), default=None),
        ]
        if desk.stage is Stage.JOINED:
            due += [standby.next_wakeup_ms(desk), takeover.next_wakeup_ms(desk)]
            due.append(recovery.next_wakeup_ms(desk))
        # What was due at the last look and still is waits for an input; look again now and then.
        look_again_ms = self._settled_ms + TICK_MS
        moments = [m if m > self._settled_ms else look_again_ms for m in due if m is not None]
        return min(moments, default=None)

    def view(self) -> ManagerView:
        """Return the state for people and for cl_status rscstatus."""
        return manager_view(self._desk, self._groups)

    # --- facts -------------------------------------------------------------------------------

    def _on_fact(self, fact: MembershipFact, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        match fact:
            case CommunicationUp():
                desk.is_communication_up = True
                return joining.begin_join(desk, now_ms) if desk.stage is Stage.OFFLINE else []
            case RightGained(reason, until_ms):
                return right.on_gained(desk, reason, until_ms, now_ms)
            case RightExtended(until_ms):
                right.on_extended(desk, until_ms)
                return []
            case RightLost(reason):
                return right.on_lost(desk, reason, now_ms)
            case LinkChanged():
                return right.on_path(desk, fact)
            case NodeDialectChanged(node, dialect) if node in desk.peers:
                desk.peers[node].dialect = dialect
                return []
            case NodeRightChanged():
                return right.on_peer(desk, fact, now_ms)
            case MessageReceived(message):
                return self._on_message(message, now_ms)
            case NodeStatusChanged() if fact.node != desk.own:
                return self._on_status(fact, now_ms)
            case NodeRestarted(node, generation):
                self._spoken.on_restarted(node, generation)
                peer = desk.peer(node)
                peer.forget()
                text = f"{node} has restarted"
                return [
                    *desk.timeline.note("node-restarted", text, now_ms, node=node),
                    *standby.on_partner_gone(desk, node, now_ms),
                ]
            case NodeReturned(node):
                return self._on_returned(node, now_ms)
            case OwnHeartbeatLate(silent_ms):
                return self._on_own_silence(silent_ms, now_ms)
            case _:
                return []

    def _on_status(self, fact: NodeStatusChanged, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        if fact.new is NodeStatus.PING or fact.old is NodeStatus.PING:
            return []
        peer = desk.peer(fact.node)
        was_dead = NodeStatus.DEAD in {peer.status, fact.old}
        peer.status = fact.new
        is_new_life = was_dead or fact.new is NodeStatus.UP  # a Heartbeat may not say `starting`
        if is_new_life and peer.has_left and fact.new is not NodeStatus.DEAD:
            peer.forget()  # the one that left had fallen silent
        elif was_dead and fact.new is not NodeStatus.DEAD:
            desk.contested |= desk.claims()  # it may have held them all the time
        if fact.new is not NodeStatus.DEAD:
            text = f"{fact.node} is {fact.new.value}"
            effects: list[ManagerEffect] = [
                *desk.timeline.note("node-status", text, now_ms, node=fact.node)
            ]
            is_back = was_dead and fact.new is NodeStatus.ACTIVE
            if is_back and desk.stage is Stage.JOINED and not desk.is_legacy:
                effects.append(desk.announcement(desk.claims(), "returned"))
            return effects
        phases = [Phase("declared dead", fact.at_ms), *fact.phases]
        if fact.last_heard_ms:
            phases.insert(0, Phase("last heard", fact.last_heard_ms))
        gone = standby.on_partner_gone(desk, fact.node, now_ms)
        return gone + takeover.on_death(desk, peer, phases, now_ms)

    def _on_returned(self, node: NodeName, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        peer = desk.peer(node)
        peer.claims = frozenset()
        peer.has_reported = peer.has_left = False
        text = f"{node} returns after a partition: both sides were alive"
        effects: list[ManagerEffect] = [
            *desk.timeline.note("split-healed", text, now_ms, node=node, severity=Severity.ERROR)
        ]
        if not desk.is_exclusive:  # else it has held nothing, or says so
            desk.overlapped |= desk.claims()
            effects += pause.end_held_twice(desk, desk.claims(), now_ms)
        return effects

    def _on_own_silence(self, silent_ms: int, now_ms: int) -> list[ManagerEffect]:
        """We were silent for longer than the others wait: they have taken over by now."""
        desk = self._desk
        if silent_ms <= desk.deadtime_ms or desk.stage is not Stage.JOINED or desk.is_legacy:
            return []
        if desk.has_quorum:
            return []  # if others have taken over, the right is lost
        if not desk.live_peers():
            return []
        desk.stage = Stage.YIELDING
        desk.handover = None
        for peer in desk.peers.values():
            peer.claims = frozenset()
            peer.has_reported = False
        why = f"this node was silent for {silent_ms} ms; the others have taken over"
        keys = desk.claims()
        _, events = desk.timeline.begin(
            "give-up", why, now_ms, node=desk.own, subjects=keys, severity=Severity.ERROR
        )
        released = desk.runner.release(sorted(keys), why, now_ms, is_hurried=True)
        return [RaiseGeneration(), *events, *released]

    # --- messages ----------------------------------------------------------------------------

    def _on_message(self, message: Message, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        source = NodeName(message.text("src") or "")
        if source not in desk.peers:
            return []  # ourselves as well
        peer = desk.peers[source]
        if message.type not in _SPOKEN_TYPES or not self._spoken.is_news(message):
            return []
        match message.type:
            case "starting":
                peer.last_order = message.order
                return self._on_starting(peer, now_ms)
            case "resource":
                return self._on_resource(peer, message, now_ms)
            case "ask_resources":
                return standby.on_ask(desk, source, message, now_ms)
            case "hb_takeover":
                return self._on_takeover_request(source, message, now_ms)
            case pause.REFUSED_TYPE:
                return pause.on_takeover_refused(desk, source, message, now_ms)
            case "shutdone":
                peer.last_order = message.order
                effects = standby.on_partner_gone(desk, source, now_ms)
                return effects + takeover.on_shutdone(desk, peer, now_ms)
            case "ip-request":
                return legacy.on_request(desk, source, message, now_ms)
            case "ip-request-resp":
                return legacy.on_answer(desk, message, now_ms)
            case _:
                return []

    def _on_starting(self, peer: Peer, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        effects = standby.on_partner_gone(desk, peer.node, now_ms)
        peer.forget()
        peer.has_right = True
        is_silent = desk.stage is Stage.OFFLINE and not desk.is_exclusive
        if desk.is_legacy or is_silent or desk.stage is Stage.STOPPED:
            return effects
        if desk.stage is Stage.STOPPING:
            return [*effects, desk.announcement(desk.last_claims(), "shutdown")]
        return [*effects, desk.announcement(desk.claims())]

    def _on_resource(self, peer: Peer, message: Message, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        claims = desk.holdings.claims_of(message, peer.node)
        order = message.order
        is_question = message.text("info") == "returned"
        is_asking = is_question and desk.stage is Stage.JOINED
        answer = [desk.announcement(desk.claims())] if is_asking and not desk.is_legacy else []
        if claims is None or order < peer.last_order:
            return [*answer]  # overtaken by a newer one, which did not ask
        peer.last_order = order
        if message.text("rtype") == "full":
            peer.claims, peer.said = claims, message
            peer.is_stable = message.text("isstable") == "1"
            # Who joins waits for the answer to `starting`: this was said before that was heard.
            peer.has_reported |= not (is_question and desk.stage is Stage.JOINING)
            peer.has_right = message.text(RIGHT_FIELD) != "0"
            peer.is_joining = message.text(JOINING_FIELD) is not None
        elif claims:
            peer.claims |= claims
        else:
            peer.claims = claims
        info = message.text("info")
        peer.is_leaving = info == "shutdown" or (peer.is_leaving and not peer.is_stable)
        joining.on_report(desk, now_ms)
        return standby.on_peer_report(desk, peer, now_ms) + answer

    def _on_takeover_request(
        self, source: NodeName, message: Message, now_ms: int
    ) -> list[ManagerEffect]:
        desk = self._desk
        hold = hold_from_word(message.text("rsc_hold") or "")
        if not hold or standby.refusal(desk):
            return []
        wanted = desk.holdings.keys(hold, source) & desk.claims()
        if pause.refusal(desk, wanted, now_ms):
            return pause.refuse_takeover(desk, source, wanted, now_ms)
        keys = desk.holdings.keys(hold, source) & desk.claims()
        cause = f"{source} asked for a takeover"
        return standby.give(
            desk,
            hold.mirrored if desk.is_pair else Hold.ALL,
            cause,
            now_ms,
            taker=source,
            keys=keys,
        )

    # --- what is due -------------------------------------------------------------------------

    def _settle(self, now_ms: int) -> list[ManagerEffect]:
        """Do what has become due, in the order in which one thing makes the next one due."""
        desk = self._desk
        self._settled_ms = now_ms
        effects = self._reconfigure(now_ms) + right.settle(desk, now_ms)
        effects += joining.settle(desk, now_ms)
        if desk.stage is Stage.YIELDING and not desk.runner.touched():
            effects += joining.ask_others(desk, now_ms)
        effects += pause.settle(desk, now_ms)
        effects += standby.progress(desk, now_ms)
        if desk.stage is Stage.JOINED:
            effects += legacy.on_tick(desk, now_ms)
        effects += standby.fail_back_due(desk, now_ms)
        effects += recovery.see_to_waiting(desk, now_ms)
        effects += recovery.hand_on(desk, now_ms)
        effects += takeover.repair(desk, now_ms)
        effects += recovery.watch(desk)
        effects += self._finish_events(now_ms)
        effects += self._announce()
        effects += self._finish_stop(now_ms)
        return self._noted(effects, now_ms)

    def _reconfigure(self, now_ms: int) -> list[ManagerEffect]:
        wanted = self._wanted
        if wanted is None or not reconfiguration.is_due(self._desk):
            return []
        self._wanted = None
        self._groups = with_empty_groups(wanted.groups, wanted.config.nodes)
        return reconfiguration.apply(self._desk, wanted, now_ms)

    def _finish_events(self, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        held_by = desk.handover.event_id if desk.handover else None
        effects: list[ManagerEffect] = []
        for event_id, keys in desk.timeline.open_events():
            if event_id in {held_by, desk.stop_event} or keys & desk.runner.moving():
                continue
            failed = keys & frozenset(desk.runner.failed())
            severity = Severity.ERROR if failed else None
            effects += desk.timeline.finish(
                event_id, "failed" if failed else "announced", now_ms, severity
            )
        return effects

    def _announce(self) -> list[ManagerEffect]:
        """Tell the others when claims or stability have changed."""
        desk = self._desk
        if desk.is_legacy or desk.stage not in {Stage.JOINED, Stage.YIELDING}:
            return []
        if desk.announced == (desk.claims(), desk.is_stable_outside):
            return []
        return [desk.announcement(desk.claims())]

    def _finish_stop(self, now_ms: int) -> list[ManagerEffect]:
        desk = self._desk
        if desk.stage is not Stage.STOPPING or desk.runner.touched() or desk.runner.moving():
            return []
        effects: list[ManagerEffect] = []
        if desk.stop_at_ms is None:
            if not desk.has_right:
                effects.append(RaiseGeneration())
            effects += desk.timeline.finish(desk.stop_event, "released", now_ms)
            effects.append(Broadcast(message_of(t="shutdone", st="dead")))
            desk.stop_at_ms = now_ms + (LINGER_MS if desk.live_peers() else 0)
        if now_ms >= desk.stop_at_ms:
            desk.stage, desk.stop_at_ms = Stage.STOPPED, None
            effects.append(StopFinished())
        return effects

    def _noted(self, effects: Iterable[ManagerEffect], now_ms: int) -> list[ManagerEffect]:
        """Let the timeline and the group clock see what passes."""
        out: list[ManagerEffect] = []
        for effect in effects:
            out.append(effect)
            match effect:
                case ResourceActed(done):
                    if (phase := phase_of(done)) is not None:
                        self._desk.timeline.on_progress(done.group, phase)
                case GroupMoved() if effect.new is GroupState.STUCK:
                    text = f"{effect.key}: {effect.why}; nobody else may take it"
                    out += self._desk.timeline.note(
                        "stop-stuck", text, now_ms, severity=Severity.ERROR
                    )
                case _:
                    pass
        return out
