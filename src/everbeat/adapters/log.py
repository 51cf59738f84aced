"""The log of a daemon: stderr, logfile, debugfile and syslog, as ha.cf says, never blocking.

    daemon ──put_nowait──> queue (QUEUE_LINES_MAX) ──writer thread──> targets

A line that finds the queue full is dropped; the next one that finds room says how many were. Files
are opened for each batch of lines, so that they may be rotated by renaming. Lines look like
Heartbeat's: `Nov 22 14:51:08 alpha heartbeat: [37]: info: text`. Passwords of mounts and programs,
named as such, are masked: others read the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import sys
import threading
import time
from dataclasses import dataclass
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.config.secrets import masked
from everbeat.model.reports import Severity
from everbeat.node.log_lines import LogLevel

if TYPE_CHECKING:
    from everbeat.model.cluster import HaConfig

QUEUE_LINES_MAX: Final = 5_000
CLOSE_TIMEOUT_S: Final = 1.0
LOGGER_NAME: Final = "everbeat"
LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}
_SYSLOG_SOCKET: Final = "/dev/log"
_THREAD_STACK_BYTES: Final = 256 * 1024  # small: a real-time daemon locks it into memory
_SYSLOG_PRIORITIES: Final = {
    LogLevel.DEBUG: 7,
    LogLevel.INFO: 6,
    LogLevel.NOTICE: 5,
    LogLevel.WARN: 4,
    LogLevel.ERROR: 3,
    LogLevel.CRIT: 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTargets:
    """Where lines go. Empty: not there. stderr always gets them."""

    node: str
    program: str = "heartbeat"
    logfile: str = ""  # info and above
    debugfile: str = ""  # everything
    facility: str = ""  # syslog
    debug: int = 0  # debug lines are made from level 1


def targets_of(config: HaConfig) -> LogTargets:
    """Return the targets ha.cf names; syslog if it names none and systemd does not take stderr."""
    facility = "" if config.logfacility == "none" else config.logfacility
    has_target = bool(config.logfile or config.debugfile or facility)
    if not has_target and "JOURNAL_STREAM" not in os.environ:
        facility = "daemon"
    return LogTargets(
        node=config.node,
        logfile=config.logfile,
        debugfile=config.debugfile,
        facility=facility,
        debug=config.debug,
    )


class Log:
    """Takes the records of the `everbeat` logger. `start()` once; `close()` flushes."""

    def __init__(self, targets: LogTargets) -> None:
        self._targets = targets
        self._queue: queue.Queue[tuple[LogLevel, str] | None] = queue.Queue(QUEUE_LINES_MAX)
        self._writer = _Writer(targets, self._queue)
        self.dropped_count = 0

    def start(self) -> None:
        """Begin to take records and write lines."""
        logger = logging.getLogger(LOGGER_NAME)
        logger.handlers = [_QueueingHandler(self)]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if self._targets.debug else logging.INFO)
        former = threading.stack_size(_THREAD_STACK_BYTES)
        self._writer.start()
        threading.stack_size(former)

    def put(self, level: LogLevel, text: str) -> None:
        """Queue a line, or drop and count it."""
        line = line_of(self._targets, level, text, time.localtime())
        try:
            if self.dropped_count:
                told = f"{self.dropped_count} log lines were dropped: the log is too slow"
                warning = line_of(self._targets, LogLevel.WARN, told, time.localtime())
                self._queue.put_nowait((LogLevel.WARN, warning))
                self.dropped_count = 0
            self._queue.put_nowait((level, line))
        except queue.Full:
            self.dropped_count += 1

    def wait_written(self) -> None:
        """Wait until what is queued is written; for ever where a target hangs."""
        self._queue.join()

    def close(self) -> None:
        """Write what is queued, for CLOSE_TIMEOUT_S at most."""
        logging.getLogger(LOGGER_NAME).handlers = []
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=CLOSE_TIMEOUT_S)
        self._writer.join(CLOSE_TIMEOUT_S)


def wait_written() -> None:
    """Wait until all records of this process are written; for ever where a target hangs."""
    for handler in logging.getLogger(LOGGER_NAME).handlers:
        if isinstance(handler, _QueueingHandler):
            handler.log.wait_written()


def line_of(targets: LogTargets, level: LogLevel, text: str, when: time.struct_time) -> str:
    """Return a log file's line, without newline; control characters are made visible."""
    stamp = time.strftime("%b %d %H:%M:%S", when)
    shown = masked(text)
    printable = "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in shown)
    return f"{stamp} {targets.node} {targets.program}: [{os.getpid()}]: {level.word}: {printable}"


class _QueueingHandler(logging.Handler):
    """Gives records of the standard library's logging to a Log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = max((each for each in LogLevel if each <= record.levelno), default=LogLevel.DEBUG)
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        for line in text.splitlines():
            self.log.put(level, line)


class _Writer(threading.Thread):
    """Writes queued lines in batches; a target that fails does not keep the others waiting."""

    def __init__(
        self, targets: LogTargets, lines: queue.Queue[tuple[LogLevel, str] | None]
    ) -> None:
        super().__init__(name="log", daemon=True)
        self._targets = targets
        self._queue = lines
        self._is_over = False
        self._has_journal = "JOURNAL_STREAM" in os.environ
        self._syslog: socket.socket | None = None

    def run(self) -> None:
        while not self._is_over:
            batch = self._next_batch()
            with contextlib.suppress(OSError, ValueError):  # stderr may be closed
                self._write_stderr(batch)
            info = [line for level, line in batch if level > LogLevel.DEBUG]
            _append(self._targets.logfile, info)
            if self._targets.debugfile != self._targets.logfile:
                _append(self._targets.debugfile, [line for _, line in batch])
            if self._targets.facility:
                self._write_syslog(batch)
            for _ in batch:
                self._queue.task_done()
        self._hang_up()

    def _next_batch(self) -> list[tuple[LogLevel, str]]:
        batch: list[tuple[LogLevel, str]] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch
        self._is_over = True
        return batch

    def _write_stderr(self, batch: list[tuple[LogLevel, str]]) -> None:
        for level, line in batch:
            if self._has_journal:  # it adds time and host itself, and reads the priority
                _, _, text = line.partition(f" {self._targets.program}: ")
                line = f"<{_SYSLOG_PRIORITIES[level]}>{text}"  # noqa: PLW2901 - the same line, shorter
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _write_syslog(self, batch: list[tuple[LogLevel, str]]) -> None:
        facility = SysLogHandler.facility_names.get(
            self._targets.facility, SysLogHandler.LOG_DAEMON
        )
        for level, line in batch:
            stamp, text = line[:15], line.partition(f" {self._targets.program}: ")[2]
            record = f"<{facility << 3 | _SYSLOG_PRIORITIES[level]}>{stamp} {self._targets.program}"
            try:
                self._syslog_socket().send(f"{record}: {text}".encode())
            except OSError:
                self._hang_up()  # syslog restarts: connect anew with the next line

    def _syslog_socket(self) -> socket.socket:
        if self._syslog is None:
            self._syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._syslog.connect(_SYSLOG_SOCKET)
        return self._syslog

    def _hang_up(self) -> None:
        if self._syslog is not None:
            self._syslog.close()
            self._syslog = None


def _append(path: str, lines: list[str]) -> None:
    if not path or not lines:
        return
    with contextlib.suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))
