"""Programs run for real: what goes before others, and for how long."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from everbeat.adapters.processes import Processes
from everbeat.executor.effects import Launch

AUTOGROUP = Path("/proc/self/autogroup")
SCRIPT = (
    "sleep 60 >/dev/null 2>&1 & echo $!; until [ -e $GO ]; do sleep 0.01; done;"
    " cat /proc/$$/autogroup"
)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="priorities are root's to raise"),
    pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not group sessions"),
]


def _share_while_and_after(folder: Path, *, is_urgent: bool, is_prompt: bool) -> tuple[str, str]:
    """Return the niceness of a script's session while it runs, and of what it leaves behind."""
    output = asyncio.run(_output(folder / "go", is_urgent=is_urgent, is_prompt=is_prompt))
    left_behind, during = output.splitlines()
    after = Path(f"/proc/{left_behind}/autogroup").read_text()
    os.kill(int(left_behind), signal.SIGKILL)
    return during.split()[-1], after.split()[-1]


async def _output(go: Path, *, is_urgent: bool, is_prompt: bool) -> str:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()
    processes = Processes(loop, lambda _, e: ended.set_result(e.output), is_prompt=is_prompt)
    command = ("/bin/sh", "-c", SCRIPT)
    environment = (("PATH", os.environ["PATH"]), ("GO", str(go)))
    processes.launch(Launch(run=1, command=command, environment=environment, is_urgent=is_urgent))
    loop.call_soon(go.touch)  # launched, it goes before others or does not: now it may look
    return await asyncio.wait_for(ended, 20)


def test_an_urgent_script_goes_before_others_and_what_it_leaves_behind_does_not(
    tmp_path: Path,
) -> None:
    assert _share_while_and_after(tmp_path, is_urgent=True, is_prompt=True) == ("-15", "0")


@pytest.mark.parametrize(("is_urgent", "is_prompt"), [(False, True), (True, False)])
def test_a_script_that_is_not_urgent_or_not_to_be_preferred_shares(
    tmp_path: Path,
    is_urgent: bool,  # noqa: FBT001 - a parameter
    is_prompt: bool,  # noqa: FBT001 - a parameter
) -> None:
    shares = _share_while_and_after(tmp_path, is_urgent=is_urgent, is_prompt=is_prompt)
    assert shares == ("0", "0")
