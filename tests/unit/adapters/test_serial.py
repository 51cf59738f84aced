"""Serial media over pseudo terminals: a cable is two of them with bytes pumped across."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from typing import TYPE_CHECKING, Self

from cluster.media_lab import Node
from everbeat.model.cluster import Medium, MediumKind
from everbeat.model.names import LinkName

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def text(word: str) -> bytes:
    return f">>>\nt={word}\n<<<\n".encode()


class Cable:
    """A null modem cable with a tty at each end. `cut`: nothing passes."""

    def __init__(self) -> None:
        self._masters, self._slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        for master in self._masters:
            tty.setraw(master)
        self.ends: Sequence[str] = [os.ttyname(slave) for slave in self._slaves]
        self.is_reading = True
        self._is_over = False
        self._thread = threading.Thread(target=self._pump, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over = True
        self._thread.join(5)
        self.hang_up()

    def hang_up(self) -> None:
        self._is_over = True
        for descriptor in (*self._masters, *self._slaves):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _pump(self) -> None:
        one, two = self._masters
        with contextlib.suppress(OSError, ValueError):
            while not self._is_over:
                if not self.is_reading:
                    time.sleep(0.01)
                    continue
                for source in select.select([one, two], [], [], 0.05)[0]:
                    os.write(two if source == one else one, os.read(source, 1000))


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
        cable.is_reading = False
        time.sleep(0.1)
        for number in range(300):
            first.transmit(text(f"{number:03d}" + "x" * 100))
        time.sleep(0.3)
        dropped_count = first.media.statistics()[0].dropped_count
        assert dropped_count > 0
        cable.is_reading = True
        time.sleep(0.5)
        first.transmit(text("last"))
        second.wait_for(text("last"))
        assert second.media.statistics()[0].received_count == 301 - dropped_count
        assert first.changes.empty()


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
                deadline = time.monotonic() + 8
                while second.received.empty() and time.monotonic() < deadline:
                    first.transmit(text("back"))
                    time.sleep(0.1)
                second.wait_for(text("back"))
                assert first.wait_change(lambda _, error: not error) == (0, "")


def test_a_file_that_is_no_tty_is_an_error_not_a_crash() -> None:
    with Node([serial("/dev/null"), serial("/nonexistent")]) as node:
        errors = dict(node.changes.get(timeout=5) for _ in range(2))
        assert "serial line" in errors[0]
        assert errors[1] == "No such file or directory"
