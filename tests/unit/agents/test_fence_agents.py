"""Command lines and answers of STONITH plug-ins and fence agents; with the real `stonith`."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from everbeat.agents.fence_call import FenceReading
from everbeat.agents.stonith_fence import fence_call, fence_reading
from everbeat.agents.stonith_glue import glue_call, glue_reading
from everbeat.model.fencing import FenceAction, FenceDevice, FenceOutcome
from everbeat.model.names import NodeName

if TYPE_CHECKING:
    from everbeat.agents.fence_call import FenceCall

BETA = NodeName("beta")
NOBODY = NodeName("")


def test_values_in_the_order_of_the_plug_in_go_to_its_standard_input() -> None:
    device = FenceDevice(name="d", type="external/ipmi", parameters=("beta", "10.0.0.9", "u", "pw"))
    call = glue_call(device, FenceAction.REBOOT, BETA)
    begin = ("stonith", "-s", "-t", "external/ipmi", "-F", "/dev/stdin")
    assert call.command == (*begin, "-T", "reset", "beta")
    assert call.input == "beta 10.0.0.9 u pw\n"
    assert "pw" not in call.command


def test_named_values_go_to_its_environment_and_a_file_stays_a_file() -> None:
    named = FenceDevice(name="d", type="external/ipmi", parameters=("hostname=beta", "passwd=a=b"))
    call = glue_call(named, FenceAction.OFF, BETA)
    assert call.command == ("stonith", "-s", "-t", "external/ipmi", "-E", "-T", "off", "beta")
    assert call.environment == (("hostname", "beta"), ("passwd", "a=b"))
    filed = FenceDevice(name="d", type="ssh", file="/etc/ha.d/s.conf")
    assert glue_call(filed, FenceAction.LIST, NOBODY).command[-3:] == (
        "-F",
        "/etc/ha.d/s.conf",
        "-l",
    )


@pytest.mark.parametrize(
    ("action", "exit_code", "reading"),
    [
        (FenceAction.OFF, 0, FenceReading(FenceOutcome.DONE)),
        (FenceAction.OFF, 1, FenceReading(FenceOutcome.FAILED)),
        (FenceAction.OFF, 2, FenceReading(FenceOutcome.FAILED)),
        (FenceAction.REBOOT, 137, FenceReading(FenceOutcome.FAILED)),
        (FenceAction.STATUS, 0, FenceReading(FenceOutcome.DONE, is_on=True)),
        (FenceAction.STATUS, 2, FenceReading(FenceOutcome.DONE, is_on=False)),
        (FenceAction.STATUS, 1, FenceReading(FenceOutcome.FAILED)),
        (FenceAction.MONITOR, 2, FenceReading(FenceOutcome.FAILED)),
        (FenceAction.OFF, 127, FenceReading(FenceOutcome.NOT_FOUND)),
    ],
)
def test_only_a_zero_of_a_fence_agent_says_done(
    action: FenceAction, exit_code: int, reading: FenceReading
) -> None:
    assert fence_reading(action, exit_code) == reading


def test_a_fence_agent_gets_the_host_under_both_names_unless_the_line_says_it() -> None:
    device = FenceDevice(
        name="d",
        type="fence_apc",
        parameters=("ip=10.0.0.9", "action=on", "pcmk_host_list=beta"),
        ports=((BETA, "7"),),
    )
    call = fence_call(device, FenceAction.OFF, BETA)
    assert call.command == ("fence_apc",)
    assert call.input == "action=off\nip=10.0.0.9\nplug=7\nport=7\n"
    fixed = FenceDevice(name="d", type="fence_apc", parameters=("plug=3",))
    assert fence_call(fixed, FenceAction.OFF, BETA).input == "action=off\nplug=3\n"
    assert fence_call(device, FenceAction.MONITOR, NOBODY).input == "action=monitor\nip=10.0.0.9\n"


def _run(call: FenceCall) -> tuple[int, str]:
    ended = subprocess.run(
        call.command,
        input=call.input,
        env={**os.environ, **dict(call.environment)},
        text=True,
        capture_output=True,
        timeout=20,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.real
@pytest.mark.parametrize("parameters", [("alpha", "beta"), ("hostlist=alpha beta",)])
def test_the_real_stonith_program_takes_our_command_lines(parameters: tuple[str, ...]) -> None:
    assert shutil.which("stonith"), "cluster-glue is not installed"
    device = FenceDevice(name="d", type="null", parameters=parameters)
    listed = glue_reading(FenceAction.LIST, *_run(glue_call(device, FenceAction.LIST, NOBODY)))
    assert listed.hosts == ("alpha", "beta")
    for action in (FenceAction.REBOOT, FenceAction.OFF, FenceAction.MONITOR):
        reading = glue_reading(action, *_run(glue_call(device, action, BETA)))
        assert reading.outcome is FenceOutcome.DONE
    unknown = FenceDevice(name="d", type="nonsense", parameters=("a",))
    reading = glue_reading(FenceAction.OFF, *_run(glue_call(unknown, FenceAction.OFF, BETA)))
    assert reading.outcome is FenceOutcome.NOT_FOUND
    ssh = FenceDevice(name="d", type="external/ssh", parameters=("beta",))
    reading = glue_reading(FenceAction.OFF, *_run(glue_call(ssh, FenceAction.OFF, BETA)))
    assert reading.outcome is FenceOutcome.FAILED  # it cannot switch off
