"""The witness process: a third voter for clusters of two nodes, on a machine that is none of them.

    UDP ── questions ──> WitnessNode ── answers ──> UDP
                           └── KeepGrants ──> STATE/CLUSTER.grants, on disk before the answer goes
    RUN/witness.sock ── whoever connects reads the status as JSON

In the foreground. SIGTERM: end. SIGHUP: read the keys again. Exit status: 0 after SIGTERM, 6 for
keys or words that are wrong, 1 if an address cannot be opened or the disk fails. A grant that
cannot be kept is not given: the process ends, and its successor waits for a deadtime.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import logging
import secrets
import selectors
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat import VERSION
from everbeat.adapters.clock import SystemClock
from everbeat.adapters.config_files import read_config_file
from everbeat.adapters.disk_identity import DiskIdentityError
from everbeat.adapters.log import LEVELS, LOGGER_NAME, Log, LogTargets
from everbeat.adapters.notify import notify
from everbeat.adapters.own_files import is_folder_ours
from everbeat.adapters.witness_grants import read_grants, write_grants
from everbeat.adapters.witness_socket import (
    Listening,
    StatusSocket,
    WitnessSocket,
    listening_from_word,
)
from everbeat.config.witness_keys import (
    ONLY_CLUSTER,
    ClusterFile,
    WitnessConfig,
    witness_config_from_files,
)
from everbeat.membership.witness import KeepGrants
from everbeat.node.witness_node import Reply, WitnessNode, lines_of_witness_fact
from everbeat.wire.witness import LIFE_BITS, witness_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from everbeat.adapters.witness_socket import Arrived
    from everbeat.model.reports import Report
    from everbeat.node.witness_node import WitnessNodeEffect
    from everbeat.wire.witness import WitnessKey

EXIT_NOT_CONFIGURED: Final = 6
EXIT_BROKEN: Final = 1
KEYS_FOLDER: Final = "witness.d"
KEYS_SUFFIX: Final = ".authkeys"

_log = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessOptions:
    """Command line. `keys`: a folder of NAME.authkeys; None: ETC/witness.d and ETC/authkeys."""

    etc: Path = Path("/etc/ha.d")
    keys: Path | None = None
    state: Path = Path("/var/lib/heartbeat/witness")
    run: Path = Path("/run/heartbeat")
    listening: tuple[Listening, ...] = (Listening(""),)


class WitnessDaemon:
    """Moves bytes and time between a WitnessNode and the world. One per process."""

    def __init__(self, options: WitnessOptions, config: WitnessConfig) -> None:
        self._options = options
        self._clock = SystemClock()
        self._started_ms = self._clock.now_ms()
        self._clusters = tuple(each.cluster for each in config.clusters)
        kept = read_grants(options.state)
        life = secrets.randbits(LIFE_BITS) or 1
        self._node = WitnessNode(_keys_of(config), kept, self._started_ms, life)
        self._selector = selectors.DefaultSelector()
        self._signals = _signal_socket()
        self._selector.register(self._signals, selectors.EVENT_READ)
        self._sockets: list[WitnessSocket] = []
        self._status: StatusSocket | None = None
        self._is_over = False

    def open(self) -> None:
        """Open all sockets. Raise OSError."""
        for listening in self._options.listening:
            opened = WitnessSocket(listening)
            self._sockets.append(opened)
            self._selector.register(opened, selectors.EVENT_READ, opened)
        self._status = StatusSocket(self._options.run / "witness.sock")
        self._selector.register(self._status, selectors.EVENT_READ, self._status)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raise DiskIdentityError if a grant cannot be kept."""
        while not self._is_over:
            wakeup_ms = self._node.next_wakeup_ms()
            now_ms = self._clock.now_ms()
            wait_s = None if wakeup_ms is None else max(0, wakeup_ms - now_ms) / 1000
            for key, _ in self._selector.select(wait_s):
                self._on_readable(key.data)
            if wakeup_ms is not None and self._clock.now_ms() >= wakeup_ms:
                self._perform(self._node.on_tick(self._clock.now_ms()), None, None)

    def close(self) -> None:
        """Close everything."""
        for opened in self._sockets:
            opened.close()
        if self._status is not None:
            self._status.close()

    def _on_readable(self, source: WitnessSocket | StatusSocket | None) -> None:
        match source:
            case WitnessSocket():
                for question in source.receive():
                    now_ms = self._clock.now_ms()
                    effects = self._node.on_datagram(question.data, question.source_text, now_ms)
                    self._perform(effects, source, question)
            case StatusSocket():
                source.tell(self._status_text())
            case None:
                for number in self._signals.recv(64):
                    self._on_signal(number)

    def _perform(
        self,
        effects: Iterable[WitnessNodeEffect],
        opened: WitnessSocket | None,
        question: Arrived | None,
    ) -> None:
        for effect in effects:
            if isinstance(effect, KeepGrants):
                write_grants(self._options.state, effect.cluster, effect.grants)
            elif isinstance(effect, Reply):
                if opened is not None and question is not None:
                    opened.answer(question, effect.data)
            else:
                for level, text in lines_of_witness_fact(effect):
                    _log.log(level, "%s", text)

    def _on_signal(self, number: int) -> None:
        if number != signal.SIGHUP:
            notify("STOPPING=1")
            self._is_over = True
            return
        config = load_witness_config(self._options)
        _tell(config.reports)
        if not config.clusters:
            _log.error("the keys were not taken over; the former ones stay in use")
            return
        self._node.on_keys(_keys_of(config))
        self._clusters = tuple(each.cluster for each in config.clusters)
        _log.info("keys were read again: %s", ", ".join(self._clusters))

    def _status_text(self) -> str:
        """Return the status as one JSON object; times are milliseconds before now."""
        now_ms = self._clock.now_ms()
        asked = {each.cluster: each.nodes for each in self._node.view()}
        clusters = []
        for name in sorted({*self._clusters, *asked}):
            nodes = []
            for node in asked.get(name, ()):
                values = asdict(node)
                granted_ms, asked_ms = values.pop("granted_ms"), values.pop("asked_ms")
                fresh_for_ms = max(0, values.pop("fresh_until_ms") - now_ms)
                values |= {
                    "is_granted": fresh_for_ms > 0,
                    "fresh_for_ms": fresh_for_ms,
                    "granted_ago_ms": now_ms - granted_ms if granted_ms else None,
                    "asked_ago_ms": now_ms - asked_ms if asked_ms else None,
                }
                nodes.append(values)
            clusters.append({"cluster": name, "has_keys": name in self._clusters, "nodes": nodes})
        status = {
            "version": VERSION,
            "up_ms": now_ms - self._started_ms,
            "rejected_count": self._node.rejected_count,
            "unknown_keys": [
                {"source": s.source, "count": s.count, "ago_ms": now_ms - s.last_ms}
                for s in self._node.strangers
            ],
            "clusters": clusters,
        }
        return json.dumps(status)


