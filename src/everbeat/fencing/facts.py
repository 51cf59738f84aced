"""What the fencer tells and orders. Folding the facts gives its view; nothing else leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from everbeat.model.fencing import (
        FenceAction,
        FenceOutcome,
        RunFencing,
    )
    from everbeat.model.names import NodeName


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingRequested:
    """A node is to be fenced; `begin_ms`: when the first device is asked."""

    node: NodeName
    action: FenceAction
    why: str
    devices: tuple[str, ...]
    begin_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAsked:
    """A device was asked to fence a node, or first for the hosts that it controls."""

    node: NodeName
    device: str
    action: FenceAction
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAnswered:
    """A device asked for a node's sake answered; only DONE of off and reboot says: it is off."""

    node: NodeName
    device: str
    action: FenceAction
    outcome: FenceOutcome
    detail: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFenced:
    """The node is off or was restarted: what it held may be taken. `by`: device, node, person."""

    node: NodeName
    action: FenceAction
    by: str
    detail: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingHeldUp:
    """Nobody could fence the node. `next_ms` None: only a person can help."""

    node: NodeName
    detail: str
    rounds: int
    next_ms: int | None
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingCancelled:
    """The node need not be fenced any more."""

    node: NodeName
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChecked:
    """A device was asked whether it works. `hosts` None: it did not tell."""

    device: str
    outcome: FenceOutcome
    detail: str
    hosts: tuple[NodeName, ...] | None
    at_ms: int


FencingFact: TypeAlias = (
    FencingRequested
    | DeviceAsked
    | DeviceAnswered
    | NodeFenced
    | FencingHeldUp
    | FencingCancelled
    | DeviceChecked
)
FencingEffect: TypeAlias = "RunFencing | FencingFact"
