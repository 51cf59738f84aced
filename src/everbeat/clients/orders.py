"""What the client API orders from its host: send to a client, hang up, tell or ask the cluster."""

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


@dataclass(frozen=True, slots=True)
class AskStandby:
    """Order: hand over what a client asked to be handed over, as a person's standby does."""

    word: str  # all, local or foreign, as the client wrote it


ApiOrder: TypeAlias = Reply | Disconnect | Broadcast
ApiWish: TypeAlias = ApiOrder | AskStandby
"""What a message of a client may lead to."""
