"""Requests of tools to the core daemon (RUN/core.sock) and its replies.

Structs, because tools are called anew for every question: a dataclass takes fifty times as long to
make. Link and executor speak the facts and orders of model.membership and model.operations.
"""

from __future__ import annotations

from typing import Final, TypeAlias, get_args

from msgspec import Struct

from everbeat.model.distribution import Bundle, NodeOutcome
from everbeat.model.failures import NodeFailures
from everbeat.model.fencing import FenceAction, FencingView
from everbeat.model.groups import ManagerView
from everbeat.model.journal import ClusterEvent
from everbeat.model.members import MembershipView
from everbeat.model.message import Message
from everbeat.model.names import NodeName
from everbeat.model.reports import Report

PROTOCOL_VERSION = 1


class GetStatus(Struct, frozen=True):
    """Ask for everything there is to show; answered by StatusReply."""


class StatusReply(Struct, frozen=True, kw_only=True):
    """The whole state of this node. Times are monotonic: age is `now_ms` minus the time."""

    version: str
    now_ms: int
    wall_ms: int
    membership: MembershipView
    manager: ManagerView
    failures: tuple[NodeFailures, ...] = ()
    fencing: FencingView = FencingView()


class GetEvents(Struct, frozen=True):
    """Ask for remembered events with an id above `after_id`; `is_followed`: and all new ones.

    Answered by EventsReply; again for each new event if followed. An unfinished event is sent
    again under its id when it has finished.
    """

    after_id: int = 0
    is_followed: bool = False


class EventsReply(Struct, frozen=True):
    """Events, oldest first."""

    events: tuple[ClusterEvent, ...]


class RequestStandby(Struct, frozen=True):
    """Ask this node to hand groups over: none|local|foreign|all. Answered by Answer."""

    hold: str


class RequestTakeover(Struct, frozen=True):
    """Ask the other node for groups. Answered by Answer."""

    hold: str


class RequestCleanup(Struct, frozen=True):
    """Set fail counts to zero; empty: of all resources, on all nodes. Answered by Answer."""

    resource: str = ""
    node: str = ""


class RequestPause(Struct, frozen=True):
    """Leave a group of this node alone for so long: a group, a resource or all. See Answer."""

    target: str
    for_ms: int


class RequestResume(Struct, frozen=True):
    """End a pause. Answered by Answer."""

    target: str


class RequestFence(Struct, frozen=True):
    """Ask that another node be fenced. Answered by Answer; what comes of it is in the status."""

    node: NodeName
    action: FenceAction  # OFF or REBOOT


class ConfirmFenced(Struct, frozen=True):
    """Say that a node which is to be fenced is off: somebody has looked. Answered by Answer."""

    node: NodeName


class TestFencing(Struct, frozen=True):
    """Ask a node's devices whether they work, without harm. Answered by Answer, then see status."""

    node: NodeName


class GetInUse(Struct, frozen=True):
    """Ask for the ha.cf and haresources this node runs with. Answered by InUse."""


class InUse(Struct, frozen=True):
    """The files as they were read, whatever is on disk by now; None: there was none."""

    ha_cf: str | None
    haresources: str | None


class RequestReload(Struct, frozen=True):
    """Use the files of this node as they are now. Answered by ReloadReply.

    `is_insisted_on`: whatever is doubted (`config.doubts`).
    """

    is_insisted_on: bool = False


class ReloadReply(Struct, frozen=True):
    """Whether they are used; `later`: directives that wait for the next start of the node.

    `reports`: errors, and warnings that the files before did not bring. `is_doubted`: they are not
    used because of warnings, and would be if a person insisted.
    """

    is_accepted: bool
    text: str = ""
    later: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()
    is_doubted: bool = False


class Distribute(Struct, frozen=True):
    """Bring files to all nodes, this one included, and use them. Answered by DistributeReply.

    `may_pass_over`: nodes that are down or run Heartbeat 3.0.6 are left as they are.
    """

    bundle: Bundle
    may_pass_over: bool = False


class DistributeReply(Struct, frozen=True):
    """Why nothing was begun (`reason`), or what became of every node."""

    reason: str = ""
    outcomes: tuple[NodeOutcome, ...] = ()
    is_done: bool = False


class SendMessage(Struct, frozen=True):
    """Broadcast a message as a FIFO writer would (addnode, a site's own). Answer follows."""

    message: Message


class Answer(Struct, frozen=True):
    """Whether a request was taken; `text` says why not, or what happens now."""

    is_accepted: bool
    text: str


CoreRequest: TypeAlias = (
    GetStatus
    | GetEvents
    | RequestStandby
    | RequestTakeover
    | RequestCleanup
    | RequestPause
    | RequestResume
    | RequestFence
    | ConfirmFenced
    | TestFencing
    | SendMessage
    | GetInUse
    | RequestReload
    | Distribute
)
CoreReply: TypeAlias = StatusReply | EventsReply | Answer | InUse | ReloadReply | DistributeReply

CORE_TYPES: Final[tuple[type, ...]] = (*get_args(CoreRequest), *get_args(CoreReply))
"""What core.sock speaks: requests in, replies out."""
