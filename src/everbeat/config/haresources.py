r"""haresources: which groups there are, what is in them, and who owns them.

    OWNER RESOURCE RESOURCE … \\
          RESOURCE

One logical line is one group, its first resource word the group's key. `#` begins a comment; a
backslash at the end of a line joins the next one. Source: measured behaviour of Heartbeat 3.0.6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.files import (
    QUOTED,
    QUOTES,
    ConfigFile,
    Line,
    lines_of,
    without_quotes,
    words_of,
)
from everbeat.config.plain_text import (
    begins_foreign_comment,
    comment_report,
    plain_file,
    unseen_in,
    unseen_report,
    without_unseen,
)
from everbeat.config.resources import check_resource, resource_from_word, service_address
from everbeat.config.secrets import MASK, masked
from everbeat.config.suggestions import nearest
from everbeat.model.groups import ResourceGroup, ResourceSpec
from everbeat.model.names import GroupKey, NodeName, node_name_from_text
from everbeat.model.reports import Place, Severity

if TYPE_CHECKING:
    from collections.abc import Collection

    from everbeat.model.reports import Report
    from everbeat.ports.host import HostLookup

_STRAIGHT_QUOTES: Final = ('"', "'", "`")


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """Lines joined by backslashes, placed at the first of them."""

    line: Line
    text: str


def read_haresources(
    file: ConfigFile, nodes: Collection[NodeName], host: HostLookup
) -> tuple[tuple[ResourceGroup, ...], tuple[Report, ...]]:
    """Read the groups; none if anything is an error. `nodes` empty: owners are not checked."""
    if file.text is None:
        summary = f"{file.name} does not exist or is unreadable"
        remedy = f"create it, the same on all nodes: {next(iter(nodes), 'NODE')} ADDRESS SERVICE"
        return (), (report_of("file-missing", Place(file.name), summary, remedy),)
    plain, reports = plain_file(file)
    groups: list[tuple[ResourceGroup, Line]] = []
    for logical in logical_lines(plain, reports):
        group = _group(logical, nodes, reports)
        if group is not None:
            groups.append((group, logical.line))
    _check_groups(groups, host, reports)
    if not groups and not any(report.severity is Severity.ERROR for report in reports):
        summary = "no group: nothing is managed"
        remedy = f"{next(iter(nodes), 'NODE')} ADDRESS SERVICE"
        reports.append(report_of("haresources-none", Place(file.name), summary, remedy))
    if any(report.severity is Severity.ERROR for report in reports):
        return (), tuple(reports)
    return tuple(group for group, _ in groups), tuple(reports)


def logical_lines(file: ConfigFile, reports: list[Report]) -> list[LogicalLine]:
    """Join continued lines and drop comments; report what Heartbeat reads otherwise.

    A line that begins with `#` is never continued. A comment on the first line of a group takes
    the joined lines with it; on a later one it ends with its line.
    """
    joined: list[LogicalLine] = []
    pending: list[Line] = []
    for written in lines_of(file):
        line = _plain_line(written, reports, is_continued=bool(pending))
        if not pending and line.text.lstrip().startswith("#"):
            continue
        pending.append(line)
        if line.text.endswith("\\"):
            continue
        if line.text.rstrip().endswith("\\") and "#" not in line.text:
            _report(reports, "continuation-blank", line)
        joined.append(_joined(pending, reports))
        pending = []
    if pending:
        _report(reports, "continuation-open", pending[-1])
        joined.append(_joined(pending, reports))
    return [logical for logical in joined if logical.text]


def _plain_line(line: Line, reports: list[Report], *, is_continued: bool) -> Line:
    """Return a line with what was meant for blanks and comments, and report where it is not so."""
    content, mark, comment = line.text.partition("#")
    if unseen := unseen_in(content):
        reports.append(unseen_report(line.place, line.text, unseen=unseen))
        content = without_unseen(content)
        line = replace(line, text=content + mark + comment if mark else content.rstrip())
    if not begins_foreign_comment(line.text):
        return line
    remedy = _LINE_PROBLEMS["comment-after-continuation"][1] if is_continued else ""
    reports.append(comment_report(line.place, line.text, remedy))
    goes_on = is_continued and line.text.endswith("\\")
    return replace(line, text="\\" if goes_on else "")


def _joined(lines: list[Line], reports: list[Report]) -> LogicalLine:
    first, *others = lines
    content, has_comment, _ = first.text.partition("#")
    parts = [content]
    if has_comment and others:
        _report(reports, "comment-continued", first)
        others = []
    for line in others:
        content, has_comment, _ = line.text.partition("#")
        if has_comment:
            _report(reports, "comment-after-continuation", line)
        parts.append(content)
    text = " ".join(part.rstrip(" \t\r").removesuffix("\\") for part in parts)
    return LogicalLine(first, text.strip())


_LINE_PROBLEMS: Final = {
    "comment-after-continuation": (
        "Heartbeat takes the words of this comment for resources",
        "put the comment on a line of its own, above the group",
    ),
    "comment-continued": (
        "the backslash stands in a comment: the next line belongs to the comment",
        "put the comment on a line of its own, above the group",
    ),
    "continuation-blank": (
        "blanks follow the backslash; Heartbeat does not join the next line",
        "a backslash as the very last character",
    ),
    "continuation-open": (
        "the last line ends with a backslash",
        "delete the backslash",
    ),
}


def _report(reports: list[Report], code: str, line: Line) -> None:
    summary, remedy = _LINE_PROBLEMS[code]
    reports.append(report_of(code, line.place, summary, remedy))


def _group(
    logical: LogicalLine, nodes: Collection[NodeName], reports: list[Report]
) -> ResourceGroup | None:
    """Read one logical line; None if it is no group."""
    place = logical.line.place
    text = logical.text
    if not QUOTES.isdisjoint(text):
        text = without_quotes(text)
        reports.append(report_of("quotes-typographic", place, QUOTED, text))
    if any(word[0] in _STRAIGHT_QUOTES for word in words_of(text)):
        text = " ".join(word.strip("".join(_STRAIGHT_QUOTES)) for word in words_of(text)).strip()
        summary = "a word begins with a quote; nothing here is quoted"
        reports.append(report_of("quotes-straight", place, summary, text))
    owner_word, *words = words_of(text) or ("",)
    owner = node_name_from_text(owner_word)
    if nodes and owner not in nodes:
        summary = f"'{owner_word[:60]}' is no node of ha.cf; a line begins with the group's owner"
        owner, words = _line_meant(owner_word, words, nodes)
        remedy = " ".join((owner, *words))
        reports.append(report_of("haresources-node-unknown", place, summary, remedy))
        if not words:
            return None
    if not words:
        summary = f"{owner_word} owns no resource here; the line has no effect"
        remedy = f"{owner} ADDRESS SERVICE"
        reports.append(report_of("group-empty", place, summary, remedy))
        return None
    resources = tuple(resource_from_word(word) for word in words)
    return ResourceGroup(owner, GroupKey(words[0]), resources)


def _line_meant(
    owner_word: str, words: list[str], nodes: Collection[NodeName]
) -> tuple[NodeName, list[str]]:
    """Guess owner and resources of a line that begins with no node.

    A comma, a name without its domain or with it, a misspelt name, or a forgotten owner.
    """
    first, *others = owner_word.split(",")
    if others and node_name_from_text(first) in nodes:
        return node_name_from_text(first), [*others, *words]
    name = node_name_from_text(owner_word)
    akin = [node for node in nodes if node.partition(".")[0] == name.partition(".")[0]]
    meant = akin[0] if len(akin) == 1 else nearest(name, nodes)
    is_resource = bool(resource_from_word(owner_word).arguments)
    kept = [owner_word, *words] if is_resource and meant is None else words
    return NodeName(meant or next(iter(nodes))), kept


def _check_groups(
    groups: list[tuple[ResourceGroup, Line]], host: HostLookup, reports: list[Report]
) -> None:
    """Check every resource, and that keys, addresses and resources stand in one group only."""
    keys: dict[str, int] = {}
    addresses: dict[str, int] = {}
    words: dict[str, int] = {}
    for group, line in groups:
        earlier = keys.setdefault(group.key, line.number)
        if earlier != line.number:
            summary = f"a group with the key {group.key} begins in line {earlier} already"
            remedy = "begin each group with another resource, e.g. its own address"
            reports.append(report_of("group-key-twice", line.place, summary, remedy))
        if MASK in masked(group.key):
            summary = "a password stands in the group's first resource, whose word names the group"
            remedy = "begin the group with another resource, e.g. its own address"
            reports.append(report_of("group-key-secret", line.place, summary, remedy))
        for resource in group.resources:
            reports.extend(check_resource(resource, line.place, host))
            _check_address(addresses, resource, line, reports)
            if resource.text != group.key:
                _check_shared(words, resource, line, reports)


def _check_shared(
    words: dict[str, int], resource: ResourceSpec, line: Line, reports: list[Report]
) -> None:
    """Check that no other group names a resource. `words`: resource -> its line."""
    earlier = words.setdefault(resource.text, line.number)
    if earlier == line.number or service_address(resource) is not None:
        return
    summary = (
        f"{resource.text} stands in line {earlier} already: on a node that holds both groups, to"
        " give up one stops it for both"
    )
    remedy = "a service of its own for each group, or one group with both addresses"
    reports.append(report_of("resource-shared", line.place, summary, remedy))


def _check_address(
    addresses: dict[str, int], resource: ResourceSpec, line: Line, reports: list[Report]
) -> None:
    """Check that a service address stands only once. `addresses`: address -> its line."""
    address = service_address(resource)
    if address is None:
        return
    if address in addresses:
        summary = f"the address {address} stands in line {addresses[address]} already"
        remedy = "give each group its own address"
        reports.append(report_of("address-twice", line.place, summary, remedy))
    addresses.setdefault(address, line.number)
