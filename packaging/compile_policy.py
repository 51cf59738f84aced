"""Compile the policy engine with mypyc: a copy of `everbeat` with extension modules beside it.

    python packaging/compile_policy.py DIR [PACKAGE ...]

DIR/everbeat is the whole package. With DIR in front of the path of modules it is what is imported;
the tests do so with EVERBEAT_COMPILED=DIR. A wheel's build (`hatch_build.py`) takes the extension
modules from there. C files are compiled on all cores, and their objects kept by the hash of what
went into them: a second run compiles what has changed. Needs mypy, setuptools, a C compiler and
Python's headers; `CannotCompileError` says what is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from setuptools import Extension

SOURCE = Path(__file__).resolve().parent.parent / "src" / "everbeat"
PACKAGES = ("cib", "rules", "policy")
INTERPRETED = ("policy/reasons", "policy/simulation", "policy/verify")  # outside any decision
_WARNINGS = ("-w",)  # the C text is mypyc's: nobody reads it


class CannotCompileError(Exception):
    """Something the compilation needs is not here, or it failed; the text says what."""


def compiler() -> list[str]:
    """Return the C compiler's command, or raise CannotCompileError saying what to install."""
    command = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(command[0]) is None:
        raise CannotCompileError(f"no C compiler {command[0]}: apt-get install gcc libc6-dev")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise CannotCompileError("no Python.h: apt-get install python3-dev")
    return [*command, "-fPIC", "-g0", *_WARNINGS]


def compile_into(target: Path, packages: Iterable[str] = PACKAGES) -> list[Path]:
    """Copy `everbeat` to target and compile these packages; return the modules below target."""
    command = compiler()
    target = target.resolve()
    _copy_package(target / "everbeat")
    work = target / ".build"
    (work / "objects").mkdir(parents=True, exist_ok=True)
    extensions = _write_c(target, work, packages)
    jobs = [
        _Object(command, source, extension, work)
        for extension in extensions
        for source in extension.sources
    ]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        list(workers.map(_Object.make, jobs))
        modules = list(workers.map(lambda e: _link(command, e, jobs, target), extensions))
    _remove_all_but({job.path for job in jobs}, (work / "objects").iterdir())
    _remove_all_but(set(modules), (target / "everbeat").rglob("*.so"))
    return modules


def _remove_all_but(kept: set[Path], found: Iterable[Path]) -> None:
    for path in set(found) - kept:
        path.unlink()


def _copy_package(into: Path) -> None:
    """Bring the copy up to date; what belongs to sources that are gone goes too."""
    wanted = {path.relative_to(SOURCE) for path in SOURCE.rglob("*.py")}
    for path in into.rglob("*"):
        source = path.relative_to(into).with_name(path.name.split(".", 1)[0] + ".py")
        if path.is_file() and source not in wanted:
            path.unlink()
    for path in sorted(wanted):
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SOURCE / path, into / path)


def _write_c(target: Path, work: Path, packages: Iterable[str]) -> list[Extension]:
    """Let mypyc check the sources and write C files; return what is to be built from them."""
    try:
        from mypyc.build import mypycify  # noqa: PLC0415 - not everyone who imports this has it
    except ImportError as error:
        raise CannotCompileError("no mypyc: pip install 'mypy[mypyc]'") from error
    sources = [
        str(path.relative_to(target))
        for package in packages
        for path in sorted((target / "everbeat" / package).rglob("*.py"))
        if not any(f"everbeat/{folder}/" in str(path) for folder in INTERPRETED)
    ]
    options = ["--strict", "--config-file=", "--follow-imports=silent"]
    options.append(f"--cache-dir={work / 'mypy'}")
    with contextlib.chdir(target):
        try:
            found: list[Extension] = mypycify(
                [*options, *sources],
                opt_level="2",
                multi_file=True,
                group_name="everbeat",
                target_dir=str(work / "c"),
            )
        except SystemExit as error:
            raise CannotCompileError("mypyc refuses the sources, see above") from error
    return found


class _Object:
    """One C file and what it becomes."""

    def __init__(self, command: list[str], source: str, extension: Extension, work: Path) -> None:
        # Modules without headers of ours only hand over to the common one: nothing to optimize.
        level = "-O2" if extension.depends else "-O0"
        includes = [
            f"-I{path}" for path in [*extension.include_dirs, sysconfig.get_path("include")]
        ]
        self.source = source
        self.extension = extension
        self.command = [*command, level, *includes, "-c", source]
        key = hashlib.sha256(" ".join(self.command).encode())
        for path in [source, *sorted(extension.depends)]:
            key.update(Path(path).read_bytes())
        self.path = work / "objects" / f"{key.hexdigest()[:32]}.o"
        self.is_new = not self.path.exists()

    def make(self) -> None:
        """Compile, unless the object is there already."""
        if self.is_new:
            half = self.path.with_suffix(".half")
            _run([*self.command, "-o", str(half)])
            half.rename(self.path)


def _link(command: list[str], extension: Extension, objects: list[_Object], target: Path) -> Path:
    name = extension.name.replace(".", "/") + sysconfig.get_config_var("EXT_SUFFIX")
    parts = [one for one in objects if one.extension is extension]
    if not (target / name).exists() or any(part.is_new for part in parts):
        _run([*command, "-shared", *(str(part.path) for part in parts), "-o", str(target / name)])
    return target / name


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotCompileError(f"{' '.join(command)}\n{done.stderr}")


def main() -> int:
    """Compile into the directory named on the command line, the policy engine or what is named."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        modules = compile_into(Path(sys.argv[1]), sys.argv[2:] or PACKAGES)
    except CannotCompileError as error:
        print(f"compile_policy: {error}", file=sys.stderr)
        return 1
    print(f"{len(modules)} modules in {sys.argv[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
