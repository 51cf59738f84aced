"""Heartbeat 3.0.6 and everbeat as a pair: takeover, failback, standby, takeover on request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from interop.mixed_pair import (
    SIDES,
    TWO_GROUPS,
    VIP_A,
    WEB,
    Pair,
    Witness,
    held_by,
    pair_of,
    timing,
)
from lab import Lab
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("with_heartbeat")]

# Who does what, and rscstatus of alpha and beta afterwards; before it both hold local.
MATRIX = (
    ("alpha", "standby", "all", "none", "all"),
    ("alpha", "takeover", "all", "all", "none"),
    ("alpha", "standby", "local", "foreign", "foreign"),
    ("alpha", "takeover", "local", "all", "none"),
    ("alpha", "standby", "foreign", "local", "local"),
    ("alpha", "takeover", "foreign", "all", "none"),
    ("beta", "takeover", "foreign", "foreign", "foreign"),
    ("beta", "standby", "failback", "all", "none"),
    ("beta", "takeover", "all", "none", "all"),
    ("beta", "standby", "local", "foreign", "foreign"),
    ("beta", "takeover", "local", "none", "all"),
    ("beta", "standby", "foreign", "local", "local"),
)


@pytest.fixture(params=SIDES)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with Lab() as lab:
        yield pair_of(lab, *SIDES[request.param])


def test_standby_and_takeover_of_every_kind_end_as_between_two_heartbeats(pair: Pair) -> None:
    pair.lab.configure(**timing(), resources=TWO_GROUPS)
    pair.start_beta_first()
    pair.wait_held("local", "local")
    for name, command, hold, alpha, beta in MATRIX:
        node = pair.lab.nodes[name]
        (node.standby if command == "standby" else node.takeover)(hold)
        pair.wait_held(alpha, beta)
        of_a = "alpha" if alpha in {"all", "local"} else "beta"
        of_b = "alpha" if alpha in {"all", "foreign"} else "beta"
        assert held_by(pair.lab) == (of_a, of_b)


def test_crash_failback_stop_and_late_return_of_the_owner(
    pair: Pair, request: pytest.FixtureRequest
) -> None:
    pair.lab.configure(**timing(), resources=WEB)
    pair.start_beta_first()
    with pair.lab.probing(VIP_A) as probe:
        probe.wait_answer("alpha")  # beta, who came first, gave it back
        client = Witness(probe, request.node.callspec.id)
        began_ms = time.monotonic() * 1000
        outage_ms = client.sees("crash", pair.alpha.crash, "beta")
        allowed = machine().allowed(6_000, began_ms)
        assert outage_ms < allowed.ms, allowed
        pair.alpha.boot()
        client.sees("failback", pair.alpha.start, "alpha")
        pair.wait_held("local", "local")
        client.sees("stop", pair.alpha.stop, "beta")
        pair.beta.wait_status("alpha", "dead")
        client.sees("failback", pair.alpha.start, "alpha")
        pair.wait_held("local", "local")
        pair.beta.crash()
        pair.alpha.wait_rscstatus("all")
        assert pair.lab.holders(VIP_A) == ["alpha"]


def test_without_failback_the_returned_owner_gets_nothing_until_the_holder_dies(
    pair: Pair,
) -> None:
    pair.lab.configure(**timing(), resources=TWO_GROUPS, auto_failback="off")
    pair.start_beta_first()
    pair.wait_held("none", "all")
    pair.beta.crash()
    pair.alpha.wait_rscstatus("all")
    assert held_by(pair.lab) == ("alpha", "alpha")
    pair.beta.boot()
    pair.beta.start()
    pair.wait_held("all", "none")


def test_in_legacy_mode_the_owner_asks_and_the_holder_gives(pair: Pair) -> None:
    pair.lab.configure(**timing(), resources=TWO_GROUPS, auto_failback="legacy")
    pair.start_beta_first()
    pair.wait(lambda: held_by(pair.lab) == ("alpha", "beta"), "the owner got its group")
    pair.beta.crash()
    pair.wait(lambda: held_by(pair.lab) == ("alpha", "alpha"), "takeover")
    pair.beta.boot()
    pair.beta.start()
    pair.wait(lambda: held_by(pair.lab) == ("alpha", "beta"), "the other owner got its group")
    pair.wait_held("none", "none")  # as 3.0.6 says in this mode
