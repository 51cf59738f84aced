"""What a benchmark runs besides everbeat: said before it starts, not when something times out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("tests", "src")]

from everbeat.adapters.namespaces import can_make_spaces  # noqa: E402 - the path comes first

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PLACES: Final = {
    "corosync": ("/usr/sbin/corosync",),
    "heartbeat": ("/usr/libexec/heartbeat/heartbeat", "/usr/bin/cl_status"),
    "iproute2": ("/usr/bin/ip", "/usr/sbin/tc"),
    "keepalived": ("/usr/sbin/keepalived",),
    "nginx-light": ("/usr/sbin/nginx",),
    "pacemaker": ("/usr/sbin/pacemakerd",),
    "pacemaker-cli-utils": ("/usr/sbin/crm_mon", "/usr/sbin/crm_resource"),
    "resource-agents": ("/usr/lib/ocf/resource.d/heartbeat/nginx",),
    "util-linux": ("/usr/bin/nsenter", "/usr/bin/unshare", "/usr/bin/setpriv"),
}
"""Debian packages, and the files by which they are found."""

LABORATORY: Final = ("iproute2", "util-linux")
LABORATORY_AND_CL_STATUS: Final = (*LABORATORY, "heartbeat")  # it asks everbeat, too
PRODUCTS: Final = {
    "everbeat": (*LABORATORY_AND_CL_STATUS, "nginx-light"),
    "heartbeat": (*LABORATORY_AND_CL_STATUS, "nginx-light"),
    "keepalived": (*LABORATORY, "keepalived", "nginx-light"),
    "pacemaker": (
        *(*LABORATORY, "corosync", "nginx-light"),
        *("pacemaker", "pacemaker-cli-utils", "resource-agents"),
    ),
}


def need_products(names: Sequence[str]) -> None:
    """End the program, saying what to install, unless these products can be measured here."""
    whole = [name for name in names if not missing_of(PRODUCTS[name])]
    hint = f"or without:  --products {','.join(whole)}" if whole else ""
    need(*dict.fromkeys(package for name in names for package in PRODUCTS[name]), hint=hint)


def need(*packages: str, hint: str = "") -> None:
    """End the program, saying what to install, unless root may run all this in namespaces here."""
    missing = missing_of(packages)
    problems = [f"{package} is not installed: no {place}" for package, place in missing.items()]
    if missing:
        problems.append(f"as root:  apt-get install --no-install-recommends {' '.join(missing)}")
        problems += [hint] if hint else []
    if os.geteuid() != 0:
        problems.append("this has to run as root")
    elif not missing and (why := can_make_spaces()):
        problems.append(f"this machine makes no namespaces: {why}")
    if problems:
        sys.exit("\n".join(problems))


def missing_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the packages that are not here, each with a file of its that is not."""
    places = {package: [p for p in PLACES[package] if not Path(p).exists()] for package in packages}
    return {package: missing[0] for package, missing in places.items() if missing}
