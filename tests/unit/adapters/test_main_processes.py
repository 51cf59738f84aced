"""The end of a main process is heard from the kernel, and what it left is ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from everbeat.adapters.flight_record import family_of, flight_record
from everbeat.adapters.main_processes import MainProcesses, find_main
from everbeat.adapters.process_table import Process, process, processes
from everbeat.agents.agent import AddressAgent, ScriptAgent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = "sleep 1000 & sleep 1000 & wait"


def start_service() -> subprocess.Popen[bytes]:
    """A session leader with two workers, all asleep."""
    service = subprocess.Popen(["sh", "-c", SERVICE], start_new_session=True)
    asleep = [("sh", "S"), ("sleep", "S"), ("sleep", "S")]
    while sorted((p.name, p.state) for p in processes() if p.session == service.pid) != asleep:
        os.sched_yield()
    return service


def session_of(leader: int) -> list[int]:
    return [one.pid for one in processes() if one.session == leader and one.state != "Z"]


def script_for(folder: Path, pid: int) -> ScriptAgent:
    pid_file, script = folder / "web.pid", folder / "web"
    pid_file.write_text(f"{pid}\n")
    script.write_text(f"#!/bin/sh\nPIDFILE={pid_file}\n")
    return ScriptAgent(str(script))


async def wait_found(watching: MainProcesses) -> None:
    while watching._observed[7].found is None:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)


def end(service: subprocess.Popen[bytes]) -> None:
    for pid in session_of(service.pid):
        os.kill(pid, signal.SIGKILL)
    service.wait()


def test_a_killed_main_process_is_certain_and_its_workers_are_ended_on_request(
    tmp_path: Path,
) -> None:
    async def play() -> None:
        heard: asyncio.Queue[tuple[int, str, bool]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        watching = MainProcesses(loop, lambda *cause: heard.put_nowait(cause))
        service = start_service()
        try:
            watching.observe(7, script_for(tmp_path, service.pid))
            await wait_found(watching)
            os.kill(service.pid, signal.SIGKILL)
            cause = await asyncio.wait_for(heard.get(), 5)
            assert cause == (7, f"process {service.pid} ended", True)
            workers = session_of(service.pid)
            assert len(workers) == 2
            assert sorted(watching.end_remains(7)) == sorted(workers)
            assert watching.end_remains(7) == ()
        finally:
            watching.close()
            end(service)

    asyncio.run(play())


def test_a_process_whose_pid_file_names_another_one_that_lives_is_no_certain_cause(
    tmp_path: Path,
) -> None:
    async def play() -> None:
        heard: asyncio.Queue[tuple[int, str, bool]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        watching = MainProcesses(loop, lambda *cause: heard.put_nowait(cause))
        service, successor = start_service(), start_service()
        try:
            watching.observe(7, script_for(tmp_path, service.pid))
            await wait_found(watching)
            (tmp_path / "web.pid").write_text(f"{successor.pid}\n")
            os.kill(service.pid, signal.SIGKILL)
            assert (await asyncio.wait_for(heard.get(), 5))[2] is False
        finally:
            watching.close()
            end(service)
            end(successor)

    asyncio.run(play())


def test_without_a_pid_file_the_oldest_process_of_the_start_is_taken(tmp_path: Path) -> None:
    service = start_service()
    try:
        script = tmp_path / "plain"
        script.write_text("#!/bin/sh\n")
        found = find_main(ScriptAgent(str(script)), service.pid)
        assert found is not None
        os.close(found.pidfd)
        assert (found.pid, found.leads_session, found.pid_file) == (service.pid, True, "")
        assert find_main(ScriptAgent(str(script)), 0) is None
        assert find_main(AddressAgent("IPaddr"), service.pid) is None
    finally:
        end(service)


def test_a_flight_record_shows_the_processes_of_a_session_under_their_parents() -> None:
    service = start_service()
    try:
        lines = flight_record(service.pid, "starting\nwaiting for the disk\n")
    finally:
        end(service)
    tree = [line for line in lines if " sh: " in line or " sleep: " in line]
    assert tree[0].startswith(f"{service.pid} sh: S sleeping")
    assert [line[:2] for line in tree[1:]] == ["  ", "  "]
    assert "said: waiting for the disk" in lines
    assert any(line.startswith("machine: load ") for line in lines)


class Table(tuple[Process, ...]):
    """A table that counts how often it is gone through."""

    __slots__ = ()
    rounds: list[int] = []  # noqa: RUF012 - a tuple has no attributes of its own

    def __iter__(self) -> Iterator[Process]:
        self.rounds.append(1)
        return super().__iter__()


def test_many_processes_of_a_service_are_each_looked_at_a_few_times() -> None:
    table = Table(
        Process(pid=n, name="x", state="S", parent=n // 2, session=1, started_ticks=n)
        for n in range(2, 2_000)
    )
    assert len(family_of(1, table)) == len(table)
    assert [(depth, one.pid) for depth, one in family_of(1, Table(table[:5]))] == [
        (0, 2),
        (1, 4),
        (1, 5),
        (0, 3),
        (1, 6),
    ]
    assert len(Table.rounds) <= 10


def test_what_has_ended_is_not_in_the_table() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert process(ended.pid) is None
    own = process(os.getpid())
    assert own is not None
    assert own.parent == os.getppid()
