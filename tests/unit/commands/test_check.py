"""`everbeat check` on real directories, with this machine's answers or given ones."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from config_cases import GOOD, HOST
from everbeat.adapters.config_files import load_configuration
from everbeat.adapters.host_facts import RealHost
from everbeat.cli.check import check_command
from everbeat.commands.check import check

if TYPE_CHECKING:
    from pathlib import Path


HA_CF = GOOD["ha.cf"] + "quorum none\n"  # knowingly; else it is warned of


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    for name, text in {**GOOD, "ha.cf": HA_CF}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "authkeys").chmod(0o600)
    return tmp_path


def checked(etc: Path, *, as_json: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    status = check(etc, as_json=as_json, color=False, host=HOST, out=out)
    return status, out.getvalue()


def test_good_files_give_status_0_and_one_line(etc: Path) -> None:
    assert checked(etc) == (0, f"{etc}: no problems found\n")


def test_warnings_alone_give_status_1(etc: Path) -> None:
    (etc / "ha.cf").write_text(HA_CF + "debug abc\n")
    status, text = checked(etc)
    assert status == 1
    assert text.endswith("\n1 warning\n")


def test_errors_give_status_6_as_heartbeat_does(etc: Path) -> None:
    (etc / "ha.cf").write_text(HA_CF + "keepalve 2\n")
    (etc / "authkeys").chmod(0o644)
    status, text = checked(etc)
    assert status == 6
    assert f"{etc}/ha.cf:6: error:" in text
    assert f"write: chmod 600 {etc}/authkeys\n" in text
    assert text.endswith("\n2 errors\n")


def test_json_holds_every_report(etc: Path) -> None:
    (etc / "ha.cf").write_text(HA_CF + "keepalve 2\n")
    status, text = checked(etc, as_json=True)
    document = json.loads(text)
    assert (status, document["errors"], document["warnings"]) == (6, 1, 0)
    assert document["reports"][0] == {
        "code": "directive-unknown",
        "severity": "error",
        "file": f"{etc}/ha.cf",
        "line": 6,
        "text": "keepalve 2",
        "summary": "'keepalve' is no directive",
        "remedy": "keepalive 2",
    }


def test_an_empty_directory_is_three_missing_files(tmp_path: Path) -> None:
    status, text = checked(tmp_path)
    assert status == 6
    assert text.count("[file-missing]") == 3


def test_a_directory_in_place_of_a_file_is_a_missing_file(etc: Path) -> None:
    (etc / "haresources").unlink()
    (etc / "haresources").mkdir()
    assert checked(etc)[1].count("[file-missing]") == 1


def test_ten_megabytes_of_anything_end_in_a_report(etc: Path) -> None:
    (etc / "ha.cf").write_bytes(b"x" * 10_000_000)
    (etc / "authkeys").write_bytes(b"\xff\x00 " * 3_000_000)
    (etc / "haresources").write_bytes(b"1.2" * 3_000_000)
    status, text = checked(etc)
    assert status == 6
    assert len(text) < 10_000


def test_this_machine_answers_without_raising(etc: Path) -> None:
    parsed = load_configuration(etc)
    assert parsed.keys is not None
    host = RealHost(etc, is_thorough=True)
    assert "lo" in [interface.name for interface in host.interfaces()]
    assert host.resolve("127.0.0.1") == "127.0.0.1"
    assert host.resolve6("::1") == "::1"
    assert host.resolve("x" * 300) is None
    assert host.has_user("root")
    assert not host.has_user("no\0such")
    assert not host.is_executable("/no\0such")
    assert host.is_device("/dev/null")
    assert host.service_port("no-such-service") is None
    assert host.service_of_port(10**9) is None


def test_nodeinfo_names_this_node(etc: Path) -> None:
    (etc / "nodeinfo").write_text("gamma\n")
    assert RealHost(etc).node_name() == "gamma"
    (etc / "nodeinfo").unlink()
    assert RealHost(etc).node_name() == os.uname().nodename


def test_a_script_of_resource_d_must_be_executable(etc: Path) -> None:
    (etc / "resource.d").mkdir()
    script = etc / "resource.d" / "MyService"
    script.write_text("#!/bin/sh\n")
    assert RealHost(etc).script_path("MyService") is None
    script.chmod(0o755)
    assert RealHost(etc).script_path("MyService") == str(script)


def test_the_command_takes_a_directory_and_json(etc: Path) -> None:
    (etc / "authkeys").chmod(0o644)
    result = CliRunner().invoke(check_command, [str(etc), "--json"])
    assert result.exit_code == 6
    assert json.loads(result.output)["errors"] >= 1
