"""Serial media over pseudo terminals: a cable is two of them with bytes pumped across."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from cluster.cable import Cable
from cluster.media_lab import WAIT_S, Node
from everbeat.model.cluster import Medium, MediumKind
from everbeat.model.names import LinkName
from lab import wait_until
from lab.slowness import is_over

if TYPE_CHECKING:
    from pathlib import Path


def text(word: str) -> bytes:
    return f">>>\nt={word}\n<<<\n".encode()


def serial(device: str) -> Medium:
    return Medium(kind=MediumKind.SERIAL, link=LinkName(device), device=device, baud=115_200)


def test_messages_pass_both_ways_whole_and_noise_between_them_is_dropped() -> None:
    with (
        Cable() as cable,
        Node([serial(cable.ends[0])]) as first,
        Node([serial(cable.ends[1])]) as second,
    ):
        first.transmit(b"noise" + text("one") + text("two"))
        assert second.wait_for(text("one")) == (0, cable.ends[1])
        second.wait_for(text("two"))
        second.transmit(text("three"))
        first.wait_for(text("three"))


def test_three_nodes_form_a_ring_of_three_cables() -> None:
    with contextlib.ExitStack() as stack:
        cables = [stack.enter_context(Cable()) for _ in range(3)]
        nodes = [
            stack.enter_context(
                Node([serial(cables[i].ends[0]), serial(cables[(i + 2) % 3].ends[1])])
            )
            for i in range(3)
        ]
        nodes[0].transmit(text("round"), 0)
        assert nodes[1].wait_for(text("round"))[0] == 1
        nodes[1].transmit(text("round"), 0)
        assert nodes[2].wait_for(text("round"))[0] == 1
        nodes[2].transmit(text("round"), 0)
        assert nodes[0].wait_for(text("round"))[0] == 1


def test_a_line_that_is_behind_drops_whole_messages_and_goes_on() -> None:
    with (
        Cable() as cable,
        Node([serial(cable.ends[0])]) as first,
        Node([serial(cable.ends[1])]) as second,
    ):
        cable.pause()
        for number in range(300):
            first.transmit(text(f"{number:03d}" + "x" * 100))
        wait_until(lambda: _transmitted(first) == 300, "each is on its way or dropped", 5)
        dropped_count = first.media.statistics()[0].dropped_count
        assert dropped_count > 0
        cable.resume()
        wait_until(lambda: _received(second) == 300 - dropped_count, "all others arrive", 5)
        first.transmit(text("last"))
        second.wait_for(text("last"))
        wait_until(lambda: _received(second) == 301 - dropped_count, "it is counted", 5)
        assert first.media.statistics()[0].dropped_count == dropped_count
        assert first.changes.empty()


def _transmitted(node: Node) -> int:
    statistics = node.media.statistics()[0]
    return statistics.sent_count + statistics.dropped_count


def _received(node: Node) -> int:
    return node.media.statistics()[0].received_count


def test_a_line_that_hangs_up_is_reported_and_opened_again(tmp_path: Path) -> None:
    device = tmp_path / "ttyS0"
    with Cable() as cable:
        device.symlink_to(cable.ends[0])
        with Node([serial(str(device))]) as first:
            cable.hang_up()
            assert first.wait_change(lambda _, error: bool(error))[0] == 0
            with Cable() as other, Node([serial(other.ends[1])]) as second:
                device.unlink()
                device.symlink_to(other.ends[0])
                began = time.monotonic()
                while second.received.empty() and not is_over(began, WAIT_S):
                    first.transmit(text("back"))
                    time.sleep(0.1)
                second.wait_for(text("back"))
                assert first.wait_change(lambda _, error: not error) == (0, "")


def test_a_file_that_is_no_tty_is_an_error_not_a_crash() -> None:
    with Node([serial("/dev/null"), serial("/nonexistent")]) as node:
        errors = dict(node.wait_change(lambda _, error: bool(error)) for _ in range(2))
        assert "serial line" in errors[0]
        assert errors[1] == "No such file or directory"
