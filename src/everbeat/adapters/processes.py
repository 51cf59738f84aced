"""Run programs for the executor: own session, no terminal, bounded output, killed as a group.

An operation ends when its process ends, not when its output is closed: scripts start services
that keep the script's output open for ever. What they write is read on by a process that outlives
us (output_drain). The child holds the reading end of its output as well, so that no write can
raise SIGPIPE, whoever is killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.accounts import login_of
from everbeat.adapters.host_facts import first_line
from everbeat.adapters.output_drain import OutputDrains
from everbeat.adapters.realtime import prefer_session
from everbeat.config.interpreters import interpreter_trouble
from everbeat.executor.effects import Ending

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from everbeat.adapters.operation_record import OperationRecord
    from everbeat.executor.effects import Launch

OUTPUT_BYTES_MAX: Final = 4_096
"""Bytes of stdout and stderr kept, the end of them."""

WORDS_BYTES_MAX: Final = 65_536
"""Bytes of stdout kept for the reading of a status, the end of them."""

PREFERRED_S_MAX: Final = 5.0
"""So long an urgent program goes before others; a start that computes for minutes shares again."""

NOT_STARTED_EXIT: Final = 126
_READ_BYTES: Final = 65_536
_DRAIN_READS_MAX: Final = 4  # a background child may write faster than we read


@dataclass(slots=True)
class _Capture:
    """One stream of a child's output. `tails`: buffers that keep the end, with their limits.

    `letting_go`: closed, it has another process read on.
    """

    reading: int
    tails: list[tuple[bytearray, int]]
    letting_go: int | None = None

    def read(self) -> bool | None:
        """Take what is there; whether there may be more, None: nobody writes any more."""
        try:
            data = os.read(self.reading, _READ_BYTES)
        except BlockingIOError:
            return False
        for tail, limit in self.tails:
            tail.extend(data)
            del tail[:-limit]
        return True if data else None

    def close(self) -> None:
        """Let go."""
        os.close(self.reading)
        if self.letting_go is not None:
            os.close(self.letting_go)


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    pidfd: int
    name: str
    captures: list[_Capture]
    output: bytearray
    words: bytearray
    is_signalled: bool = field(default=False)
    preferred: asyncio.TimerHandle | None = field(default=None)  # when it ceases to be


class Processes:
    """The running programs by run number. `on_ended` is called once for each `launch`.

    `is_prompt`: urgent ones go before other programs. What they leave behind does not.
    `record`: of those that are asked for again after our death.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_ended: Callable[[int, Ending], None],
        *,
        is_prompt: bool = False,
        record: OperationRecord | None = None,
    ) -> None:
        self._loop = loop
        self._record = record
        self._on_ended = on_ended
        self._is_prompt = is_prompt
        self._children: dict[int, _Child] = {}
        self._drains = OutputDrains(loop)
        self._setpriv = shutil.which("setpriv")

    def launch(self, order: Launch) -> None:
        """Start a program; when that fails it ends at once with NOT_STARTED_EXIT."""
        output, words = bytearray(), bytearray()
        captures = [] if order.is_bound else _captures(output, words, is_apart=order.is_read)
        try:
            process = self._start(order, captures)
        except (OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
            for capture in captures:
                capture.close()
            path = order.command[0]
            trouble = interpreter_trouble(first_line(path), lambda each: Path(each).is_file())
            ending = Ending(exit_code=NOT_STARTED_EXIT, output=f"{path}: {trouble or error}")
            self._loop.call_soon(self._on_ended, order.run, ending)
            return
        if order.is_ended_by_next and self._record is not None:
            with contextlib.suppress(OSError):  # a full disk must not keep a service from starting
                self._record.note(process.pid)
        pidfd = os.pidfd_open(process.pid)
        name = " ".join(order.command)
        child = _Child(process, pidfd, name, captures, output, words)
        if order.is_urgent and self._is_prompt:
            prefer_session(process.pid, is_preferred=True)
            child.preferred = self._loop.call_later(PREFERRED_S_MAX, _cease_to_prefer, child)
        self._children[order.run] = child
        for capture in captures:
            self._loop.add_reader(capture.reading, self._read, capture)
            if order.may_leave_running:
                capture.letting_go = self._drains.guard(capture.reading, name)
        self._loop.add_reader(pidfd, self._on_exit, order.run)

    def signal(self, run: int, *, is_hard: bool) -> None:
        """End a run's process group; nothing happens if it has ended."""
        child = self._children.get(run)
        if child is None:
            return
        child.is_signalled = True
        _signal_group(child, signal.SIGKILL if is_hard else signal.SIGTERM)

    def pid(self, run: int) -> int | None:
        """Return the process, session and group of a run, or None if it has ended."""
        child = self._children.get(run)
        return child.process.pid if child is not None else None

    def output(self, run: int) -> str:
        """Return what a run has said so far, the end of it."""
        child = self._children.get(run)
        return child.output.decode(errors="replace") if child is not None else ""

    def running(self) -> tuple[int, ...]:
        """Return the runs that have not ended."""
        return tuple(self._children)

    def _read(self, capture: _Capture) -> None:
        if capture.read() is None:
            self._loop.remove_reader(capture.reading)

    def _start(self, order: Launch, captures: list[_Capture]) -> subprocess.Popen[bytes]:
        command = list(order.command)
        if order.is_bound and self._setpriv:
            command = [self._setpriv, "--pdeathsig", "TERM", "--", *command]
        try:
            return _spawn(command, order, captures)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return _spawn(["/bin/sh", *command], order, captures)  # no #! line: as a shell does

    def _on_exit(self, run: int) -> None:
        child = self._children.pop(run)
        self._loop.remove_reader(child.pidfd)
        if child.is_signalled:  # before reaping: until then the group's number is still ours
            _signal_group(child, signal.SIGKILL)
        _cease_to_prefer(child)
        if self._record is not None:
            self._record.forget(child.process.pid)
        code = child.process.wait()
        os.close(child.pidfd)
        for capture in child.captures:
            self._loop.remove_reader(capture.reading)
            for _ in range(_DRAIN_READS_MAX):
                if not capture.read():
                    break
            if capture.letting_go is None:
                self._drains.take(capture.reading, child.name)
            capture.close()
        ending = Ending(
            exit_code=code if code >= 0 else 128 - code,
            output=child.output.decode(errors="replace"),
            words=child.words.decode(errors="replace"),
        )
        self._on_ended(run, ending)


def _cease_to_prefer(child: _Child) -> None:
    """Have what is in a child's session share again: before reaping, as long as it has a number."""
    if child.preferred is not None:
        child.preferred.cancel()
        child.preferred = None
        prefer_session(child.process.pid, is_preferred=False)


def _captures(output: bytearray, words: bytearray, *, is_apart: bool) -> list[_Capture]:
    """Return the captures for stdout and stderr: one for both, or two."""
    both = (output, OUTPUT_BYTES_MAX)
    if not is_apart:
        return [_open_capture([both])]
    return [_open_capture([both, (words, WORDS_BYTES_MAX)]), _open_capture([both])]


def _open_capture(tails: list[tuple[bytearray, int]]) -> _Capture:
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.close(writing)
    return _Capture(reading, tails)


@contextlib.contextmanager
def _writing_ends(captures: list[_Capture]) -> Iterator[list[int]]:
    """Yield what a child writes to: descriptors that read as well, and wait when the pipe is full.

    We keep none, so as to see when nobody writes any more.
    """
    with contextlib.ExitStack() as opened:
        ends = []
        for capture in captures:
            end = os.open(f"/proc/self/fd/{capture.reading}", os.O_RDWR | os.O_CLOEXEC)
            opened.callback(os.close, end)
            ends.append(end)
        yield ends


def _spawn(command: list[str], order: Launch, captures: list[_Capture]) -> subprocess.Popen[bytes]:
    login = login_of(order.user) if order.user else None
    other = login if login is not None and login.uid != os.geteuid() else None
    with _input(order.input) as stdin, _writing_ends(captures) as writing:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=writing[0] if writing else 2,
            stderr=writing[-1] if writing else 2,
            env={_bytes(name): _bytes(value) for name, value in order.environment},
            cwd="/",
            umask=0o022,
            start_new_session=True,
            user=other.uid if other else None,
            group=other.gid if other else None,
            extra_groups=other.groups if other else None,
        )


@contextlib.contextmanager
def _input(text: str) -> Iterator[int]:
    """Yield what a child reads: memory that holds the text, so that nothing can block on it."""
    if not text:
        yield subprocess.DEVNULL
        return
    descriptor = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, _bytes(text))
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _bytes(text: str) -> bytes:
    """Return the bytes behind a string: message fields hold one character per byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return os.fsencode(text)


def _signal_group(child: _Child, number: signal.Signals) -> None:
    try:
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        return
