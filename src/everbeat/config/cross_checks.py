"""What no single line can tell: checks over the whole of ha.cf, and between the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.config.media import MEDIA_MAX
from everbeat.config.members import check_apiauth, settle_ipfail
from everbeat.config.options import is_crm_word
from everbeat.config.suggestions import nearest
from everbeat.config.values import FALSE_WORDS, boolean_from_word
from everbeat.model.names import node_name_from_text
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from everbeat.config.draft import Draft

NODES_MAX: Final = 100
CARRIERS: Final = tuple(
    [name] for name in ("bcast", "udp", "ucast", "ucast6", "mcast", "mcast6", "serial")
)


def check_ha_cf(draft: Draft) -> None:
    """Report what is wrong with ha.cf as a whole."""
    _check_nodes(draft)
    _check_media(draft)
    _check_baud(draft)
    _check_failback(draft)
    _check_crm(draft)
    _check_logging(draft)
    _check_stonith_hosts(draft)
    settle_ipfail(draft)
    check_apiauth(draft)


def _check_nodes(draft: Draft) -> None:
    own = node_name_from_text(draft.host.node_name())
    is_any_taken = draft.parameters["autojoin"].lower() == "any"
    if not draft.nodes and not is_any_taken:
        summary = "no node line: the members of the cluster are unknown"
        draft.report_file("nodes-missing", summary, f"node {own} PEER")
    elif own not in draft.nodes and not is_any_taken:
        known = ", ".join(list(draft.nodes)[:5])
        meant = nearest(own, draft.nodes)
        remedy = f"node {own}" + (f" instead of {meant}" if meant else "")
        summary = f"this machine is called {own}, but ha.cf names only {known}"
        line = next(iter(draft.nodes.values()))
        draft.report("own-node-missing", line, summary, remedy)
    if len(draft.nodes) > NODES_MAX:
        summary = f"{len(draft.nodes)} nodes; {NODES_MAX} are possible"
        line = list(draft.nodes.values())[NODES_MAX]
        draft.report("nodes-too-many", line, summary, "fewer nodes")
    elif len(draft.nodes) > 2 and _is_v1(draft):
        line = list(draft.nodes.values())[2]
        summary = f"{len(draft.nodes)} nodes: Heartbeat's resource manager is made for two"
        remedy = "run everbeat on every node: Heartbeat nodes would all take a dead node's groups"
        draft.report("nodes-more-than-two", line, summary, remedy)
    elif list(draft.nodes) == [own] and _is_v1(draft):
        line = draft.nodes[own]
        draft.report("node-single", line, "no other node can take over", f"node {own} PEER")
    for name, line in draft.nodes.items():
        if name != own and not draft.host.knows_node(name):
            summary = f"node: no address is known for {name}; is the name right?"
            remedy = f"the name `uname -n` prints on that machine; put {name} into /etc/hosts"
            draft.report("node-unresolvable", line, summary, remedy)


def _check_media(draft: Draft) -> None:
    if len(draft.media) > MEDIA_MAX:
        summary = f"{len(draft.media)} media; {MEDIA_MAX} are possible"
        draft.report("media-too-many", draft.media_lines[MEDIA_MAX], summary, "fewer media lines")
    if not _has_broken_carrier(draft):
        _check_carriers(draft)


def _has_broken_carrier(draft: Draft) -> bool:
    """Whether a media line was refused: then counting the others would mislead."""
    return any(
        report.severity is Severity.ERROR and report.place.text.split()[:1] in CARRIERS
        for report in draft.reports
    )


def _check_carriers(draft: Draft) -> None:
    carriers = [medium for medium in draft.media if not medium.kind.is_ping]
    present = {entry.name for entry in draft.host.interfaces()}
    if not carriers and draft.own_ucast and len(draft.nodes) == 1:
        return  # the others are still to come
    if not carriers and draft.own_ucast:
        summary = "all ucast lines lead to this machine itself"
        remedy = "ucast IFACE PEER for every other node"
        draft.report("ucast-own-only", draft.own_ucast[0], summary, remedy)
    elif not carriers and draft.media:
        summary = "ping lines alone carry no heartbeats"
        draft.report("media-ping-only", draft.media_lines[0], summary, "bcast eth0")
    elif not carriers:
        summary = "no bcast, ucast, mcast or serial line: heartbeats have no way to travel"
        draft.report_file("media-missing", summary, "bcast eth0")
    elif all(medium.interface and medium.interface not in present for medium in carriers):
        missing = " and ".join(dict.fromkeys(medium.interface for medium in carriers))
        summary = f"no path is left for heartbeats: there is no interface {missing}"
        known = ", ".join(sorted(present)) or "none"
        line = draft.media_lines[draft.media.index(carriers[0])]
        draft.report("interface-missing", line, summary, f"an interface of this machine: {known}")
    elif len({medium.link for medium in carriers}) == 1:
        summary = f"all heartbeats travel over {carriers[0].link}: if it fails, both nodes go alone"
        remedy = "a second path, e.g. another interface or a serial line"
        draft.report_file("media-single-path", summary, remedy)


def _check_baud(draft: Draft) -> None:
    line = draft.lines.get("baud")
    serial = [medium for medium in draft.media if medium.device]
    if line and any(str(medium.baud) != draft.parameters["baud"] for medium in serial):
        summary = "baud: the serial lines above do not use this speed"
        draft.report("baud-after-serial", line, summary, "move baud above the first serial line")


def _check_failback(draft: Draft) -> None:
    if draft.parameters["pacemaker"].lower() not in FALSE_WORDS:
        return
    if "auto_failback" not in draft.lines:
        summary = "no auto_failback line: groups return, by the legacy way beside a Heartbeat"
        draft.report_file("auto-failback-missing", summary, "auto_failback on or off")
    elif draft.parameters["auto_failback"].lower() == "legacy":
        summary = "auto_failback legacy: on, but beside a Heartbeat hb_standby does nothing"
        draft.report_about("auto_failback", "auto-failback-legacy", summary, "auto_failback on")


def _check_crm(draft: Draft) -> None:
    crm = draft.parameters["pacemaker"].lower()
    if _is_v1(draft):
        if draft.parameters["autojoin"].lower() in {"other", "any"}:
            summary = (
                "autojoin needs a cluster resource manager; haresources knows only listed nodes"
            )
            draft.report_about("autojoin", "autojoin-without-crm", summary, "autojoin none")
    elif crm == "ccm-only":
        summary = "the membership daemon ccm is not started"
        draft.report_about("pacemaker", "crm-no-membership-daemon", summary, "crm off")
    elif "pacemaker" in draft.lines and is_crm_word(crm):
        summary = f"crm {crm}: this program manages haresources, no other resource manager"
        draft.report_about("pacemaker", "crm-unavailable", summary, "crm off")


def _is_v1(draft: Draft) -> bool:
    """Whether haresources rules; a word that is none of crm's was reported already."""
    return boolean_from_word(draft.parameters["pacemaker"]) is False


def _check_logging(draft: Draft) -> None:
    has_file = "logfile" in draft.lines or "debugfile" in draft.lines
    has_facility = draft.parameters.get("logfacility", "none") != "none"
    if has_file or has_facility:
        return
    use_logd = draft.parameters.get("use_logd")
    if use_logd is None:
        summary = "no log target: messages go to the system's log"
        draft.report_file("log-target-default", summary, "logfacility daemon")
    elif boolean_from_word(use_logd) is False:
        summary = "use_logd is off and there is no logfile, debugfile or logfacility"
        draft.report_about("use_logd", "log-target-missing", summary, "logfacility daemon")


def _check_stonith_hosts(draft: Draft) -> None:
    for line, device in draft.stonith:
        if device.host != "*" and node_name_from_text(device.host) not in draft.nodes:
            summary = f"stonith_host: {device.host} is no node of this cluster"
            draft.report("stonith-node-unknown", line, summary, "stonith_host * TYPE PARAMS")
