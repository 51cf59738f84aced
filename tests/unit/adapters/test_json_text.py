"""Files of ours keep every text that a file of Heartbeat can hold, be it no UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from everbeat.adapters.event_file import EventFile
from everbeat.adapters.json_text import bytes_from_value, value_from_bytes
from everbeat.adapters.link_snapshot import LinkSnapshot, read_snapshot, write_snapshot
from everbeat.adapters.pauses_file import PausesFile
from everbeat.config.files import text_from_bytes
from everbeat.model.cluster import HaConfig
from everbeat.model.journal import ClusterEvent
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from pathlib import Path

WORD = text_from_bytes(b"webd::f\xfcr")  # ISO 8859-1
ALPHA = NodeName("alpha")


def event(number: int, text: str) -> ClusterEvent:
    return ClusterEvent(
        id=number,
        kind="takeover",
        severity=Severity.INFO,
        node=ALPHA,
        text=text,
        at_ms=1,
        wall_ms=2,
        details=(text,),
    )


def test_events_of_such_a_group_are_written_and_read(tmp_path: Path) -> None:
    events = (event(1, "plain"), event(2, WORD), event(3, "fär"))
    file = EventFile(tmp_path)
    for each in events:
        file.append_nowait(each)
    file.close()
    assert EventFile(tmp_path).read() == events


def test_such_a_group_stays_paused_for_the_next_core(tmp_path: Path) -> None:
    PausesFile(tmp_path).write(((GroupKey(WORD), 77),))
    assert PausesFile(tmp_path).read() == ((GroupKey(WORD), 77),)


def test_the_next_link_has_such_a_configuration(tmp_path: Path) -> None:
    keys = AuthKeys(1, (AuthKey(1, "sha1", b"\xff\x00secret"),))
    for cluster in ("shop", WORD):
        snapshot = LinkSnapshot(
            HaConfig(node=ALPHA, nodes=(ALPHA,), media=(), cluster=cluster), keys
        )
        write_snapshot(tmp_path, snapshot)
        assert read_snapshot(tmp_path) == snapshot


@pytest.mark.parametrize("data", [b"", b"[[", b"[" * 100_000, b'{"id": "\\udcfc"}', b"\xff", b"[]"])
def test_what_is_no_value_is_one_error(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        value_from_bytes(data, ClusterEvent)


def test_a_value_is_one_line_of_ascii_where_msgspec_cannot_write_it() -> None:
    assert bytes_from_value([WORD]) == b'["webd::f\\udcfcr"]'
