"""The core process without its sockets: resource manager, client API, hooks and requests.

    link facts ──► membership view ──► haresources manager ──► operations to the executor
                        │                     └──► messages to the cluster, events
                        ├──► client API (RUN/register)
                        └──► hooks (rc.d), as harc runs them

In:  facts of link and executor, requests of people, messages from the FIFO and API clients, time.
Out: CoreEffect, to be carried out in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.clients.api import ClientApi
from everbeat.clients.ipfail import GiveUp, Ipfail
from everbeat.clients.orders import AskStandby, Disconnect, Reply
from everbeat.config.secrets import masked
from everbeat.distribution import distributor
from everbeat.distribution.distributor import Distributor, Member
from everbeat.haresources.effects import GroupMoved, ResourceActed
from everbeat.haresources.manager import HaresourcesManager
from everbeat.haresources.order import SpokenOrder
from everbeat.journal.timeline import EventRecorded
from everbeat.model.distribution import CheckFiles, Distributed, InstallFiles
from everbeat.model.failures import Failures
from everbeat.model.fencing import FencingDone, RunFencing, StopFailure
from everbeat.model.groups import GroupState
from everbeat.model.members import MembershipView, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    CommunicationUp,
    LinkChanged,
    MessageReceived,
    NodeRestarted,
    NodeStatusChanged,
    RaiseGeneration,
    fold,
)
from everbeat.model.message import message_of
from everbeat.model.names import wire_text_of
from everbeat.model.neighbours import (
    AddressAnnounced,
    AddressesProbed,
    ProbeAddresses,
    RepeatAnnouncement,
)
from everbeat.model.operations import (
    AnnounceAddresses,
    ClientEnded,
    ClientsStopped,
    ForgetFailures,
    InterfaceChanged,
    MonitorFailed,
    MonitorHeard,
    MonitorUnheard,
    OperationDone,
    OperationHung,
    RunHook,
    RunOperation,
    StartAgain,
    StartClients,
    WatchResources,
)
from everbeat.model.quorum import ConfirmOff
from everbeat.model.reload import UseConfiguration
from everbeat.model.reports import Severity
from everbeat.model.shutdown import StopFinished
from everbeat.model.verdict import Verdict
from everbeat.node.address_check import AddressCheck
from everbeat.node.address_messages import CHECK_TYPE, SEEN_TYPE
from everbeat.node.failure_board import (
    CLEANUP_TYPE,
    FAILURES_TYPE,
    FailureBoard,
    cleanup_from_message,
    cleanup_message,
)
from everbeat.node.fencing_gate import FENCE_ME, FencingGate, Released

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.clients.authorization import Accounts, Credentials
    from everbeat.clients.ipfail import IpfailOrder
    from everbeat.clients.orders import ApiOrder
    from everbeat.distribution.distributor import Offered
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.cluster import HaConfig
    from everbeat.model.distribution import Bundle
    from everbeat.model.failures import NodeFailures
    from everbeat.model.fencing import FenceAction, FencingView, SafeNode
    from everbeat.model.groups import ManagerView, ResourceGroup
    from everbeat.model.journal import ClusterEvent
    from everbeat.model.keys import AuthKeys
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message
    from everbeat.model.names import GroupKey, NodeName
    from everbeat.model.operations import ExecutorFact
    from everbeat.model.reports import Report
    from everbeat.node.fencing_gate import GateEffect
    from everbeat.ports.chance import Random
    from everbeat.ports.cipher import Cipher


@dataclass(frozen=True, slots=True)
class RebootMachine:
    """Order: restart this machine at once, without stopping anything."""

    reason: str


CoreEffect: TypeAlias = (
    Broadcast
    | RaiseGeneration
    | RunOperation
    | RunHook
    | AnnounceAddresses
    | StartAgain
    | ProbeAddresses
    | RepeatAnnouncement
    | StartClients
    | WatchResources
    | ForgetFailures
    | Failures
    | Reply
    | Disconnect
    | EventRecorded
    | GroupMoved
    | ResourceActed
    | StopFinished
    | RunFencing
    | ConfirmOff
    | RebootMachine
    | CheckFiles
    | InstallFiles
    | Distributed
    | UseConfiguration
)

# The cluster's own conversation: handled inside, no script is asked.
_INTERNAL_TYPES: Final = frozenset(
    {"starting", "resource", "shutdone", "hbapi-clstat", "query-cstatus", "respond-cstatus"}
    | {FAILURES_TYPE, CLEANUP_TYPE, FENCE_ME, CHECK_TYPE, SEEN_TYPE}
    | distributor.TYPES
)


class CoreNode:
    """Everything the core process decides."""

    def __init__(
        self,
        config: HaConfig,
        groups: Iterable[ResourceGroup],
        *,
        random: Random,
        is_adopting: bool = False,
        first_event_id: int = 1,
        first_operation_id: int = 1,
        safe: Iterable[SafeNode] = (),
        files_version: int = 0,
    ) -> None:
        self._config = config
        self._view = MembershipView(config.node)
        self._spoken = SpokenOrder()
        self._are_clients_started = False
        self._api = ClientApi(config, config.node)
        self._board = FailureBoard(config.node)
        self._distributor = Distributor(config.node, random, files_version)
        self._manager = HaresourcesManager(
            config,
            groups,
            is_adopting=is_adopting,
            first_event_id=first_event_id,
            first_operation_id=first_operation_id,
        )

        self._ipfail = Ipfail(config) if config.has_ipfail else None
        self._gate = FencingGate(config, self._manager.timeline, first_operation_id, safe)
        self._check = AddressCheck(config.node, self._manager, first_operation_id)

    def membership(self) -> MembershipView:
        """Return what is known of the nodes."""
        return self._view

    def manager(self) -> ManagerView:
        """Return who holds what."""
        return self._manager.view()

    def failures(self) -> tuple[NodeFailures, ...]:
        """Return the fail counts of all nodes, as far as they are known here."""
        return self._board.all()

    def fencing(self) -> FencingView:
        """Return devices, and the nodes that are to be fenced."""
        return self._gate.view()

    def safe_nodes(self) -> tuple[SafeNode, ...]:
        """Return the silent nodes that hold nothing; `safe` of the next core of this node."""
        return self._gate.safe_nodes()

    def pauses(self) -> tuple[tuple[GroupKey, int], ...]:
        """Return the paused groups, and until when; for the next core of this node."""
        return self._manager.pauses

    def use_pauses(self, pauses: Iterable[tuple[GroupKey, int]]) -> None:
        """Take what the core that this one replaces had paused."""
        self._manager.use_pauses(pauses)

    def on_pause(self, target: str, for_ms: int, now_ms: int) -> Verdict[CoreEffect]:
        """Leave groups alone."""
        return self._manager.on_pause(target, for_ms, now_ms)

    def on_resume(self, target: str, now_ms: int) -> Verdict[CoreEffect]:
        """Care for groups again."""
        return self._manager.on_resume(target, now_ms)

    def events_after(self, event_id: int) -> tuple[ClusterEvent, ...]:
        """Return the remembered events with a higher id."""
        return self._manager.timeline.after(event_id)

    def on_clock(self, wall_ms: int, now_ms: int) -> None:
        """Take the wall clock's present reading."""
        self._manager.timeline.on_clock(wall_ms, now_ms)

    def on_view(self, view: MembershipView, now_ms: int) -> list[CoreEffect]:
        """Take the whole membership: at the start, and from every new link process."""
        self._view = view
        effects = self._start_clients() if view.is_communication_up else []
        known, gated = self._gate.on_view(view, now_ms, is_holding=self._manager.is_holding)
        effects += self._manager.on_view(known, now_ms)
        return effects + self._passed(gated, now_ms)

    def on_membership(self, fact: MembershipFact, now_ms: int) -> list[CoreEffect]:
        """Take one fact of link; a message of an older life than its sender's last is none."""
        if isinstance(fact, NodeRestarted):
            if not self._spoken.is_new_life(fact.node, fact.generation):
                return []
            self._spoken.on_restarted(fact.node, fact.generation)
        if isinstance(fact, MessageReceived) and not self._spoken.is_present(fact.message):
            return []
        self._view = fold(self._view, fact)
        is_holding = self._manager.is_holding
        gated = self._gate.on_membership(fact, self._view, now_ms, is_holding=is_holding)
        effects = self._passed(gated, now_ms)
        if isinstance(fact, CommunicationUp):
            effects += self._start_clients()
        effects += self._hooks(fact)
        if isinstance(fact, MessageReceived) and fact.message.type in distributor.TYPES:
            effects += self._distributor.on_message(fact.message, now_ms)
        effects += self._api.on_membership(fact)
        if self._ipfail is not None:
            wanted = self._ipfail.on_membership(fact, self._view, now_ms)
            effects += self._ipfail_did(wanted, now_ms)
        if isinstance(fact, MessageReceived):
            effects += self._check.on_message(fact.message, now_ms)
        return effects + self._on_their_failures(fact, now_ms)

    def on_executor(self, fact: ExecutorFact, now_ms: int) -> list[CoreEffect]:
        """Take one fact of the executor."""
        match fact:
            case OperationDone():
                return self._escalated(self._manager.on_operation(fact, now_ms), now_ms)
            case FencingDone():
                return self._passed(self._gate.on_done(fact, now_ms), now_ms)
            case MonitorFailed():
                return [*self._manager.on_monitor_failed(fact, now_ms)]
            case Failures(counts):
                told = self._board.on_own(fact, now_ms)
                return [*told, *self._manager.on_failures(self._config.node, counts, now_ms)]
            case MonitorHeard(group, resource):
                self._manager.on_monitor_heard(group, resource)
                return []
            case MonitorUnheard():
                return [*self._manager.on_monitor_unheard(fact, _why_unheard(fact), now_ms)]
            case OperationHung():
                return [*self._note_hung(fact, now_ms)]
            case InterfaceChanged(interface=interface, is_up=is_up):
                word, severity = ("up", Severity.INFO) if is_up else ("down", Severity.WARNING)
                text = f"the link of {interface} is {word}: it carries service addresses"
                kind = f"interface-{word}"
                return [*self._manager.timeline.note(kind, text, now_ms, severity=severity)]
            case AddressAnnounced():
                self._check.on_announced(fact, now_ms)
                return []
            case AddressesProbed():
                return [*self._check.on_probed(fact, now_ms)]
            case ClientEnded() | ClientsStopped():
                return []

    def on_cleanup(self, resource: str, node: str) -> Verdict[CoreEffect]:
        """Take a request to forget failures.

        `resource`: what people call it, empty for all; `node`: empty for all nodes.
        """
        known = [r for view in self.manager().groups for r in view.group.resources]
        named = sorted({r.text for r in known if r.is_called(resource)}) if resource else [""]
        if not named:
            words = ", ".join(sorted({r.text for r in known}))
            return Verdict(reason=f"{resource} is no resource of haresources: {words}")
        if node and node not in {self._config.node, *self._config.nodes}:
            nodes = ", ".join(self._config.nodes)
            return Verdict(reason=f"{node} is no node of this cluster: {nodes}")
        effects: list[CoreEffect] = [Broadcast(cleanup_message(word, node)) for word in named]
        if node in {"", self._config.node}:
            effects += [ForgetFailures(word) for word in named]
        text = f"{resource or 'all failures'}: forgotten on {node or 'all nodes'}"
        return Verdict(effects=effects, text=text)

    def on_executor_lost(self, now_ms: int) -> list[CoreEffect]:
        """Ask again what was under way: the executor is a new one and has counted nothing."""
        effects: list[CoreEffect] = [self._board.own()] if self._board.own().counts else []
        effects += self._manager.on_executor_lost(now_ms)
        effects += self._passed(self._gate.on_executor_lost(now_ms), now_ms)
        if self._are_clients_started:
            self._are_clients_started = False
            effects += self._start_clients()
        return effects

    def use_keys(self, keys: AuthKeys, cipher: Cipher | None) -> None:
        """Seal files for the other nodes with these keys, and open theirs."""
        self._distributor.use_keys(keys, cipher)

    def on_accounts(self, accounts: Accounts) -> None:
        """Take the numbers of the users and groups that apiauth names."""
        self._api.on_accounts(accounts)

    def on_configuration(
        self,
        config: HaConfig,
        groups: Iterable[ResourceGroup],
        keys: AuthKeys,
        cipher: Cipher | None,
        now_ms: int,
    ) -> Verdict[CoreEffect]:
        """Use another configuration (`node.reload.live_part`), or say why not."""
        verdict = self._manager.on_configuration(config, groups, now_ms)
        if not verdict.is_accepted:
            return verdict
        self._config = config
        self._api.on_configuration(config)
        self._gate.on_configuration(config)
        self.use_keys(keys, cipher)
        moved = self._escalated(verdict.effects, now_ms)
        return verdict.with_effects([UseConfiguration(config, keys), *moved])

    def on_distribute(self, bundle: Bundle, now_ms: int, *, may_pass_over: bool) -> Offered:
        """Bring files to all nodes."""
        members = self._members()
        return self._distributor.on_request(bundle, members, now_ms, may_pass_over=may_pass_over)

    def on_checked(self, offer: str, reports: tuple[Report, ...], reason: str) -> list[CoreEffect]:
        """Take this machine's verdict on files that were offered."""
        return [*self._distributor.on_checked(offer, reports, reason)]

    def on_installed(self, offer: str, error: str, text: str) -> list[CoreEffect]:
        """Take that files which were offered are in use, or why not."""
        return [*self._distributor.on_installed(offer, error, text)]

    def _members(self) -> list[Member]:
        """Return the other nodes, as ha.cf and membership know them."""
        known = {node.node: node for node in self._view.peers()}
        names = [n for n in dict.fromkeys((*self._config.nodes, *known)) if n != self._config.node]
        live = {NodeStatus.UP, NodeStatus.ACTIVE}
        return [
            Member(name, name in known and known[name].status in live, known[name].dialect)
            if name in known
            else Member(name, is_live=False, dialect=0)
            for name in names
        ]

    def on_standby(self, word: str, now_ms: int) -> Verdict[CoreEffect]:
        """Take a request to hand groups over."""
        return self._manager.on_standby(word, now_ms)

    def on_takeover(self, word: str) -> Verdict[CoreEffect]:
        """Take a request for the other node's groups."""
        return self._manager.on_takeover(word)

    def on_fence(self, node: NodeName, action: FenceAction, now_ms: int) -> Verdict[CoreEffect]:
        """Take a person's request to fence a node."""
        verdict = self._gate.on_request(node, action, now_ms)
        return verdict.with_effects(self._passed(verdict.effects, now_ms))

    def on_fence_confirm(self, node: NodeName, now_ms: int) -> Verdict[CoreEffect]:
        """Take a person's word that a node is off."""
        verdict = self._gate.on_confirm(node, now_ms)
        return verdict.with_effects(self._passed(verdict.effects, now_ms))

    def on_fence_test(self, node: NodeName, now_ms: int) -> Verdict[CoreEffect]:
        """Have a node's devices asked without harm."""
        verdict = self._gate.on_test(node, now_ms)
        return verdict.with_effects(self._passed(verdict.effects, now_ms))

    def on_message(self, message: Message, now_ms: int) -> list[CoreEffect]:
        """Take a message that a script or tool wants sent, as written into the FIFO."""
        is_standby = message.type == "ask_resources" and message.text("info") == "me"
        if is_standby:
            return [*self.on_standby(message.text("rsc_hold") or "", now_ms).effects]
        return [Broadcast(message)]

    def on_client_connect(
        self, client: int, credentials: Credentials, now_ms: int
    ) -> list[ApiOrder]:
        """Take a new connection to the client API."""
        return self._api.on_connect(client, credentials, now_ms)

    def on_client_message(self, client: int, message: Message, now_ms: int) -> list[CoreEffect]:
        """Take a message of an API client."""
        orders = self._api.on_message(client, message, self._view, self.manager(), now_ms)
        effects: list[CoreEffect] = []
        for order in orders:
            if isinstance(order, AskStandby):
                effects += self.on_standby(order.word, now_ms).effects
            else:
                effects.append(order)
        return effects

    def on_client_disconnect(self, client: int) -> list[ApiOrder]:
        """Take that an API client is gone."""
        return self._api.on_disconnect(client)

    def on_stop(self, now_ms: int) -> list[CoreEffect]:
        """Give up everything; StopFinished follows."""
        return [*self._manager.on_stop(now_ms)]

    def on_tick(self, now_ms: int) -> list[CoreEffect]:
        """Let time pass."""
        passed = self._passed(self._gate.on_tick(now_ms), now_ms)
        moved = self._escalated(self._manager.on_tick(now_ms), now_ms)
        checked = self._check.on_tick(self._view, now_ms)
        told: list[CoreEffect] = [*self._distributor.on_tick(now_ms)]
        if self._ipfail is not None:
            told += self._ipfail_did(self._ipfail.on_tick(self._view, now_ms), now_ms)
        forgotten: list[CoreEffect] = []
        for known in self._board.on_tick(now_ms):
            forgotten += self._manager.on_failures(known.node, known.counts, now_ms)
        return [*passed, *moved, *checked, *told, *forgotten, *self._api.on_tick(now_ms)]

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is due, or None."""
        parts = (self._manager, self._gate, self._check, self._distributor, self._board, self._api)
        due = [part.next_wakeup_ms() for part in parts]
        due.append(self._ipfail.next_wakeup_ms() if self._ipfail is not None else None)
        return min((moment for moment in due if moment is not None), default=None)

    def _passed(self, effects: Iterable[GateEffect], now_ms: int) -> list[CoreEffect]:
        """Hand the manager what the gate released; pass the rest on."""
        out: list[CoreEffect] = []
        for effect in effects:
            if isinstance(effect, Released):
                out += self._escalated(self._manager.on_membership(effect.fact, now_ms), now_ms)
            else:
                out.append(effect)
        return out

    def _escalated(self, effects: Iterable[ManagerEffect], now_ms: int) -> list[CoreEffect]:
        """Add what ha.cf wants to follow when a group cannot be stopped (stop_failure)."""
        out: list[CoreEffect] = []
        for effect in effects:
            out.append(effect)
            if isinstance(effect, GroupMoved) and effect.new is GroupState.STUCK:
                out += self._on_stuck(effect, now_ms)
        return out

    def _on_stuck(self, moved: GroupMoved, now_ms: int) -> list[CoreEffect]:
        why = f"{moved.key}: {moved.why}"
        match self._config.stop_failure:
            case StopFailure.BLOCK:
                return []
            case StopFailure.FENCE:
                text = f"{why}; the other nodes are asked to fence this one"
                noted = self._manager.timeline.note(
                    "fence-me", text, now_ms, severity=Severity.ERROR
                )
                return [*noted, Broadcast(message_of(t=FENCE_ME, why=wire_text_of(masked(why))))]
            case StopFailure.REBOOT:
                text = f"{why}; this machine restarts now"
                noted = self._manager.timeline.note("reboot", text, now_ms, severity=Severity.ERROR)
                return [*noted, RebootMachine(text)]

    def _on_their_failures(self, fact: MembershipFact, now_ms: int) -> list[CoreEffect]:
        told, changed = self._board.on_membership(fact, now_ms)
        effects: list[CoreEffect] = [*told]
        if changed is not None:
            effects += self._manager.on_failures(changed.node, changed.counts, now_ms)
        if isinstance(fact, MessageReceived) and fact.message.text("src") != self._config.node:
            resource = cleanup_from_message(fact.message, self._config.node)
            effects += [ForgetFailures(resource)] if resource is not None else []
        return effects

    def _note_hung(self, fact: OperationHung, now_ms: int) -> list[EventRecorded]:
        word = "monitor" if fact.is_monitor else fact.action.value
        text = (
            f"{word} of {fact.resource.text} by {fact.served_by} hangs: "
            f"ended at its limit of {fact.limit_ms} ms"
        )
        return self._manager.timeline.note(
            "operation-hung", text, now_ms, severity=Severity.ERROR, details=fact.lines
        )

    def _start_clients(self) -> list[CoreEffect]:
        if self._are_clients_started:
            return []
        self._are_clients_started = True
        joined = self._ipfail.on_start(self._view) if self._ipfail is not None else []
        return [StartClients(), *(order for order in joined if isinstance(order, Broadcast))]

    def _ipfail_did(self, orders: Iterable[IpfailOrder], now_ms: int) -> list[CoreEffect]:
        """Carry out what the built-in ipfail wants."""
        assert self._ipfail is not None
        effects: list[CoreEffect] = []
        for order in orders:
            if not isinstance(order, GiveUp):
                effects.append(order)
            elif self._manager.is_holding:
                verdict = self._manager.on_standby("all", now_ms, f"ipfail: {order.why}")
                effects += verdict.effects
                if not verdict.is_accepted:
                    self._ipfail.on_refused(now_ms)
            else:
                self._ipfail.on_nothing_held()
        return effects

    def _hooks(self, fact: MembershipFact) -> list[CoreEffect]:
        """Order the rc.d scripts that Heartbeat's harc would run for this fact."""
        match fact:
            case NodeStatusChanged() if fact.node != self._config.node:
                strings = {
                    "HA_t": "status",
                    "HA_src": fact.node,
                    "HA_st": fact.new.value,
                    "HA_OSTATUS": fact.old.value,
                }
                return [self._hook("status", strings)]
            case LinkChanged(node, link, status):
                strings = {
                    "HA_t": "ifstat",
                    "HA_node": node,
                    "HA_ifname": link,
                    "HA_st": status.value,
                }
                return [self._hook("ifstat", strings)]
            case MessageReceived(message) if message.type not in _INTERNAL_TYPES:
                strings = {f"HA_{name}": value for name, value in message.strings()}
                return [self._hook(message.type, strings)]
            case _:
                return []

    def _hook(self, name: str, strings: dict[str, str]) -> RunHook:
        if self._config.auto_failback != "legacy":
            strings["HA_NICEFAILBACK"] = "yes"
        return RunHook(name=name, environment=tuple(strings.items()))


def _why_unheard(fact: MonitorUnheard) -> str:
    if fact.is_never_asked:
        return f"{fact.served_by} does not know the word status, and might act on any word"
    said = fact.output.strip()[:100] or "no output"
    served_by = fact.served_by or "nothing"
    return f"the status by {served_by} does not say that it runs ({said})"
