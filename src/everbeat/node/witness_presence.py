"""What a node asks its witness for while it needs nothing: whether it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.model.quorum import Want, WitnessAsk

if TYPE_CHECKING:
    from everbeat.model.cluster import HaConfig


def presence_ask(config: HaConfig) -> WitnessAsk:
    """Return the question; it carries no stamp: it changes nothing."""
    return WitnessAsk(
        node=config.node,
        generation=0,
        stamp_ms=0,
        nonce=0,
        about=next(node for node in config.nodes if node != config.node),
        wants=Want.PRESENCE,
        lease_ms=1,
        dead_ms=config.timing.deadtime_ms,
    )
