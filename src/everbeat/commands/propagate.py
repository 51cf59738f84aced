"""ha_propagate: bring this node's configuration to the other nodes, all of it or none of it.

    checked here ── each node ──> upload to a fresh directory beside the files
                                   └─> compare sha256 there ─> rename file by file ─> done
                                        any fault: the fresh directory goes, nothing has changed

ha.cf, authkeys and haresources go by ssh and scp; what holds a secret has mode 0600
there. A rename replaces a file at once; three renames follow each other, after everything has been
verified.
"""

from __future__ import annotations

import hashlib
import shlex
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.adapters.file_store import SECRET_MODE, USUAL_MODE
from everbeat.config.secrets import holds_secret
from everbeat.model.distribution import FILE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

PARALLEL_MAX: Final = 8  # nodes at the same time
STEP_SECONDS: Final = 60
FOLDER_PREFIX: Final = ".everbeat-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How to reach a node: the commands, the user, and where its files are."""

    ssh: tuple[str, ...] = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
    scp: tuple[str, ...] = ("scp", "-q", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
    user: str = "root"
    etc: str = "/etc/ha.d"


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of one node. `error` empty: all is well; `changed`: files that differ(ed)."""

    node: str
    changed: tuple[str, ...] = ()
    error: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the node has (or, in a dry run, could be asked for) the files."""
        return not self.error


class StepFailed(Exception):  # noqa: N818 - an expected outcome, not a bug
    """One command did not do its work; the text says which and why."""


def is_host(name: str) -> bool:
    """Whether a name may stand in a command line as a host: no option, no blank, no shell."""
    return (
        bool(name)
        and name.isascii()
        and not name.startswith("-")
        and all(c.isalnum() or c in "._-" for c in name)
    )


def local_files(etc: Path) -> dict[str, Path]:
    """Return the files that exist here, by name."""
    return {name: etc / name for name in FILE_NAMES if (etc / name).is_file()}


def mode_there(path: Path, content: bytes) -> int:
    """Return the permission bits that a file gets on the nodes: never wider than it has here.

    Raise OSError.
    """
    if holds_secret(path.name, content):
        return SECRET_MODE
    return stat.S_IMODE(path.stat().st_mode) & USUAL_MODE


def propagate(
    nodes: Sequence[str],
    files: dict[str, Path],
    transport: Transport,
    told: Callable[[NodeResult], None],
    *,
    is_dry_run: bool = False,
) -> list[NodeResult]:
    """Bring the files to all nodes; call `told` as each ends; return results in `nodes`' order."""
    contents = {name: path.read_bytes() for name, path in files.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    modes = {name: mode_there(files[name], content) for name, content in contents.items()}

    def one(node: str) -> NodeResult:
        try:
            result = _one_node(node, files, sums, modes, transport, is_dry_run=is_dry_run)
        except StepFailed as error:
            result = NodeResult(node, error=str(error))
        told(result)
        return result

    with ThreadPoolExecutor(PARALLEL_MAX) as pool:
        return list(pool.map(one, nodes))


def _one_node(
    node: str,
    files: dict[str, Path],
    sums: dict[str, str],
    modes: dict[str, int],
    transport: Transport,
    *,
    is_dry_run: bool,
) -> NodeResult:
    if not is_host(node):
        raise StepFailed(f"not a host name: {node!r}")
    etc = shlex.quote(transport.etc)
    there = _sums(node, transport, transport.etc, files)
    changed = tuple(name for name in files if there.get(name) != sums[name])
    if is_dry_run or not changed:
        return NodeResult(node, changed)
    made = _ssh(
        node, transport, f"umask 077 && mkdir -p {etc} && mktemp -d {etc}/{FOLDER_PREFIX}XXXXXX"
    )
    folder = made.strip()
    if not folder.startswith(f"{transport.etc}/{FOLDER_PREFIX}") or len(folder.split()) != 1:
        raise StepFailed(f"unexpected answer to mktemp: {folder[:100]!r}")
    try:
        _upload(node, transport, [files[name] for name in changed], folder)
        _verify(_sums(node, transport, folder, changed), sums, changed)
        _ssh(node, transport, _install_script(folder, changed, modes, transport.etc))
    except StepFailed:
        _clean_up(node, transport, folder)
        raise
    return NodeResult(node, changed)


def _verify(arrived: dict[str, str], sums: dict[str, str], names: Iterable[str]) -> None:
    damaged = [name for name in names if arrived.get(name) != sums[name]]
    if damaged:
        raise StepFailed(f"{', '.join(damaged)} did not arrive intact; nothing was changed")


def _install_script(folder: str, names: Iterable[str], modes: dict[str, int], etc: str) -> str:
    source = shlex.quote(folder)
    chmods = [f"chmod {modes[name]:o} {source}/{name}" for name in names]
    moves = [f"mv -f {source}/{name} {shlex.quote(etc)}/{name}" for name in names]
    return " && ".join([*chmods, *moves, f"rmdir {source}"])


def _clean_up(node: str, transport: Transport, folder: str) -> None:
    names = " ".join(f"{shlex.quote(folder)}/{name}" for name in FILE_NAMES)
    try:
        _ssh(node, transport, f"rm -f {names}; rmdir {shlex.quote(folder)}")
    except StepFailed:
        return  # the first fault is the one to tell


def _sums(node: str, transport: Transport, folder: str, names: Iterable[str]) -> dict[str, str]:
    paths = " ".join(f"{shlex.quote(folder)}/{name}" for name in names)
    output = _ssh(node, transport, f"sha256sum -- {paths} 2>/dev/null; true")
    rows = (row.split(maxsplit=1) for row in output.splitlines())
    return {row[1].rsplit("/", 1)[-1]: row[0] for row in rows if len(row) == 2}


def _upload(node: str, transport: Transport, paths: Iterable[Path], folder: str) -> None:
    target = f"{transport.user}@{node}:{folder}/"
    _run([*transport.scp, *map(str, paths), target], "scp")


def _ssh(node: str, transport: Transport, script: str) -> str:
    return _run([*transport.ssh, f"{transport.user}@{node}", script], "ssh")


def _run(command: list[str], name: str) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"{name}: no end within {STEP_SECONDS} s") from error
    except OSError as error:
        raise StepFailed(f"{command[0]}: {error.strerror or error}") from error
    if done.returncode != 0:
        told = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise StepFailed(f"{name}: {told[-1]}")
    return done.stdout
