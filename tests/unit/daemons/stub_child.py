"""A child for the keeper's tests: says what happens to it in RUN/events, obeys RUN/<name>.mode."""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

name, *words = sys.argv[1:]
for held in os.environ["EVERBEAT_HELD_FDS"].split():
    os.set_inheritable(int(held), False)  # noqa: FBT003 - positional only in os
if words == ["--standby"]:
    with os.fdopen(int(os.environ["EVERBEAT_GO_FD"]), "rb") as go:
        told = go.readline()
    if not told:
        sys.exit(0)
    words = told.decode().strip().split("\0")
run = Path(words[words.index("--run") + 1])
lease = int(os.environ["EVERBEAT_LEASE_FD"])


def tell(what: str) -> None:
    with (run / "events").open("a") as events:
        events.write(f"{name} {what} {os.getpid()} {time.monotonic():.3f}\n")


def mode() -> str:
    path = run / f"{name}.mode"
    return path.read_text().strip() if path.exists() else ""


def renew() -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(lease, b".")


def on_term(*_: object) -> None:
    tell("term")
    if mode() == "slow-stop":
        for _ in range(25):
            time.sleep(0.02)
            renew()
    tell("end")
    os._exit(0)


def wait_orphaned() -> None:
    while os.read(int(os.environ["EVERBEAT_ORPHAN_FD"]), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGHUP, lambda *_: tell("hup"))
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
tell("start " + " ".join(word for word in words if word in ("--continuing", "--adopting")))
threading.Thread(target=wait_orphaned, daemon=True).start()
if mode() == "misconfigured":
    sys.exit(6)
watchdog = run / "watchdog"
report = f'{{"deadtime_ms": 1000, "watchdog": "{watchdog}"}}\n' if watchdog.exists() else ""
os.write(lease, report.encode() * (name == "link") + b"R")
while True:
    time.sleep(0.02)
    if mode() != "hang":
        renew()
