"""The three files together: all problems of all files at once, or the values they say.

Reports go into logs and to other nodes: if a secret stands in ha.cf or haresources, their words are
those of a second reading, of the same files with masks in place of the secrets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from everbeat.config.addresses import check_addresses
from everbeat.config.authkeys import read_authkeys, reports_of_recordings
from everbeat.config.codes import CODES, report_of
from everbeat.config.files import ConfigFile, ConfigFiles, has_dos_line_ends, lines_of
from everbeat.config.ha_cf import crm_from_word, read_ha_cf
from everbeat.config.haresources import read_haresources
from everbeat.config.host_facts import HostFacts
from everbeat.config.monitoring import check_monitored
from everbeat.config.secrets import check_secrets, masked_file
from everbeat.config.witness_keys import reports_of_signing
from everbeat.model.cluster import Quorum
from everbeat.model.names import node_name_from_text
from everbeat.model.reports import Place, Report

if TYPE_CHECKING:
    from everbeat.config.draft import Draft
    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ResourceGroup
    from everbeat.model.keys import AuthKeys
    from everbeat.ports.host import HostLookup

__all__ = ["ConfigFile", "ConfigFiles", "HostFacts", "Parsed", "config_from_files"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the files say. A part is None (groups: empty) if a report of its file is an error."""

    config: HaConfig | None
    keys: AuthKeys | None
    groups: tuple[ResourceGroup, ...]
    reports: tuple[Report, ...]  # ha.cf, authkeys, haresources; each in the order of its lines


def config_from_files(files: ConfigFiles, host: HostLookup) -> Parsed:
    """Read and check the files of one node. Never raises; same input, same result.

    No report holds a secret of ha.cf or haresources.
    """
    parsed = _read(files, host)
    shown = replace(
        files, ha_cf=masked_file(files.ha_cf), haresources=masked_file(files.haresources)
    )
    if shown == files or not parsed.reports:
        return parsed
    return replace(parsed, reports=_told_of(shown, parsed.reports, _read(shown, host).reports))


def _told_of(
    shown: ConfigFiles, found: tuple[Report, ...], read: tuple[Report, ...]
) -> tuple[Report, ...]:
    """Return the reports that were found, in the words of those read of the files as shown.

    A problem that lies in a secret itself is not among these: the meaning of its code has to do.
    """
    wanted = Counter(map(_problem, found))
    words = {problem: iter([r for r in read if _problem(r) == problem]) for problem in wanted}
    known = Counter(map(_problem, read))
    files = (shown.ha_cf, shown.haresources)
    places = {(f.name, line.number): line.place for f in files for line in lines_of(f)}
    reports = []
    for report in found:
        problem, place = _problem(report), report.place
        if place.file == shown.authkeys.name:
            reports.append(report)
        elif known[problem] == wanted[problem]:
            reports.append(next(words[problem]))
        else:
            place = places.get((place.file, place.line), Place(place.file, place.line))
            reports.append(report_of(report.code, place, CODES[report.code].meaning))
    return tuple(reports)


def _problem(report: Report) -> tuple[str, str, int]:
    return report.code, report.place.file, report.place.line


def _read(files: ConfigFiles, host: HostLookup) -> Parsed:
    draft, config = read_ha_cf(files.ha_cf, host)
    keys, key_reports = read_authkeys(files.authkeys)
    groups: tuple[ResourceGroup, ...] = ()
    group_reports: tuple[Report, ...] = ()
    if _is_ruled_by_haresources(draft):
        own = node_name_from_text(host.node_name())
        owners = tuple(dict.fromkeys((*draft.nodes, own))) if draft.nodes else ()
        groups, group_reports = read_haresources(files.haresources, owners, host)
        check_monitored(draft, groups)
        found = check_addresses(draft, groups, files.haresources.name)
        group_reports = (*group_reports, *found)
        config = None if draft.has_errors else config
    elif files.haresources.text is not None:
        summary = "with a cluster resource manager this file is ignored"
        place = Place(files.haresources.name)
        group_reports = (report_of("haresources-unused", place, summary, "crm off in ha.cf"),)
    group_reports = (*group_reports, *check_secrets(files.haresources))
    if config is not None and keys is not None and config.quorum is Quorum.WITNESS:
        key_reports = (*key_reports, *reports_of_signing(keys, Place(files.authkeys.name)))
    if config is not None and keys is not None and config.quorum is not Quorum.NONE:
        place = Place(files.authkeys.name)
        key_reports = (*key_reports, *reports_of_recordings(keys, place))
    dos_reports = [
        report_of(
            "dos-line-ends",
            Place(file.name),
            f"{file.name} has DOS line ends (CR LF); everbeat drops the CR, Heartbeat may not",
            f"sed -i 's/\\r$//' {file.name}",
        )
        for file in (files.ha_cf, files.authkeys, files.haresources)
        if has_dos_line_ends(file)
    ]
    reports = (
        *dos_reports,
        *_sorted((*draft.reports, *check_secrets(files.ha_cf))),
        *_sorted(key_reports),
        *_sorted(group_reports),
    )
    return Parsed(config, keys, groups, reports)


def _is_ruled_by_haresources(draft: Draft) -> bool:
    return crm_from_word(draft.parameters["pacemaker"]) == "off"


def _sorted(reports: tuple[Report, ...]) -> list[Report]:
    return sorted(reports, key=lambda report: report.place.line)
