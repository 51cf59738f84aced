"""Golden cases of the configuration checker: files, what we report, what Heartbeat 3.0.6 does.

A case is a text file of sections. The first lines tell what it shows; `== authkeys 640` sets a
mode; a file that is not given is the good one below, `(missing)` alone means it does not exist.

    A time with a unit that does not exist.
    == ha.cf
    …
    == reports
    what `everbeat check` prints
    == heartbeat
    refuses                     (or: accepts; a second line says why we differ)

Rewrite the reports with EVERBEAT_ACCEPT=1, then read the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from everbeat.config.configuration import ConfigFile, ConfigFiles, HostFacts
from everbeat.config.files import text_from_bytes
from everbeat.ports.host import Interface, StonithParameters

CASES = Path(__file__).parent / "golden" / "badconfig"
MISSING = "(missing)"

GOOD = {
    "ha.cf": "node alpha beta\nbcast eth0 eth1\nauto_failback on\nlogfacility daemon\n",
    "authkeys": "auth 1\n1 sha1 TopSecretKey\n",
    "haresources": "alpha 10.99.0.50 nginx\n",
}

HOST = HostFacts(
    node="alpha",
    interface_list=(
        Interface("eth0", "10.99.0.255", ("10.99.0.1",), "10.99.0.0/24"),
        Interface("eth1", "10.98.0.255", ("10.98.0.1",), "10.98.0.0/24"),
        Interface("eth2"),
        Interface("lo", "", ("127.0.0.1", "::1")),
    ),
    hosts={"beta": "10.99.0.2", "localhost": "127.0.0.1"},
    known_nodes=frozenset({"alpha", "beta", "gamma", *(f"n{i:03}" for i in range(100))}),
    users=frozenset({"root", "hacluster", "nobody"}),
    groups=frozenset({"root", "haclient"}),
    executables=frozenset({"/bin/true", "/usr/libexec/heartbeat/ipfail"}),
    files=frozenset(
        {"/etc/hostname", "/etc/ha.d/ipmi.conf", "/bin/true", "/usr/libexec/heartbeat/ipfail"}
    ),
    directories=frozenset({"/", "/tmp", "/var/log"}),
    devices=frozenset({"/dev/null", "/dev/tty0", "/dev/tty1"}),
    scripts=frozenset(
        {"nginx", "postfix", "Filesystem", "MailTo", "appctl", "kornctl", "killnfsd"}
    ),
    scripts_without_status=frozenset({"killnfsd"}),
    stonith_types=frozenset({"null", "ssh", "external/ipmi", "fence_apc"}),
    agents={
        "external/ipmi": StonithParameters(
            ("hostname", "ipaddr", "userid", "passwd"),
            (("hostname",), ("ipaddr",), ("userid",), ("passwd",)),
        ),
        "fence_apc": StonithParameters(
            ("action", "ip", "ipaddr", "username", "login", "password", "plug", "port"),
            (("action",), ("ip", "ipaddr"), ("username", "login"), ("plug", "port")),
        ),
    },
    modes={"/etc/ha.d/ipmi.conf": 0o644},
    first_lines={
        "/etc/ha.d/resource.d/postfix": "#!/bin/true\n",
        "/etc/ha.d/resource.d/appctl": "#!/bin/true\r\n",
        "/etc/ha.d/resource.d/kornctl": "#!/bin/ksh\n",
    },
    service_ports={"ntp": 123},
)
"""The machine on which the cases are checked; the real daemon's laboratory looks the same."""


@dataclass(frozen=True)
class Case:
    path: Path
    title: str
    files: dict[str, str | None]
    modes: dict[str, int]
    reports: str
    heartbeat: tuple[str, ...]  # verdict, then why we differ; empty: not comparable

    @property
    def name(self) -> str:
        return self.path.stem

    def config_files(self) -> ConfigFiles:
        return ConfigFiles(*(ConfigFile(name, self.files[name], self.modes[name]) for name in GOOD))


def read_case(path: Path) -> Case:
    title, *sections = text_from_bytes(path.read_bytes()).split("\n== ")
    files: dict[str, str | None] = dict(GOOD)
    modes, reports, heartbeat = dict.fromkeys(GOOD, 0o600), "", ""
    for section in sections:
        head, _, body = section.partition("\n")
        name, _, option = head.partition(" ")
        body = body if body == "" or body.endswith("\n") else body + "\n"
        if name == "reports":
            reports = body
        elif name == "heartbeat":
            heartbeat = body
        else:
            files[name] = None if body.strip() == MISSING else body
            modes[name] = int(option, 8) if option else modes[name]
    return Case(path, title, files, modes, reports, tuple(heartbeat.split("\n")[:-1]))


def all_cases() -> list[Case]:
    return [read_case(path) for path in sorted(CASES.glob("*.txt"))]


def write_case(case: Case) -> None:
    """Write a case in the canonical form; files equal to the good ones are left out."""
    parts = [case.title]
    for name, text in case.files.items():
        is_moded = case.modes[name] != 0o600
        if text != GOOD[name] or is_moded:
            option = f" {case.modes[name]:o}" if is_moded else ""
            parts.append(
                f"{name}{option}\n{MISSING if text is None else text.removesuffix(chr(10))}"
            )
    parts.append("reports\n" + case.reports.removesuffix("\n"))
    if case.heartbeat:
        parts.append("heartbeat\n" + "\n".join(case.heartbeat))
    text = "\n== ".join(parts) + "\n"
    case.path.write_bytes(text.encode("utf-8", "surrogateescape"))
