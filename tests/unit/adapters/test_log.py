"""The log of a daemon."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

from everbeat.adapters.log import LOGGER_NAME, QUEUE_LINES_MAX, Log, LogTargets, wait_written
from everbeat.node.log_lines import LogLevel

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_look_like_heartbeats_and_debug_goes_to_the_debugfile_only(tmp_path: Path) -> None:
    logfile, debugfile = tmp_path / "ha-log", tmp_path / "ha-debug"
    log = Log(LogTargets(node="alpha", logfile=str(logfile), debugfile=str(debugfile), debug=1))
    log.start()
    logger = logging.getLogger(LOGGER_NAME)
    logger.info("Link beta:eth0 up.")
    logger.debug("details")
    logger.log(LogLevel.NOTICE, "two\nlines \x1b[31m")
    logger.warning("node beta: is dead")
    log.close()
    lines = logfile.read_text().splitlines()
    words = ["info: Link beta:eth0 up.", "notice: two", r"notice: lines \x1b[31m"]
    assert [line.partition(f"[{os.getpid()}]: ")[2] for line in lines] == [
        *words,
        "WARN: node beta: is dead",
    ]
    assert all(
        re.match(r"[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d alpha heartbeat: \[\d+\]: ", line)
        for line in lines
    )
    assert "debug: details" in debugfile.read_text()


def test_a_full_queue_drops_lines_and_says_how_many(tmp_path: Path) -> None:
    log = Log(LogTargets(node="alpha", logfile=str(tmp_path / "ha-log")))
    for number in range(QUEUE_LINES_MAX + 7):
        log.put(LogLevel.INFO, f"line {number}")
    assert log.dropped_count == 7
    log._writer.start()
    while not log._queue.empty():
        pass
    log.put(LogLevel.INFO, "after")
    log.close()
    assert [line.partition("]: ")[2] for line in (tmp_path / "ha-log").read_text().splitlines()][
        -2:
    ] == ["WARN: 7 log lines were dropped: the log is too slow", "info: after"]


def test_what_was_logged_is_in_the_file_after_a_wait(tmp_path: Path) -> None:
    log = Log(LogTargets(node="alpha", logfile=str(tmp_path / "ha-log")))
    log.start()
    for number in range(1_000):
        logging.getLogger(LOGGER_NAME).info("line %d", number)
    wait_written()
    assert len((tmp_path / "ha-log").read_text().splitlines()) == 1_000
    log.close()
    wait_written()


def test_a_log_file_that_cannot_be_written_hurts_nobody(tmp_path: Path) -> None:
    debugfile = tmp_path / "ha-debug"
    log = Log(LogTargets(node="alpha", logfile=str(tmp_path), debugfile=str(debugfile)))
    log.start()
    logging.getLogger(LOGGER_NAME).error("told elsewhere")
    log.close()
    assert "ERROR: told elsewhere" in debugfile.read_text()
