"""What the client API orders from its host: send to a client, hang up, tell the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from everbeat.model.membership import Broadcast

if TYPE_CHECKING:
    from everbeat.model.message import Message


@dataclass(frozen=True, slots=True)
class Reply:
    """Order: send this message to one client."""

    client: int
    message: Message


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Order: hang up on a client once everything ordered before is sent."""

    client: int
    reason: str  # kebab-case, for logs


ApiOrder: TypeAlias = Reply | Disconnect | Broadcast
