"""Compile the policy engine into the wheel, where that can be done; else the wheel is pure Python.

An editable install is never compiled: it runs the sources. EVERBEAT_PURE=1 asks for a pure wheel,
EVERBEAT_PURE=0 for no wheel at all if it cannot be compiled. Everything runs either way, slower.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
from compile_policy import CannotCompileError, compile_into, compiler

MYPYC = "mypy[mypyc]==2.4.1"


class CompilePolicy(BuildHookInterface):  # type: ignore[type-arg] # no configuration of its own
    """Hatchling's hook: adds the extension modules to the wheel."""

    def dependencies(self) -> list[str]:
        """Ask for mypyc only where it can be used."""
        return [MYPYC] if _is_wanted() and _compiler_fault() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the wheel is put together."""
        if version == "editable" or not _is_wanted():
            return
        target = Path(self.root, "build", "compiled")
        try:
            modules = compile_into(target)
        except CannotCompileError as error:
            if os.environ.get("EVERBEAT_PURE") == "0":
                raise
            self.app.display_warning(f"The policy engine stays interpreted: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for module in modules:
            build_data["force_include"][str(module)] = str(module.relative_to(target))


def _is_wanted() -> bool:
    return os.environ.get("EVERBEAT_PURE", "") not in {"1", "true", "yes"}


def _compiler_fault() -> str | None:
    try:
        compiler()
    except CannotCompileError as error:
        return str(error)
    return None
