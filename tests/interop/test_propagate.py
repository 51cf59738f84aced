"""ha_propagate over a real sshd."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import require_real
from lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = pytest.mark.real

SSHD = "/usr/sbin/sshd"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Lab]:
    """Two machines that run nothing but sshd on beta; gamma is in ha.cf and does not exist."""
    require_real(SSHD, "ssh", "scp", "ssh-keygen")
    with Lab() as lab:
        lab.everbeat("alpha")
        beta = lab.everbeat("beta")
        lab.configure(resources="alpha webd")
        _serve_ssh(beta, tmp_path)
        for name in ("ha.cf", "authkeys", "haresources"):
            (beta.folder / "ha.d" / name).unlink()
        yield lab


def _serve_ssh(node: Node, folder: Path) -> None:
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(command, check=True)
    (folder / "sshd_config").write_text(
        f"HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/user_key.pub\nStrictModes no\n"
        f"UsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n"
    )
    (folder / "known_hosts").write_text(
        "beta " + (folder / "host_key.pub").read_text().rsplit(" ", 1)[0] + "\n"
    )
    (folder / "ssh_config").write_text(
        f"Host *\nIdentityFile {folder}/user_key\nUserKnownHostsFile {folder}/known_hosts\n"
        f"StrictHostKeyChecking yes\nBatchMode yes\nConnectTimeout 3\n"
        f"Host beta\nHostName 10.77.0.2\nHostKeyAlias beta\n"
        f"Host gamma\nHostName 10.77.0.77\nConnectTimeout 1\n"
    )
    node.sh("mkdir -p /run/sshd")
    node.processes.append(node.on.spawn(SSHD, "-D", "-f", str(folder / "sshd_config")))
    node.sh("n=0; until ss -ltn | grep -q :22; do sleep 0.05; n=$((n+1)); [ $n -lt 200 ]; done")


def propagate(lab: Lab, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    config = str(folder / "ssh_config")
    everbeat = str(Path(sys.executable).with_name("everbeat"))
    transport = ("--ssh", f"ssh -F {config}", "--scp", f"scp -q -F {config}")
    return lab.nodes["alpha"].run(everbeat, "propagate", *transport, *words, is_checked=False)


def files_of(node: Node) -> dict[str, tuple[str, int]]:
    names = ("ha.cf", "authkeys", "haresources")
    paths = [node.folder / "ha.d" / name for name in names]
    return {p.name: (p.read_text(), p.stat().st_mode & 0o777) for p in paths if p.exists()}


def leftovers(node: Node) -> list[str]:
    return [path.name for path in (node.folder / "ha.d").iterdir() if path.name.startswith(".")]


def test_the_three_files_arrive_whole_and_authkeys_stays_secret(pair: Lab, tmp_path: Path) -> None:
    alpha, beta = pair.nodes["alpha"], pair.nodes["beta"]
    dry = propagate(pair, tmp_path, "--dry-run")
    assert dry.stdout == "beta: would replace ha.cf, authkeys, haresources\n", dry
    assert files_of(beta) == {}
    done = propagate(pair, tmp_path)
    assert (done.returncode, done.stdout) == (0, "beta: replaced ha.cf, authkeys, haresources\n")
    assert files_of(beta) == files_of(alpha)
    assert files_of(beta)["authkeys"][1] == 0o600
    assert leftovers(beta) == []
    again = propagate(pair, tmp_path, "--json")
    assert json.loads(again.stdout)["nodes"] == [
        {"node": "beta", "changed": [], "error": "", "is_ok": True}
    ]


def test_a_node_that_cannot_be_reached_fails_alone(pair: Lab, tmp_path: Path) -> None:
    done = propagate(pair, tmp_path, "gamma", "beta")
    assert done.returncode == 1
    assert "gamma: FAILED: ssh: " in done.stdout
    assert "beta: replaced ha.cf, authkeys, haresources" in done.stdout


def test_what_arrives_damaged_changes_nothing(pair: Lab, tmp_path: Path) -> None:
    damaging = tmp_path / "scp"
    config = tmp_path / "ssh_config"
    damaging.write_text(
        f'#!/bin/sh\nscp -q -F {config} "$@" || exit 1\n'
        f"ssh -F {config} root@beta 'for f in /etc/ha.d/.everbeat-*/ha.cf; do echo x >>$f; done'\n"
    )
    damaging.chmod(0o755)
    done = propagate(pair, tmp_path, "--scp", str(damaging))
    assert done.returncode == 1
    assert "ha.cf did not arrive intact; nothing was changed" in done.stdout
    assert files_of(pair.nodes["beta"]) == {}
    assert leftovers(pair.nodes["beta"]) == []


def test_files_with_errors_are_not_copied(pair: Lab, tmp_path: Path) -> None:
    pair.nodes["alpha"].write("authkeys", "auth 2\n1 sha1 x\n", 0o600)
    done = propagate(pair, tmp_path)
    assert done.returncode == 1
    assert "authkeys" in done.stderr
    assert files_of(pair.nodes["beta"]) == {}


def test_a_name_that_is_an_option_goes_to_no_command(pair: Lab, tmp_path: Path) -> None:
    done = propagate(pair, tmp_path, "--", "-oProxyCommand=touch /run/owned")
    assert done.returncode == 1
    assert "not a host name" in done.stderr


def test_what_is_private_here_or_holds_a_password_is_private_there(
    pair: Lab, tmp_path: Path
) -> None:
    alpha, beta = pair.nodes["alpha"], pair.nodes["beta"]
    ha_cf = alpha.folder / "ha.d" / "ha.cf"
    line = "stonith_host beta fence_site password=secret pcmk_host_list=alpha\n"
    ha_cf.write_text(ha_cf.read_text() + line)
    ha_cf.chmod(0o644)
    (alpha.folder / "ha.d" / "haresources").chmod(0o640)
    done = propagate(pair, tmp_path)
    assert done.returncode == 0, done
    modes = {name: mode for name, (_, mode) in files_of(beta).items()}
    assert modes == {"ha.cf": 0o600, "authkeys": 0o600, "haresources": 0o640}
