"""everbeat under the real systemd: our unit file, and units as resources."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.systemd_machine import SystemdMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real(programs=["systemctl", "nsenter", "ip"])

TREE = Path(__file__).parents[2]
UNIT = (TREE / "packaging/systemd/everbeat.service").read_text()
PROGRAM = str(Path(sys.executable).parent / "everbeat")
VIP = "10.99.0.50"

FILES = {
    "etc/systemd/system/everbeat.service": UNIT.replace("/usr/bin/everbeat", PROGRAM),
    "etc/systemd/system/page.service": f"""[Service]
ExecStart={sys.executable} -m http.server 80
""",
    "etc/ha.d/ha.cf": """keepalive 200ms
deadtime 1
initdead 1
ucast eth0 10.99.0.2
node alpha beta
""",
    "etc/ha.d/authkeys": "auth 1\n1 sha1 laboratory\n",
    "etc/ha.d/haresources": f"alpha {VIP}/24/eth0 page\n",
}

BARE = {path: text for path, text in FILES.items() if path.startswith("etc/systemd/")}


@pytest.fixture
def machine() -> Iterator[SystemdMachine]:
    with SystemdMachine(FILES) as booted:
        booted.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
        booted.run("ip", "link", "set", "far", "up")
        booted.run("ip", "address", "add", "10.99.0.1/24", "dev", "eth0")
        booted.run("ip", "link", "set", "eth0", "up")
        yield booted


def is_active(machine: SystemdMachine, unit: str) -> bool:
    return machine.run("systemctl", "is-active", unit, is_checked=False).strip() == "active"


def has_address(machine: SystemdMachine) -> bool:
    return VIP in machine.run("ip", "-br", "address", "show", "dev", "eth0")


def main_pid(machine: SystemdMachine) -> str:
    return machine.run("systemctl", "show", "-p", "MainPID", "--value", "everbeat").strip()


def test_a_unit_is_a_resource_and_everbeat_a_unit(machine: SystemdMachine) -> None:
    machine.run("systemctl", "start", "everbeat")  # Type=notify: returns when it is ready
    assert is_active(machine, "everbeat")
    machine.wait("the resources", lambda: is_active(machine, "page") and has_address(machine))

    before = main_pid(machine)
    machine.run("kill", "-9", before)
    machine.wait("a new keeper", lambda: main_pid(machine) not in {"0", before})
    machine.wait("the resources again", lambda: is_active(machine, "page") and has_address(machine))

    machine.run("systemctl", "stop", "everbeat")  # returns when all is given up
    assert not is_active(machine, "page")
    assert not has_address(machine)
    assert machine.run("systemctl", "show", "-p", "Result", "--value", "everbeat") == "success\n"


def watched_pids(machine: SystemdMachine) -> list[str]:
    """Return the processes that the executor has a pidfd of: it hears of their ends."""
    found = "grep -slx hb-executor /proc/[0-9]*/comm | cut -d/ -f3"
    held = f"for p in $({found}); do grep -hs ^Pid: /proc/$p/fdinfo/*; done; true"
    return machine.run("sh", "-c", held).split()


def test_a_unit_whose_main_process_is_killed_runs_again_at_once(machine: SystemdMachine) -> None:
    def pid_of_page() -> str:
        return machine.run("systemctl", "show", "-p", "MainPID", "--value", "page").strip()

    machine.run("sh", "-c", "echo monitor 60s >> /etc/ha.d/ha.cf")
    machine.run("systemctl", "start", "everbeat")
    machine.wait("the resources", lambda: is_active(machine, "page") and has_address(machine))
    machine.wait("the end of the start", lambda: "announced" in machine.run(PROGRAM, "events"))
    before = pid_of_page()
    machine.wait("its main process to be found", lambda: before in watched_pids(machine))
    machine.run("kill", "-9", before)
    machine.wait("another page", lambda: pid_of_page() not in {"0", before})
    told = f"page has failed (process {before} ended); page is restarted"
    machine.wait("it to be told", lambda: told in machine.run(PROGRAM, "events"))
    machine.run("systemctl", "stop", "everbeat")


def test_a_unit_without_a_process_that_people_stop_runs_again_after_some_seconds(
    machine: SystemdMachine,
) -> None:
    unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
    machine.run("sh", "-c", f"printf '{unit}' > /etc/systemd/system/page.service")
    machine.run("sh", "-c", "echo monitor 60s >> /etc/ha.d/ha.cf; systemctl daemon-reload")
    machine.run("systemctl", "start", "dbus")
    machine.run("systemctl", "start", "everbeat")
    machine.wait("the resources", lambda: is_active(machine, "page") and has_address(machine))
    machine.run("sleep", "1.5")  # the bus is subscribed to
    machine.run("systemctl", "stop", "page")
    machine.wait("the page again", lambda: is_active(machine, "page"))
    assert "page has failed (unit page.service is inactive)" in machine.run(PROGRAM, "events")
    machine.run("systemctl", "stop", "everbeat")


def write_unit(machine: SystemdMachine, name: str, *lines: str) -> None:
    text = "\\n".join(("[Service]", *lines, ""))
    machine.run("sh", "-c", f"printf '{text}' > /etc/systemd/system/{name}.service")


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("Type=oneshot", 14), ("Type=simple", 8), ("Type=exec", 8)],  # 10: the grace of a start
)
def test_a_task_that_ended_well_is_done_once(
    machine: SystemdMachine, kind: str, seconds: int
) -> None:
    write_unit(machine, "page", kind, 'ExecStart=/bin/sh -c "echo done >>/var/log/page"')
    machine.run("sh", "-c", "echo monitor 1s >> /etc/ha.d/ha.cf; systemctl daemon-reload")
    machine.run("systemctl", "start", "everbeat")
    machine.wait("the resources", lambda: has_address(machine))
    machine.run("sleep", str(seconds))
    assert machine.run("cat", "/var/log/page") == "done\n"
    status = json.loads(machine.run(PROGRAM, "status", "--json"))
    assert status["failures"] == []
    assert [group["holder"] for group in status["manager"]["groups"]] == ["alpha"]
    machine.run("systemctl", "stop", "everbeat")


@pytest.mark.parametrize(
    ("lines", "status", "bus"),
    [(["Type=exec"], 0, []), (["SuccessExitStatus=42"], 42, ["dbus"])],
    ids=["without D-Bus", "with D-Bus"],
)
def test_a_task_is_done_once_also_when_systemd_has_unloaded_its_unit(
    machine: SystemdMachine, lines: list[str], status: int, bus: list[str]
) -> None:
    work = f'ExecStart=/bin/sh -c "echo done >>/var/log/page; sleep 2; exit {status}"'
    write_unit(machine, "page", *lines, work)
    machine.run("sh", "-c", "echo monitor 1s >> /etc/ha.d/ha.cf; systemctl daemon-reload")
    machine.run("systemctl", "start", *bus, "everbeat")
    machine.wait("the resources", lambda: has_address(machine))
    machine.run("sleep", "8")
    machine.run("systemctl", "daemon-reload")  # as the installation of any package does
    shown = machine.run("systemctl", "show", "-p", "ExecMainStartTimestampMonotonic", "page")
    assert shown == "ExecMainStartTimestampMonotonic=0\n"
    machine.run("sleep", "8")  # longer than a stop in order is left to people
    assert machine.run("cat", "/var/log/page") == "done\n"
    assert json.loads(machine.run(PROGRAM, "status", "--json"))["failures"] == []
    machine.run("systemctl", "stop", "everbeat")


def test_a_unit_that_people_restart_has_not_failed_nor_one_that_systemd_restarts(
    machine: SystemdMachine,
) -> None:
    stop = ("ExecStart=/bin/sleep 100000", "ExecStop=/bin/sleep 2", "Restart=on-failure")
    start = 'ExecStartPre=/bin/sh -c "echo start >>/var/log/page"'
    write_unit(machine, "page", start, *stop, "RestartSec=2")
    machine.run("sh", "-c", "echo monitor 1s >> /etc/ha.d/ha.cf; systemctl daemon-reload")
    machine.run("systemctl", "start", "dbus")
    machine.run("systemctl", "start", "everbeat")
    machine.wait("the resources", lambda: is_active(machine, "page") and has_address(machine))
    machine.run("sleep", "2")
    machine.run("systemctl", "restart", "page")
    machine.run("sleep", "2")
    machine.run("systemctl", "kill", "-s", "KILL", "page")
    machine.run("sleep", "1")
    machine.wait("systemd to restart it", lambda: is_active(machine, "page"))
    machine.run("sleep", "2")
    assert machine.run("cat", "/var/log/page") == "start\n" * 3
    status = json.loads(machine.run(PROGRAM, "status", "--json"))
    assert status["failures"] == []
    machine.run("systemctl", "stop", "everbeat")


def test_a_wrong_configuration_is_not_tried_again(machine: SystemdMachine) -> None:
    machine.run("sh", "-c", "echo nonsense >> /etc/ha.d/ha.cf")
    machine.run("systemctl", "start", "everbeat", is_checked=False)
    machine.wait(
        "the unit to fail",
        lambda: (
            machine.run("systemctl", "show", "-p", "ActiveState", "--value", "everbeat")
            == "failed\n"
        ),
    )
    assert machine.run("systemctl", "show", "-p", "NRestarts", "--value", "everbeat") == "0\n"
    assert "nonsense" in machine.run("journalctl", "-u", "everbeat", "--no-pager")


def test_two_bare_machines_become_a_pair_that_systemd_starts_at_boot() -> None:
    with SystemdMachine(BARE, "alpha") as alpha, SystemdMachine(BARE, "beta") as beta:
        alpha.connect(beta, ("10.99.0.1/24", "10.99.0.2/24"))
        inviting = alpha.spawn(PROGRAM, "init", "shop")
        assert inviting.stdout is not None
        said = ""
        while not (token := re.search(r"everbeat join (\S+)", said)):
            line = inviting.stdout.readline()
            assert line, said
            said += line
        assert "started: systemctl enable --now everbeat" in beta.run(PROGRAM, "join", token[1])
        rest, _ = inviting.communicate(timeout=60)
        assert inviting.returncode == 0, said + rest
        for machine in (alpha, beta):
            assert machine.run("systemctl", "is-enabled", "everbeat").strip() == "enabled"
            assert is_active(machine, "everbeat")
        alpha.run(PROGRAM, "add", "vip", f"{VIP}/24/eth0", "service", "page", "--yes")
        alpha.wait("alpha to serve", lambda: is_active(alpha, "page") and has_address(alpha))
        assert not has_address(beta)
        alpha.run("systemctl", "stop", "everbeat")
        beta.wait("beta to serve", lambda: is_active(beta, "page") and has_address(beta))
        beta.run("systemctl", "stop", "everbeat")