def load_witness_config(options: WitnessOptions) -> WitnessConfig:
    """Read all files with keys."""
    folder = options.keys or options.etc / KEYS_FOLDER
    files = [
        ClusterFile(path.name.removesuffix(KEYS_SUFFIX), read_config_file(path))
        for path in sorted(folder.glob(f"*{KEYS_SUFFIX}"))
    ]
    single = options.etc / "authkeys"
    if options.keys is None and (single.exists() or not files):
        files.append(ClusterFile(ONLY_CLUSTER, read_config_file(single)))
    return witness_config_from_files(files)


def serve(options: WitnessOptions) -> int:
    """Run a witness until SIGTERM; return the exit status."""
    log = Log(LogTargets(node=socket.gethostname(), program="witness"))
    log.start()
    try:
        config = load_witness_config(options)
        _tell(config.reports)
        if not config.clusters:
            folder = options.keys or options.etc / KEYS_FOLDER
            _log.error("no keys: copy a cluster's authkeys to %s/NAME%s", folder, KEYS_SUFFIX)
            return EXIT_NOT_CONFIGURED
        if (options.etc / "ha.cf").exists():
            text = "a witness belongs on a third machine, but %s says that this one is a node"
            _log.warning(text, options.etc / "ha.cf")
        return _serve(options, config)
    finally:
        log.close()


def _serve(options: WitnessOptions, config: WitnessConfig) -> int:
    try:
        options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_folder_ours(options.state):  # who puts old grants back there decides who serves
            mend = "others may write here: see what they did, then chown root, chmod go-w"
            raise PermissionError(errno.EPERM, mend, str(options.state))
        daemon = WitnessDaemon(options, config)
    except OSError as error:
        _log.error("%s: %s", error.filename or options.state, error.strerror)
        return EXIT_BROKEN
    try:
        daemon.open()
        served = ", ".join(each.cluster for each in config.clusters)
        where = ", ".join(f"{each.address or '*'} port {each.port}" for each in options.listening)
        _log.info("witness of %s, listening on %s", served, where)
        notify(f"READY=1\nSTATUS=witness of {served}")
        daemon.run()
    except DiskIdentityError as error:
        _log.critical("a grant cannot be kept, so none is given: %s", error)
        return EXIT_BROKEN
    except OSError as error:
        _log.error("cannot listen: %s", error)
        return EXIT_BROKEN
    finally:
        daemon.close()
    _log.info("witness ends")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Take the command line of `everbeat witness`; return the exit status."""
    defaults = WitnessOptions()
    parser = argparse.ArgumentParser(prog="everbeat witness", description="Run a witness.")
    parser.add_argument("--listen", action="append", default=[])
    parser.add_argument("--keys", type=Path, default=None)
    for name in ("etc", "state", "run"):
        parser.add_argument(f"--{name}", type=Path, default=getattr(defaults, name))
    chosen = parser.parse_args(argv)
    listening: list[Listening] = []
    for word in chosen.listen or [""]:
        place = listening_from_word(word)
        if place is None:
            known = "ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT"
            text = f"everbeat witness: --listen {word}: write {known}"
            print(text, file=sys.stderr)  # noqa: T201 - no log yet
            return EXIT_NOT_CONFIGURED
        listening.append(place)
    return serve(
        WitnessOptions(
            etc=chosen.etc,
            keys=chosen.keys,
            state=chosen.state,
            run=chosen.run,
            listening=tuple(listening),
        )
    )


def _keys_of(config: WitnessConfig) -> list[WitnessKey]:
    return [key for each in config.clusters for key in witness_keys(each.cluster, each.keys)]


def _tell(reports: Iterable[Report]) -> None:
    for report in reports:
        where = (
            f"{report.place.file}:{report.place.line}" if report.place.line else report.place.file
        )
        remedy = f"; write: {report.remedy}" if report.remedy else ""
        _log.log(LEVELS[report.severity], "%s: %s%s", where, report.summary, remedy)


def _signal_socket() -> socket.socket:
    """Return a socket from which the numbers of arriving signals can be read."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)  # noqa: FBT003 - positional only in socket
    signal.set_wakeup_fd(theirs.detach())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return ours


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
