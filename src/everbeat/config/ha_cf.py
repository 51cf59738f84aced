"""ha.cf: lines into directives, directives into a HaConfig.

    lines ── table ──► Draft (parameters, nodes, media, …) ── timing, cross checks ──► HaConfig

Processed line by line: udpport and baud act on the media below them. Every problem is reported;
a HaConfig exists only if none of them is an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.config.cross_checks import check_ha_cf
from everbeat.config.directives import Directive, Statement
from everbeat.config.draft import Draft
from everbeat.config.fencing import (
    FENCING,
    devices_of,
    stonith_action,
    stonith_timeout_ms,
    stop_failure,
)
from everbeat.config.files import (
    QUOTED,
    QUOTES,
    ConfigFile,
    Line,
    first_word_and_rest,
    lines_of,
    without_comment,
    without_quotes,
)
from everbeat.config.media import MEDIA
from everbeat.config.members import DEFAULT_APIAUTH, MEMBERS
from everbeat.config.monitoring import MONITORING, monitoring_of
from everbeat.config.options import CRM, OPTIONS
from everbeat.config.plain_text import (
    begins_foreign_comment,
    comment_report,
    plain_file,
    unseen_in,
    unseen_report,
    without_unseen,
)
from everbeat.config.quorum import QUORUM, quorum_of
from everbeat.config.suggestions import nearest
from everbeat.config.timing import timing_of
from everbeat.config.values import FALSE_WORDS, TRUE_WORDS, boolean_from_word, leading_number
from everbeat.model.cluster import Autojoin, HaConfig, Quorum, Timing
from everbeat.model.groups import AutoFailback
from everbeat.model.names import node_name_from_text

if TYPE_CHECKING:
    from everbeat.model.fencing import FenceDevice
    from everbeat.ports.host import HostLookup

_SEPARATOR: Final = re.compile("([=:,])")
LINE_BYTES_MAX: Final = 5_119
CONTROL_CHARACTERS: Final = frozenset(map(chr, range(32))) - set("\t\r\v\f")

TABLE: Final = (*OPTIONS, CRM, *MEDIA, *MEMBERS, *FENCING, *QUORUM, *MONITORING)
"""Every directive, one row each."""

DIRECTIVES: Final = {directive.name: directive for directive in TABLE} | {"crm": CRM}


def read_ha_cf(file: ConfigFile, host: HostLookup) -> tuple[Draft, HaConfig | None]:
    """Read the whole file; the draft holds the reports and what could be read."""
    draft = Draft(file.name, host, frozenset(DIRECTIVES))
    draft.parameters.update({row.name: row.default for row in TABLE if row.default})
    port = host.service_port("ha-cluster")
    if port is not None:
        draft.parameters["udpport"] = str(port)
    if file.text is None:
        remedy = "node, bcast or ucast, auto_failback: see the manual for a sample"
        draft.report_file("file-missing", f"{file.name} does not exist or is unreadable", remedy)
        return draft, None
    plain, reports = plain_file(file)
    draft.reports += reports
    for line in lines_of(plain):
        _read_line(draft, line)
    timing = timing_of(draft)
    check_ha_cf(draft)
    devices = devices_of(draft)
    quorum = quorum_of(draft, timing)
    return draft, None if draft.has_errors else _config(draft, timing, quorum, devices)


def _read_line(draft: Draft, line: Line) -> None:
    """Take one line apart and let its directive have it."""
    if len(line.text) > LINE_BYTES_MAX:
        summary = f"the line has {len(line.text)} characters; {LINE_BYTES_MAX} are read as one"
        draft.report("line-too-long", line, summary, "several shorter lines")
        return
    content = without_comment(line.text)
    if not content:
        return
    if not CONTROL_CHARACTERS.isdisjoint(content):
        draft.report("not-text", line, "the line holds control characters", "plain text")
    if unseen := unseen_in(content):
        draft.reports.append(unseen_report(line.place, line.text, unseen=unseen))
        content = without_comment(without_unseen(content))
    if begins_foreign_comment(content):
        draft.reports.append(comment_report(line.place, without_unseen(line.text)))
        return
    if not content:
        return
    if not QUOTES.isdisjoint(content):
        content = without_quotes(content)
        draft.report("quotes-typographic", line, QUOTED, content)
    name, rest = first_word_and_rest(content)
    directive = DIRECTIVES.get(name)
    if directive is None:
        _report_unknown(draft, line, name, rest)
    else:
        _apply(draft, directive, Statement(line, name, rest))


def _report_unknown(draft: Draft, line: Line, name: str, rest: str) -> None:
    word, sign, value = (
        _SEPARATOR.split(name, maxsplit=1) if _SEPARATOR.search(name) else (name, "", "")
    )
    meant = nearest(word, DIRECTIVES)
    remedy = " ".join(filter(None, (meant, value, rest))) if meant else "delete the line"
    summary = f"'{name[:60]}' is no directive"
    if sign and meant == word:
        summary += "; name and value are separated by a blank"
    elif meant == name.lower():
        summary += "; names are case-sensitive"
    draft.report("directive-unknown", line, summary, remedy)


def _apply(draft: Draft, directive: Directive, statement: Statement) -> None:
    """Apply a directive to its line."""
    if directive.is_value_needed and not statement.values:
        summary = f"{statement.directive}: no value; the line has no effect"
        remedy = f"{statement.directive} {directive.shape}"
        draft.report("directive-without-value", statement.line, summary, remedy)
    elif directive.kind is not None:
        _set_option(draft, directive, statement)
    else:
        assert directive.apply is not None
        directive.apply(draft, statement)


def _set_option(draft: Draft, directive: Directive, statement: Statement) -> None:
    """Check and record a scalar. Of several values each is applied in turn; the last one stays."""
    name, line = directive.name, statement.line
    assert directive.kind is not None
    earlier = draft.lines.get(name)
    values = statement.values
    if directive.is_once and (earlier is not None or len(values) > 1):
        at = f"; see line {earlier.number}" if earlier else ""
        summary = f"{statement.directive}: may be given only once{at}"
        draft.report("directive-twice", line, summary, "delete this line")
    elif earlier is not None:
        summary = f"{statement.directive}: overrides line {earlier.number}"
        draft.report("directive-repeated", line, summary, "keep one of the two lines")
    elif len(values) > 1:
        summary = f"{statement.directive}: of {len(values)} values the last one counts"
        meant = "".join(values) if values[-1] in {"ms", "us"} else values[-1]
        draft.report("value-surplus", line, summary, f"{statement.directive} {meant}")
    for value in values:
        directive.kind(draft, statement, value)
    draft.parameters[name] = values[-1]
    draft.lines[name] = line


def _config(
    draft: Draft, timing: Timing, quorum: Quorum, devices: tuple[FenceDevice, ...]
) -> HaConfig:
    """Turn the checked words into values."""
    words = draft.parameters
    named = {entry.client for entry in draft.apiauth}
    defaults = tuple(entry for entry in DEFAULT_APIAUTH if entry.client not in named)
    return HaConfig(
        node=node_name_from_text(draft.host.node_name()),
        nodes=tuple(draft.nodes),
        media=tuple(draft.media),
        timing=timing,
        auto_failback=auto_failback_from_word(words["auto_failback"]),
        autojoin=Autojoin(words["autojoin"].lower()),
        crm=crm_from_word(words["pacemaker"]),
        respawn=tuple(draft.respawn),
        has_ipfail=draft.has_ipfail,
        apiauth=(*draft.apiauth, *defaults),
        stonith=tuple(device for _, device in draft.stonith),
        fence_devices=devices,
        stonith_timeout_ms=stonith_timeout_ms(draft),
        stonith_action=stonith_action(draft),
        stop_failure=stop_failure(draft),
        quorum=quorum,
        witness=draft.witness,
        watchdog=words.get("watchdog", ""),
        hopfudge=leading_number(words["hopfudge"]),
        logfile=words.get("logfile", ""),
        debugfile=words.get("debugfile", ""),
        logfacility=words.get("logfacility", ""),
        use_logd=bool(boolean_from_word(words.get("use_logd", "off"))),
        debug=leading_number(words["debug"]),
        is_realtime=bool(boolean_from_word(words["realtime"])),
        rtprio=leading_number(words.get("rtprio", "1")),
        hbgenmethod=words["hbgenmethod"],
        uuidfrom=words["uuidfrom"],
        msgfmt=words["msgfmt"],
        compression=words["compression"],
        compression_threshold_kib=leading_number(words["compression_threshold"]),
        is_traditional_compression=bool(boolean_from_word(words["traditional_compression"])),
        max_rexmit_delay_ms=leading_number(words["max_rexmit_delay"]),
        is_log_badpack=bool(boolean_from_word(words["log_badpack"])),
        cluster=words["cluster"],
        environment=tuple(draft.environment),
        monitoring=monitoring_of(draft),
        parameters=tuple(sorted(words.items())),
    )


def auto_failback_from_word(word: str) -> AutoFailback:
    """Return the mode of a checked word: any truth value or legacy."""
    value = boolean_from_word(word)
    if value is None:
        return AutoFailback.LEGACY
    return AutoFailback.ON if value else AutoFailback.OFF


def crm_from_word(word: str) -> str:
    """Return off, on, respawn, manual, ccm-only or valgrind of a checked word."""
    lowered = word.lower()
    if lowered in TRUE_WORDS:
        return "on"
    if lowered in FALSE_WORDS:
        return "off"
    return "manual" if lowered == "minimal" else lowered
