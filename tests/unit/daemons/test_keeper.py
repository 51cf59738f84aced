"""The keeper with real processes for children: stubs that say what happens to them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.process_table import processes
from lab.slowness import is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Event:
    child: str
    what: str
    word: str
    pid: int
    at_s: float


class World:
    def __init__(self, run: Path) -> None:
        self.run = run
        self.keepers: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        with (self.run / "log").open("ab") as log:
            keeper = subprocess.Popen(
                [sys.executable, str(HERE / "keeper_of_stubs.py"), str(self.run)], stderr=log
            )
        self.keepers.append(keeper)
        return keeper

    def started(self) -> subprocess.Popen[bytes]:
        keeper = self.start()
        self.wait(lambda: "is up" in self.log(), "the node is up")
        return keeper

    def log(self) -> str:
        return (self.run / "log").read_text()

    def events(self) -> list[Event]:
        path = self.run / "events"
        found = []
        for line in path.read_text().splitlines() if path.exists() else []:
            child, what, *word, pid, at_s = line.split()
            found.append(Event(child, what, "".join(word), int(pid), float(at_s)))
        return found

    def starts(self, child: str) -> list[Event]:
        return [e for e in self.events() if e.child == child and e.what == "start"]

    def mode(self, child: str, mode: str) -> None:
        (self.run / f"{child}.mode").write_text(mode)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        began = time.monotonic()
        while not condition():
            assert not is_over(began, 20), f"{what}\n{self.log()}\n{self.events()}"
            time.sleep(0.01)

    def close(self) -> None:
        for keeper in self.keepers:
            keeper.kill()
            keeper.wait()
        for pid in {event.pid for event in self.events()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def order(events: list[Event], what: str) -> list[str]:
    return [event.child for event in events if event.what == what]


def standbys_of(keeper: subprocess.Popen[bytes]) -> list[int]:
    """Return the keeper's children that wait for their turn."""
    found = []
    for child in processes():
        if child.parent == keeper.pid:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                words = Path(f"/proc/{child.pid}/cmdline").read_bytes().split(b"\0")
                found += [child.pid] if b"--standby" in words else []
    return found


def test_children_start_in_order_and_stop_in_the_other_order(world: World) -> None:
    world.mode("core", "slow-stop")
    keeper = world.started()
    assert order(world.events(), "start") == ["link", "executor", "core"]
    assert (world.run / "pid").read_text().strip() == str(keeper.pid)
    keeper.terminate()
    assert keeper.wait(20) == 0
    said = [(event.child, event.what) for event in world.events() if event.what != "start"]
    assert said == [
        (child, what) for child in ("core", "executor", "link") for what in ("term", "end")
    ]
    assert not (world.run / "pid").exists()


def test_a_killed_link_is_continued_by_the_standby(world: World) -> None:
    keeper = world.started()
    (first,) = world.starts("link")
    world.wait(lambda: len(standbys_of(keeper)) == 1, "a standby is there")
    (standby,) = standbys_of(keeper)
    os.kill(first.pid, signal.SIGKILL)
    world.wait(lambda: len(world.starts("link")) == 2, "link runs again")
    assert world.starts("link")[1].word == "--continuing"
    assert world.starts("link")[1].pid == standby
    assert len(world.starts("core")) == 1


def test_a_killed_core_is_restarted_to_adopt(world: World) -> None:
    world.started()
    os.kill(world.starts("core")[0].pid, signal.SIGKILL)
    world.wait(lambda: len(world.starts("core")) == 2, "core runs again")
    assert world.starts("core")[1].word == "--adopting"
    assert len(world.starts("link")) == 1


def test_a_child_that_misses_its_lease_is_killed_and_restarted(world: World) -> None:
    world.started()
    world.mode("core", "hang")
    world.wait(lambda: "gave no sign of life" in world.log(), "the lease is missed")
    world.mode("core", "")
    world.wait(lambda: len(world.starts("core")) >= 2, "core runs again")


def test_without_a_keeper_children_stop_by_themselves_in_order(world: World) -> None:
    world.mode("core", "slow-stop")
    keeper = world.started()
    keeper.kill()
    keeper.wait()
    world.wait(lambda: order(world.events(), "end")[-1:] == ["link"], "link ends last")
    assert order(world.events(), "end") == ["core", "executor", "link"]


def test_a_new_keeper_waits_for_the_children_of_a_killed_one(world: World) -> None:
    world.mode("core", "slow-stop")
    first = world.started()
    first.kill()
    first.wait()
    world.start()
    world.wait(lambda: len(world.starts("link")) == 2, "the second keeper starts its link")
    ended = [event.at_s for event in world.events() if event.what == "end"]
    assert len(ended) == 3
    assert max(ended) < world.starts("link")[1].at_s


def test_a_second_start_is_refused_with_the_pid_of_the_first(world: World) -> None:
    first = world.started()
    assert world.start().wait(20) == 1
    assert f"runs already as process {first.pid}" in world.log()
    assert first.poll() is None


def test_a_wrong_configuration_ends_the_start_with_status_6(world: World) -> None:
    world.mode("link", "misconfigured")
    assert world.start().wait(20) == 6
    assert order(world.events(), "start") == ["link"]


def test_a_hangup_is_forwarded_to_core(world: World) -> None:
    keeper = world.started()
    keeper.send_signal(signal.SIGHUP)
    world.wait(lambda: order(world.events(), "hup") == ["core"], "it is told")


def test_a_graceful_stop_disarms_the_watchdog_and_a_crash_does_not(world: World) -> None:
    device = world.run / "watchdog"
    device.touch()
    keeper = world.started()
    world.wait(lambda: device.read_bytes().startswith(b"."), "it is fed")
    keeper.terminate()
    assert keeper.wait(20) == 0
    assert device.read_bytes().endswith(b"V")
    device.write_bytes(b"")
    keeper = world.start()
    world.wait(lambda: device.read_bytes().startswith(b"."), "it is fed again")
    keeper.kill()
    keeper.wait()
    assert not device.read_bytes().endswith(b"V")
