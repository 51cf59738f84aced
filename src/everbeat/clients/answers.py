"""Answers to requests that only look: the same fields in the same order as 3.0.6 gives.

A request that cannot be answered gets `result=badreq info=EINVAL`.

Source: measured on 3.0.6 (docs/protocol); Heartbeat: heartbeat/hb_api.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.members import LinkStatus, NodeKind
from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.model.names import node_name_from_text

if TYPE_CHECKING:
    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ManagerView
    from everbeat.model.members import MembershipView, NodeView

HB_VERSION: Final = "3.0.6 (everbeat)"
OK: Final = "OK"
MORE: Final = "ok/more"
BAD_REQUEST: Final = "badreq"

_FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
    "uucp", "cron", "authpriv", "ftp", "ntp", "security", "console", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything an answer may be made of."""

    config: HaConfig
    view: MembershipView
    manager: ManagerView


def answer(request: Message, known: Knowledge) -> list[Message] | None:
    """Return the answer to a read-only request, or None for a request of another kind."""
    kind = request.text("reqtype") or ""
    match kind:
        case "nodelist":
            return _nodelist(known.view)
        case "nodestatus" | "nodetype" | "nodeweight" | "nodesite":
            return [_about_node(kind, request, known.view)]
        case "iflist":
            return _iflist(request, known)
        case "ifstatus":
            return [_ifstatus(request, known)]
        case "getparm":
            return [_getparm(request, known.config)]
        case "getrsc":
            return [response("getrsc", OK, rsc_hold=known.manager.holds)]
        case "numnodes":
            count = sum(node.kind is NodeKind.NORMAL for node in known.view.nodes)
            return [response("numnodes", OK, numnodes=str(count))]
        case "getuuid":
            return [_getuuid(request, known.view)]
        case "getname":
            return [_getname(request, known.view)]
        case _:
            return None


def response(request: str, result: str, **fields: str) -> Message:
    """Build an answer: its type, the request, the fields, the result."""
    return message_of(t="hbapi-resp", reqtype=request, **fields, result=result)


def refusal(request: str, info: str = "EINVAL") -> Message:
    """Build the answer to a request that cannot be met."""
    refused = message_of(t="hbapi-resp", reqtype=request, result=BAD_REQUEST)
    return refused.with_fields(Field(FieldType.STRING, "info", info)) if info else refused


def signon_response(config: HaConfig, info: str = "") -> Message:
    """Build the answer to signon; `info` says why it is refused."""
    verdict = {"info": info, "result": BAD_REQUEST} if info else {"result": OK}
    return message_of(
        t="hbapi-resp",
        reqtype="signon",
        **verdict,
        deadtime=f"{config.timing.deadtime_ms:x}",
        keepalive=f"{config.timing.keepalive_ms:x}",
        node=config.node,
        hbversion=HB_VERSION,
        pacemaker="false",
        logfacility=str(facility_number(config.logfacility)),
    )


def facility_number(name: str) -> int:
    """Return syslog's number of a facility (LOG_LOCAL0 is 128), -1 for none."""
    return _FACILITIES.index(name) * 8 if name in _FACILITIES else -1


def node_of(request: Message, view: MembershipView) -> NodeView | None:
    """Return the node a request names in any case, or None."""
    name = request.text("node")
    return None if name is None else view.node(node_name_from_text(name))


def _nodelist(view: MembershipView) -> list[Message]:
    last = len(view.nodes) - 1
    return [
        response(
            "nodelist",
            OK if number == last else MORE,
            node=node.node,
            nodetype=node.kind.value,
            st=node.status.value,
        )
        for number, node in enumerate(view.nodes)
    ] or [refusal("nodelist")]


def _about_node(kind: str, request: Message, view: MembershipView) -> Message:
    node = node_of(request, view)
    if node is None:
        return refusal(kind)
    field, value = {
        "nodestatus": ("st", node.status.value),
        "nodetype": ("nodetype", node.kind.value),
        "nodeweight": ("weight", str(node.weight)),
        "nodesite": ("site", node.site),
    }[kind]
    return response(kind, OK, **{field: value})


def _iflist(request: Message, known: Knowledge) -> list[Message]:
    node = node_of(request, known.view)
    links = _links(node, known) if node is not None else {}
    last = len(links) - 1
    return [
        response("iflist", OK if number == last else MORE, ifname=name, st=status)
        for number, (name, status) in enumerate(links.items())
    ] or [refusal("iflist")]


def _ifstatus(request: Message, known: Knowledge) -> Message:
    node = node_of(request, known.view)
    links = _links(node, known) if node is not None else {}
    status = links.get(request.text("ifname") or "")
    return refusal("ifstatus") if status is None else response("ifstatus", OK, st=status)


def _links(node: NodeView, known: Knowledge) -> dict[str, str]:
    """Return link names and states: every medium for a cluster member, heard or not."""
    links: dict[str, str] = {}
    if node.kind is NodeKind.NORMAL:
        silent = LinkStatus.UP if node.node == known.view.own else LinkStatus.DEAD
        links = {m.link: silent.value for m in known.config.media if not m.kind.is_ping}
    links.update((name, status.value) for name, status in node.links)
    return links


def _getparm(request: Message, config: HaConfig) -> Message:
    name = request.text("pname")
    if name is None:
        return refusal("getparm")
    value = config.parameter(name)
    if value is None and name == "hbversion":
        value = HB_VERSION
    # 3.0.6 answers OK without a value for a parameter it does not know.
    return response("getparm", OK) if value is None else response("getparm", OK, pvalue=value)


def _getuuid(request: Message, view: MembershipView) -> Message:
    name = request.text("queryname")
    if name is None:
        return refusal("getuuid", "no query node name found")
    node = view.node(node_name_from_text(name))
    if node is None or not node.uuid:
        return response("getuuid", OK)
    return Message(
        (
            Field(FieldType.STRING, "t", "hbapi-resp"),
            Field(FieldType.STRING, "reqtype", "getuuid"),
            Field(FieldType.BINARY, "queryuuid", node.uuid),
            Field(FieldType.STRING, "result", OK),
        )
    )


def _getname(request: Message, view: MembershipView) -> Message:
    uuid = request.binary("queryuuid")
    if not uuid:
        return refusal("getname", "")
    for node in view.nodes:
        if node.uuid == uuid:
            return response("getname", OK, queryname=node.node)
    return refusal("getname", "")
