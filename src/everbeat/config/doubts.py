"""What a change of the files brings that a person should hear before it is made.

    reports on the files in use  ┐
    reports on those to be used  ┴─► news: what is reported of the new ones alone
                                       └─► doubts: of these, what takes a service or a path away

Errors refuse a change anyway. A doubt refuses it as well, until somebody insists; what was
reported of the files in use was decided before, and is no news.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.model.distribution import HARESOURCES
from everbeat.model.reports import Place, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.config.configuration import Parsed
    from everbeat.model.reports import Report

DOUBTED: Final = frozenset(
    {
        # a resource or an address will not start, or stops another one
        "script-missing",
        "script-interpreter",
        "resource-malformed",
        "resource-shared",
        "group-key-twice",
        "haresources-emptied",
        "address-is-node",
        "address-twice",
        "address-malformed",
        "address-prefix",
        "address-interface",
        "address-broadcast",
        "address-ipv6-bare",
        # a line of haresources is not what it seems
        "not-text",
        "comment-after-continuation",
        "comment-continued",
        "continuation-open",
        "continuation-blank",
        # a path, or what decides, will not work
        "interface-missing-ucast",
        "interface-without-address",
        "interface-loopback",
        "ucast-own-only",
        "multicast-ttl-zero",
        "media-ping-only",
        "ping-group-host-unresolvable",
        "ping-own-address",
        "ping-is-service",
        "peer-is-service",
        "port-wraps",
        "witness-unresolvable",
        "witness-unused",
        "stonith-node-unknown",
    }
)
"""Warnings that refuse a change unless somebody insists. The others are only shown."""

_LINE_NUMBER: Final = re.compile(r"\bline \d+")


def news_of_files(before: Parsed, after: Parsed) -> tuple[Report, ...]:
    """Return the news of files beside those in use, and whether they leave no group of these.

    One group that is deleted was meant; a file that is cut off, or of a fresh install, was not.
    """
    found = news(before.reports, after.reports)
    is_right = all(report.severity is not Severity.ERROR for report in found)
    if not is_right or after.groups or not before.groups:
        return found
    keys = ", ".join(group.key for group in before.groups)
    summary = f"no group is left; what is served now is stopped: {keys}"
    remedy = f"the lines that are missing; the former file may be {HARESOURCES}.bak"
    return (*found, report_of("haresources-emptied", Place(HARESOURCES), summary, remedy))


def news(before: Iterable[Report], after: Iterable[Report]) -> tuple[Report, ...]:
    """Return every error of `after`, and the warnings that `before` has not.

    A warning is the same wherever its line has moved.
    """
    known = Counter(_identity(report) for report in before)
    found: list[Report] = []
    for report in after:
        if report.severity is Severity.ERROR:
            found.append(report)
        elif report.severity is Severity.WARNING:
            is_known = known[_identity(report)] > 0
            known[_identity(report)] -= is_known
            found += [] if is_known else [report]
    return tuple(found)


def doubts(reports: Iterable[Report]) -> tuple[Report, ...]:
    """Return the reports that refuse a change unless somebody insists on it."""
    return tuple(report for report in reports if report.code in DOUBTED)


def _identity(report: Report) -> tuple[str, str]:
    return report.code, _LINE_NUMBER.sub("line", report.summary)
