"""The environment of scripts, hooks and respawn clients.

Fields of cluster messages become HA_<field>. They come from the network, so only names of letters,
digits and underscores pass, values are bounded and without NUL, and no message can change where
scripts look for programs and files. Source: Heartbeat 3.0.6 as measured (docs/compare.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.ports.host import PROGRAM_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.cluster import HaConfig

Environment: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values; the last one of a name counts."""

NAME_BYTES_MAX: Final = 64
VALUE_BYTES_MAX: Final = 4096
VARIABLES_MAX: Final = 256
"""Limits for what a message brings; what is beyond them is left out."""

_NAME: Final = re.compile(r"HA_[A-Za-z0-9_]+")
# fmt: off
_OURS: Final = frozenset({
    "HA_BIN", "HA_CF", "HA_CONFDIR", "HA_CURHOST", "HA_DATEFMT", "HA_DEBUGLOG",
    "HA_DIR", "HA_DOCDIR", "HA_FIFO", "HA_FUNCS", "HA_LOGD", "HA_LOGFACILITY",
    "HA_LOGFILE", "HA_LOGTAG", "HA_NOARCHBIN", "HA_RCDIR", "HA_RESOURCEDIR", "HA_RSCTMP",
    "HA_RSCTMP_OLD", "HA_SBIN_DIR", "HA_STOPRETRYMAX", "HA_USE_LOGD", "HA_VARLIB", "HA_VARLIBHB",
    "HA_VARLOCK", "HA_VARRUN", "HA_VARRUNHB", "HA_debug", "HA_use_logd",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of this installation: --etc and --state, without trailing slash."""

    etc: str
    state: str


def script_environment(config: HaConfig, places: Places) -> Environment:
    """Return what every script sees: where things are, who we are and where logs go."""
    names = {
        "PATH": PROGRAM_PATH,
        "HOME": "/",
        "OCF_ROOT": "/usr/lib/ocf",
        "HA_DIR": places.etc,
        "HA_FUNCS": f"{places.etc}/shellfuncs",
        "HA_RCDIR": f"{places.etc}/rc.d",
        "HA_RESOURCEDIR": f"{places.etc}/resource.d",
        "HA_CF": f"{places.etc}/ha.cf",
        "HA_FIFO": f"{places.state}/fifo",
        "HA_CURHOST": config.node,
        "HA_DATEFMT": "%Y/%m/%d_%T ",
        "HA_debug": str(config.debug),
        "HA_LOGD": "yes" if config.use_logd else "no",
    }
    if config.logfile:
        names["HA_LOGFILE"] = config.logfile
    if config.debugfile:
        names["HA_DEBUGLOG"] = config.debugfile
    if config.logfacility:
        names["HA_LOGFACILITY"] = config.logfacility
    return tuple(names.items())


def client_environment(config: HaConfig, places: Places) -> Environment:
    """Return what respawn clients see: a script's environment and each parameter of ha.cf."""
    parameters = (*config.parameters, *config.environment)
    named = [
        (name if name.startswith("HA_") else f"HA_{name}", value) for name, value in parameters
    ]
    compression = (("HA_COMPRESSION", config.compression),) if config.compression else ()
    own = script_environment(config, places)
    return (*accepted(named), *compression, *own)


def accepted(pairs: Iterable[tuple[str, str]]) -> Environment:
    """Return the pairs that may enter a script's environment, in their order.

    Left out: names that are not HA_ and a word, names that are ours to set, values with NUL or
    longer than VALUE_BYTES_MAX, and what comes after VARIABLES_MAX.
    """
    passed = [(name, value) for name, value in pairs if _is_accepted(name, value)]
    return tuple(passed[:VARIABLES_MAX])


def _is_accepted(name: str, value: str) -> bool:
    return (
        len(name) <= NAME_BYTES_MAX
        and _NAME.fullmatch(name) is not None
        and name not in _OURS
        and len(value) <= VALUE_BYTES_MAX
        and "\0" not in value
    )
