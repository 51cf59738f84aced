"""What root writes or believes in RUN and STATE goes through the one place that looks first."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "everbeat"
WRITING = {"write_text", "write_bytes", "mkstemp", "chmod", "chown", "symlink_to", "hardlink_to"}
ELSEWHERE = {
    "addresses.py": "/proc/sys",
    "child.py": "/proc/self",
    "executor.py": "/proc/self",
    "realtime.py": "/proc",
    "file_store.py": "ETC, by O_EXCL",
    "installed.py": "/run/resource-agents, in a directory of root's",
    "log.py": "the log files of ha.cf",
}


def calls_in(path: Path) -> set[str]:
    """Return which calls of a module write a file by its name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, text = node.func.attr, ast.unparse(node)
        makes = "O_CREAT" in text or "O_TRUNC" in text
        modes = {a.value for a in node.args if isinstance(a, ast.Constant)}
        opens = name == "open" and bool(modes & {"w", "wb", "a", "ab", "x", "xb", "r+b"})
        if name in WRITING or makes or opens:
            found.add(text)
    return found


def test_files_are_made_and_replaced_in_one_place() -> None:
    modules = [p for part in ("adapters", "daemons", "ipc") for p in (SOURCE / part).glob("*.py")]
    assert len(modules) > 50
    wild = {p.name: calls_in(p) for p in modules if p.name not in {*ELSEWHERE, "own_files.py"}}
    assert {name: calls for name, calls in wild.items() if calls} == {}, "see adapters/own_files.py"


def test_the_look_finds_what_it_is_for(tmp_path: Path) -> None:
    wild = tmp_path / "wild.py"
    wild.write_text('p.write_text("x")\nos.open(p, os.O_CREAT)\np.open("ab")\np.chmod(0o777)\n')
    assert len(calls_in(wild)) == 4
    assert calls_in(SOURCE / "adapters" / "own_files.py")
