"""What people read of a node that is to be fenced: what is waited for, since when, what ends it."""

from __future__ import annotations

import pytest

from everbeat.commands.fencing import unclean
from everbeat.model.fencing import FenceAction, FencingState, NodeFencing
from everbeat.model.names import NodeName


@pytest.mark.parametrize(
    ("state", "waits"),
    [
        (FencingState.DELAYED, "asks ipmi in 3.0 s"),
        (FencingState.ASKING, "ipmi is being asked (reboot); last answer: no route"),
        (FencingState.WAITING, "ipmi failed 2 times, next try in 3.0 s; last answer: no route"),
        (FencingState.PERSON, "no device can do it: look after it, switch it off"),
    ],
)
def test_an_unclean_node_says_what_ends_it(state: FencingState, waits: str) -> None:
    entry = NodeFencing(
        node=NodeName("beta"),
        state=state,
        action=FenceAction.REBOOT,
        why="silent for 2001 ms",
        since_ms=10_000,
        until_ms=73_000,
        rounds=2,
        device="ipmi",
        detail="no route",
        devices=("ipmi",),
    )
    assert unclean(entry, 70_000) == (
        f"beta is UNCLEAN for 1 min (silent for 2001 ms): {waits}; "
        "if it is off: everbeat fence confirm beta"
    )
