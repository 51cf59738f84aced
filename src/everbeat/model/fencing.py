"""What is ordered of fencing devices, what they answer, and what people are shown of it.

Facts of all resource managers: nothing here knows of groups. Times are CLOCK_MONOTONIC ms of this
machine. Unknown never means fenced: only FenceOutcome.DONE does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from everbeat.model.names import NodeName

MEATWARE: Final = "meatware"
FENCE_PREFIX: Final = "fence_"
HOST_LIST: Final = "pcmk_host_list"
HOST_MAP: Final = "pcmk_host_map"
HOST_OPTIONS: Final = frozenset({HOST_LIST, HOST_MAP, "pcmk_host_check"})
"""Options of fence agents that say which nodes a device controls; never passed on."""


def is_fence_agent(device_type: str) -> bool:
    """Whether a device's type names one of the fence-agents family."""
    return device_type.rpartition("/")[2].startswith(FENCE_PREFIX)


class FenceAction(StrEnum):
    """What a device is asked for."""

    OFF = "off"
    REBOOT = "reboot"
    ON = "on"
    STATUS = "status"  # is this node's power on?
    MONITOR = "monitor"  # does the device answer?
    LIST = "list"  # which hosts does it control?


class FenceOutcome(StrEnum):
    """How asking a device ended."""

    DONE = "done"  # the agent says that it is done
    FAILED = "failed"  # the agent says that it is not, or says nothing sensible
    TIMEOUT = "timeout"
    NOT_FOUND = "not-found"  # no such agent on this machine
    LOST = "lost"  # the executor died meanwhile


class StopFailure(StrEnum):
    """What follows when a resource cannot be stopped (ha.cf: stop_failure)."""

    BLOCK = "block"  # nobody else may take it; a person is called
    FENCE = "fence"  # the other nodes are asked to fence this one
    REBOOT = "reboot"  # this machine restarts at once, as Heartbeat's does


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceDevice:
    """One device as this node may ask it.

    `type`: a STONITH plug-in (`external/ipmi`), a fence agent (`fence_ipmilan`; its path does as
    well) or `meatware`.
    `parameters`: words in the plug-in's order, or NAME=VALUE; with `file` they are read from it.
    `hosts`: the nodes it can fence; None: the plug-in must be asked for its list before use.
    `ports`: what the device calls a node, where that is not the node's name.
    """

    name: str
    type: str
    parameters: tuple[str, ...] = ()
    file: str = ""
    hosts: tuple[NodeName, ...] | None = None
    ports: tuple[tuple[NodeName, str], ...] = ()

    @property
    def is_person(self) -> bool:
        """Whether somebody has to look after the machine and say so."""
        return self.type == MEATWARE

    @property
    def is_fence_agent(self) -> bool:
        """Whether it is one of the fence-agents family."""
        return is_fence_agent(self.type)

    def port(self, node: NodeName) -> str:
        """Return the device's name for a node."""
        return dict(self.ports).get(node, node)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFencing:
    """Order: ask a device. Answered by FencingDone. `node` is "" for MONITOR and LIST."""

    id: int  # chosen by the fencer, unique for its life
    device: FenceDevice
    action: FenceAction
    node: NodeName
    timeout_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingDone:
    """A device was asked. `is_on`: of a STATUS, None if it did not tell. `hosts`: of a LIST."""

    id: int
    device: str
    action: FenceAction
    node: NodeName
    outcome: FenceOutcome
    output: str
    started_ms: int
    ended_ms: int
    is_on: bool | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SafeNode:
    """A silent node that holds nothing: it left in order, or was fenced, and was not heard since.

    Kept for the next core process of this life of the node, which has not seen it.
    """

    node: NodeName
    since_ms: int
    has_left: bool  # else it was fenced


class FencingState(StrEnum):
    """Where the fencing of one node stands."""

    DELAYED = "delayed"  # another node goes first
    ASKING = "asking"  # a device is being asked
    WAITING = "waiting"  # all devices failed; the next round comes
    PERSON = "person"  # only a person can say that it is off
    CONFIRMED = "confirmed"  # it is off, or was restarted: safe
    CANCELLED = "cancelled"  # it was heard again


OPEN_STATES: Final = frozenset(
    {FencingState.DELAYED, FencingState.ASKING, FencingState.WAITING, FencingState.PERSON}
)
"""States in which what the node held must not be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFencing:
    """The fencing of one node, for people."""

    node: NodeName
    state: FencingState
    action: FenceAction
    why: str
    since_ms: int  # when it was asked for
    until_ms: int | None  # when the next try begins, or None
    rounds: int  # how often every device failed
    device: str  # being asked, or that confirmed it ("" none)
    detail: str  # the last thing a device or person said
    devices: tuple[str, ...]  # in the order in which they are tried

    @property
    def is_open(self) -> bool:
        """Whether nothing of the node may be taken."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """One device, for people. Times 0: never."""

    device: str
    type: str
    hosts: tuple[NodeName, ...] | None  # None: not known yet
    is_working: bool | None  # its last answer; None: never asked
    detail: str
    asked_ms: int
    proven_ms: int  # when it last answered well


@dataclass(frozen=True, slots=True)
class FencingView:
    """All devices and all nodes that are, or were last, to be fenced."""

    devices: tuple[DeviceStatus, ...] = ()
    nodes: tuple[NodeFencing, ...] = ()

    def node(self, name: NodeName) -> NodeFencing | None:
        """Return the fencing of a node, or None."""
        return next((entry for entry in self.nodes if entry.node == name), None)
