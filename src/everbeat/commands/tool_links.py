"""everbeat tools link: the old names as symbolic links to the one executable."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

OLD_NAMES: Final = (
    "cl_status",
    "hb_standby",
    "hb_takeover",
    "hb_addnode",
    "hb_delnode",
    "ha_propagate",
    "crm_simulate",
)


def executable() -> Path:
    """Return the path of the everbeat program that runs now."""
    called = Path(sys.argv[0])
    found = called if called.is_file() else Path(shutil.which("everbeat") or sys.argv[0])
    return found.absolute()


def link_tools(
    folder: Path, target: Path, out: TextIO, err: TextIO, *, is_forced: bool = False
) -> int:
    """Make the links; tell each; return 1 if a foreign file was left in the way or one failed."""
    exit_code = 0
    for name in OLD_NAMES:
        link = folder / name
        try:
            exit_code |= _link_one(link, target, out, err, is_forced=is_forced)
        except OSError as error:
            print(f"{link}: {error.strerror or error}", file=err)
            exit_code = 1
    return exit_code


def _link_one(link: Path, target: Path, out: TextIO, err: TextIO, *, is_forced: bool) -> int:
    if link.is_symlink() and Path(os.path.realpath(link)) == Path(os.path.realpath(target)):
        print(f"{link} -> {target}: already there", file=out)
        return 0
    is_there = link.is_symlink() or link.exists()
    is_ours = link.is_symlink() and link.readlink().name == "everbeat"
    if is_there and not is_ours and not is_forced:
        print(f"{link}: exists and is not ours; left alone (--force replaces it)", file=err)
        return 1
    fresh = link.with_name(f".{link.name}.everbeat")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
    print(f"{link} -> {target}: {'replaced' if is_there else 'made'}", file=out)
    return 0
