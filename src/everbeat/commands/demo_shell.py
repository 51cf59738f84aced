"""everbeat demo --keep: a shell beside the demo's machines, with a command for each of them.

The shell runs where both nodes can be entered; from inside a node the other one is out of reach,
as machines are. Its commands are scripts in a folder of the demo: `alpha …`, `beta …`, `client …`,
`page`, `cut` and `mend`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.commands.demo_cluster import ADDRESS, NAMES

if TYPE_CHECKING:
    from everbeat.adapters.namespaces import Space
    from everbeat.commands.demo_cluster import DemoCluster

_INVITATION: Final = f"""
alpha and beta are both up, and this shell reaches either. It ends, and the cluster with it: exit

    alpha everbeat status      what alpha says of the cluster; `beta ...` and `client ...` likewise
    alpha                      a shell on alpha, until exit
    page                       who answers the client now

Kill the web server, or delete the address; both come back in some 20 ms, and the events say so:

    alpha sh -c 'kill $(cat /run/webpage.pid)'
    alpha ip addr del {ADDRESS}/24 dev eth0
    alpha everbeat events --last 2

Move the group, and pull a cable:

    alpha everbeat standby     beta takes the group;  alpha everbeat takeover  takes it back
    cut alpha                  beta serves after deadtime; alpha holds the group as well, for with
                               two nodes alone nothing decides who may: alpha everbeat status
    mend alpha                 one of them gives it up
"""

_PAGE: Final = f"""\
import urllib.request
try:
    with urllib.request.urlopen("http://{ADDRESS}/", timeout=2) as answer:
        print(answer.read().decode().strip())
except OSError as error:
    raise SystemExit(f"nobody answers at {ADDRESS}: {{getattr(error, 'reason', error)}}")
"""


def stay(cluster: DemoCluster) -> None:
    """Give the user the shell until it ends. Without a terminal it reads commands from stdin."""
    folder = cluster.folder / "bin"
    folder.mkdir()
    for name, text in _scripts(cluster).items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    print(_INVITATION, flush=True)
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "PS1": "demo# ", "HISTFILE": "/dev/null"}
    environment.pop("ENV", None)  # a file that sh would read first
    shell = _shell() if sys.stdin.isatty() else ["sh"]
    subprocess.run(shell, env=environment, check=False)


def _scripts(cluster: DemoCluster) -> dict[str, str]:
    spaces: dict[str, Space | None] = {node.name: node.space for node in cluster.nodes}
    spaces["client"] = cluster.client
    page = cluster.folder / "page.py"
    page.write_text(_PAGE, encoding="utf-8")
    scripts = {name: _enter(name, space) for name, space in spaces.items() if space is not None}
    ask = cluster.client.network_command(sys.executable, "-I", str(page))
    scripts["page"] = f"exec {shlex.join(ask)}"
    for name, word in (("cut", "down"), ("mend", "up")):
        set_link = shlex.join(cluster.switch.command("ip", "link", "set"))
        usage = " or ".join(f"{name} {node}" for node in NAMES)
        scripts[name] = (
            f'case "$*" in {"|".join(NAMES)}) exec {set_link} "$1" {word} ;; esac\n'
            f"echo 'write: {usage}' >&2; exit 2"
        )
    return scripts


def _enter(name: str, space: Space) -> str:
    prompt, shell = shlex.quote(f"PS1={name}# "), shlex.join(_shell())
    enter = shlex.join(space.command())
    return f'[ $# != 0 ] || set -- env {prompt} {shell}\nexec {enter} "$@"'


def _shell() -> list[str]:
    """Return a shell that shows our prompt: bash remembers lines, sh is there."""
    bash = shutil.which("bash")
    return [bash, "--norc", "--noprofile", "-i"] if bash else ["sh", "-i"]
