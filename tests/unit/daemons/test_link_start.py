"""What a link process takes over from disk when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.adapters.known_lives import LIVES_FILE
from everbeat.daemons.link import LinkOptions, identity_from_disk
from everbeat.membership.identity import KnownLife
from everbeat.model.cluster import HaConfig, Timing
from everbeat.model.names import NodeName

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
TIMING = Timing(
    keepalive_ms=1_000, deadtime_ms=10_000, warntime_ms=5_000, initdead_ms=20_000,
    deadping_ms=10_000,
)  # fmt: skip


def test_a_broken_line_of_lives_is_logged_once_and_the_others_are_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / LIVES_FILE).write_text("beta 7 -1\ngamma 8 8\n")
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA, GAMMA), timing=TIMING)
    options = LinkOptions(etc=tmp_path, state=tmp_path, run=tmp_path)
    whole = identity_from_disk(config, options)
    assert whole.known == (KnownLife(BETA, 7), KnownLife(GAMMA, 8, 8))
    assert caplog.messages == []
    (tmp_path / LIVES_FILE).write_text("beta 7 -1\ngamma 8 8")
    assert identity_from_disk(config, options).known == whole.known
    (tmp_path / LIVES_FILE).write_text("beta seven\ngamma 8 8\n")
    assert identity_from_disk(config, options).known == (KnownLife(GAMMA, 8, 8),)
    (message,) = caplog.messages
    assert "lives: line 1 cannot be used" in message
