from __future__ import annotations

import pytest

from everbeat.agents.agent import ScriptAgent, SystemdAgent
from everbeat.agents.hands import is_at_work, may_be_at_work

SVC = ScriptAgent("/etc/ha.d/resource.d/svc")
DISK = ScriptAgent("/etc/ha.d/resource.d/Filesystem", ("/dev/sdb", "/srv"))
UNIT = SystemdAgent("svc.service")


@pytest.mark.parametrize(
    "command",
    [
        "/bin/sh /etc/ha.d/resource.d/svc restart",
        "sh -e resource.d/svc stop",
        "/usr/bin/python3 ./svc force-reload",
        "/etc/init.d/svc condrestart",
        "/bin/sh /usr/sbin/service svc restart",
        "systemctl restart svc.service",
        "/usr/bin/systemctl --no-ask-password stop svc",
    ],
)
def test_who_starts_or_stops_a_service_is_at_work_on_it(command: str) -> None:
    assert is_at_work(command.split(), SVC)


@pytest.mark.parametrize(
    "command",
    [
        "/bin/sh /etc/ha.d/resource.d/svc status",
        "/bin/sh /etc/ha.d/resource.d/other restart",
        "vi /etc/ha.d/resource.d/svc",
        "systemctl restart other",
        "systemctl status svc",
        "",
    ],
)
def test_who_looks_or_does_something_else_is_not(command: str) -> None:
    assert not is_at_work(command.split(), SVC)


def test_a_script_with_arguments_is_worked_on_with_these() -> None:
    assert is_at_work(["sh", "/r/Filesystem", "/dev/sdb", "/srv", "stop"], DISK)
    assert not is_at_work(["sh", "/r/Filesystem", "/dev/sdc", "/data", "stop"], DISK)


def test_a_unit_is_worked_on_by_systemctl() -> None:
    assert is_at_work(["systemctl", "restart", "svc"], UNIT)
    assert not is_at_work(["sh", "/etc/init.d/svc", "restart"], UNIT)


def test_few_processes_need_a_look_at_their_command_line() -> None:
    assert may_be_at_work("svc", SVC)
    assert may_be_at_work("bash", SVC)
    assert may_be_at_work("deb-systemd-inv", SVC)
    assert not may_be_at_work("nginx", SVC)
