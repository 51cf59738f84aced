"""A ring of three serial cables, one Heartbeat 3.0.6 and two everbeat: each forwards for others."""

from __future__ import annotations

import contextlib

import pytest

from cluster.cable import Cable
from lab import Lab

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("with_heartbeat")]

NAMES = ("alpha", "beta", "gamma")


@pytest.mark.parametrize("real", NAMES[:2])
def test_three_nodes_on_a_ring_hear_each_other_and_bear_one_cut(real: str) -> None:
    with Lab() as lab, contextlib.ExitStack() as held:
        for name in NAMES:
            lab.heartbeat(name) if name == real else lab.everbeat(name)
        cables = [held.enter_context(Cable()) for _ in NAMES]
        lab.configure(keepalive="500ms", deadtime="5", initdead="10", media="MEDIA")
        for index, node in enumerate(lab.nodes.values()):
            ends = f"{cables[index - 1].ends[1]} {cables[index].ends[0]}"
            path = node.folder / "ha.d" / "ha.cf"
            path.write_text(path.read_text().replace("MEDIA", f"baud 115200\nserial {ends}"))
        lab.start()
        cables[0].pause()
        with pytest.raises(TimeoutError):
            lab.nodes["alpha"].wait_status("beta", "dead", timeout_s=7)
        lab.wait_formed(1)
