"""A machine of the laboratory on the second bridge that runs the witness and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from everbeat.adapters.namespaces import Space, SpaceConfig
from lab.laboratory import wait_until

if TYPE_CHECKING:
    from lab.laboratory import Lab

WITNESS_ADDRESS: Final = "10.78.0.200"
AUTHKEYS: Final = "auth 1\n1 sha1 laboratory\n"


class WitnessMachine:
    """The machine and its process; `folder` is its disk."""

    def __init__(self, lab: Lab, folder: Path, authkeys: str = AUTHKEYS) -> None:
        self.folder = folder
        keys = folder / "etc" / "authkeys"
        keys.parent.mkdir()
        keys.write_text(authkeys)
        keys.chmod(0o600)
        self.space = Space(SpaceConfig(host="witness"))
        self.plug = lab.switch.plug(
            self.space, "eth0", f"{WITNESS_ADDRESS}/24", port="witness", bridge=1
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def words(self) -> list[str]:
        """Return the places, as options."""
        return [f"--etc={self.folder}/etc", f"--state={self.folder}", f"--run={self.folder}/run"]

    def start(self) -> None:
        """Start the witness and wait until it answers its tools."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.space.network_command(
                    *(sys.executable, "-m", "everbeat.daemons.witness", *self.words())
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until((self.folder / "run/witness.sock").exists, "the witness is up")

    def kill(self) -> None:
        """Kill the witness; its disk stays."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        (self.folder / "run/witness.sock").unlink()

    def status(self) -> dict[str, Any]:
        """Return `everbeat witness --json`."""
        done = subprocess.run(
            [Path(sys.executable).with_name("everbeat"), *self.words(), "witness", "--json"],
            capture_output=True,
            check=True,
        )
        value: dict[str, Any] = json.loads(done.stdout)
        return value

    def log(self) -> str:
        """Return what it wrote."""
        return (self.folder / "log").read_text()

    def close(self) -> None:
        """Remove the machine."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.space.kill()
