"""The keys a witness is given: a file for each cluster, each an authkeys of that cluster's nodes.

    DIR/shop.authkeys   ─► cluster `shop`          ETC/authkeys ─► cluster `cluster`

Enters: the texts of the files. Leaves: keys, and reports of all files at once. A file with an
error is left out, so that one cluster's mistake does not cost the others their witness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.config.authkeys import read_authkeys
from everbeat.config.codes import report_of
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.reports import Place, Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.config.files import ConfigFile

ONLY_CLUSTER: Final = "cluster"
"""What the cluster is called whose keys come from a plain authkeys."""


@dataclass(frozen=True, slots=True)
class ClusterFile:
    """The authkeys of one cluster; `cluster` is its name in logs, status and state."""

    cluster: str
    file: ConfigFile


@dataclass(frozen=True, slots=True)
class ClusterKeys:
    """The keys of one cluster; all of them have a secret."""

    cluster: str
    keys: AuthKeys


@dataclass(frozen=True, slots=True)
class WitnessConfig:
    """The keys of all clusters whose files are right, and everything to be said of the files."""

    clusters: tuple[ClusterKeys, ...]
    reports: tuple[Report, ...]


def witness_config_from_files(files: Iterable[ClusterFile]) -> WitnessConfig:
    """Read all files; same input, same result."""
    owners: dict[bytes, str] = {}  # secret: name of the file it stood in first
    clusters: list[ClusterKeys] = []
    reports: list[Report] = []
    for each in files:
        parsed, found = read_authkeys(each.file)
        reports += found
        if parsed is None:
            continue
        place = Place(each.file.name)
        reports += reports_of_signing(parsed, place)
        usable: list[AuthKey] = []
        for key in parsed.keys:
            if not key.secret:
                continue
            owner = owners.setdefault(key.secret, each.file.name)
            if owner == each.file.name:
                usable.append(key)
                continue
            summary = f"key {key.number} is in {owner} as well: whoever signs with it counts there"
            remedy = "give each cluster a secret of its own, or delete one of the files"
            reports.append(report_of("witness-key-shared", place, summary, remedy))
        if usable:
            clusters.append(ClusterKeys(each.cluster, AuthKeys(parsed.signing, tuple(usable))))
    return WitnessConfig(tuple(clusters), tuple(reports))


def reports_of_signing(keys: AuthKeys, place: Place) -> tuple[Report, ...]:
    """Report a key that signs without a secret."""
    signing = keys.key(keys.signing)
    if signing is not None and signing.secret:
        return ()
    summary = "the key that signs has no secret: a witness cannot tell who asks"
    return (report_of("witness-key-crc", place, summary, "1 sha1 SECRET"),)
