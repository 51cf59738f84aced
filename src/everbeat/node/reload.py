"""What of a changed ha.cf takes effect at once, and by whom; what waits for the next start.

at once, in place      core: auto_failback, monitoring, apiauth, stop_failure, parameters
                       executor: monitoring; link: keys
by another link process, under the same generation: nodes, media, timing, quorum, wire options
at the next start      everything of NEXT_START
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.model.groups import AutoFailback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from everbeat.model.cluster import HaConfig

NEXT_START: Final[Mapping[str, str]] = {
    "node": "the name of this machine",
    "crm": "crm",
    "respawn": "respawn",
    "has_ipfail": "respawn",
    "stonith": "stonith, stonith_host",
    "fence_devices": "stonith, stonith_host",
    "stonith_timeout_ms": "stonith_timeout",
    "stonith_action": "stonith_action",
    "watchdog": "watchdog",
    "logfile": "logfile",
    "debugfile": "debugfile",
    "logfacility": "logfacility",
    "use_logd": "use_logd",
    "debug": "debug",
    "is_realtime": "realtime",
    "rtprio": "rtprio",
    "hbgenmethod": "hbgenmethod",
    "uuidfrom": "uuidfrom",
    "environment": "env",
}
"""Field of HaConfig: the directives that set it."""

_NOT_FOR_LINK: Final = ("auto_failback", "apiauth", "monitoring", "stop_failure", "parameters")


def live_part(former: HaConfig, new: HaConfig) -> tuple[HaConfig, tuple[str, ...]]:
    """Return what to use from now on, and the directives that wait for the next start."""
    kept = {name: getattr(former, name) for name in NEXT_START}
    later = [words for name, words in NEXT_START.items() if getattr(new, name) != kept[name]]
    modes = {former.auto_failback, new.auto_failback}
    if AutoFailback.LEGACY in modes and len(modes) > 1:
        kept["auto_failback"] = former.auto_failback
        later.append("auto_failback to or from legacy")
    return replace(new, **kept), tuple(dict.fromkeys(later))


def needs_new_link(former: HaConfig, new: HaConfig) -> bool:
    """Whether link must be another process to use this."""
    same = {name: getattr(former, name) for name in (*_NOT_FOR_LINK, *NEXT_START)}
    return replace(new, **same) != former
