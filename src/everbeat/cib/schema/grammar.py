"""The form of a configuration of the current schema: which elements, with which attributes.

One line per element: attributes it must have, those it may have, and the elements inside it.
Source: Pacemaker's documentation of the CIB, held by all regression cases.
"""

from __future__ import annotations

from typing import Final, final


@final
class Form:
    """What one kind of element may be: `needs` and `takes` are attributes, `holds` elements."""

    def __init__(self, needs: str = "", takes: str = "", holds: str = "") -> None:
        self.needs: Final = tuple(needs.split())
        self.takes: Final = frozenset((*needs.split(), *takes.split()))
        self.holds: Final = frozenset(holds.split())


_SETS: Final = "meta_attributes instance_attributes"
_NVSET: Final = Form("", "id id-ref score", "nvpair rule")
_CONTAINER: Final = (
    "image replicas replicas-per-host promoted-max masters run-command network options"
)
_DATE_PARTS: Final = (
    "id years months weeks days hours minutes seconds monthdays weekdays yeardays yearsdays "
    "weekyears moon"
)
_SET_TAGS: Final = "meta_attributes instance_attributes utilization operations"

FORMS: Final = {
    "configuration": Form(
        "",
        "",
        "crm_config nodes resources constraints rsc_defaults op_defaults fencing-topology acls "
        "alerts tags",
    ),
    "crm_config": Form("", "", "cluster_property_set"),
    "cluster_property_set": _NVSET,
    "meta_attributes": _NVSET,
    "instance_attributes": _NVSET,
    "utilization": _NVSET,
    "nvpair": Form("", "id id-ref name value"),
    "rule": Form(
        "",
        "id id-ref score score-attribute boolean-op role",
        "rule expression date_expression rsc_expression op_expression",
    ),
    "expression": Form("id attribute operation", "value type value-source"),
    "date_expression": Form("id", "operation start end", "date_spec duration"),
    "date_spec": Form("", _DATE_PARTS),
    "duration": Form("", _DATE_PARTS),
    "rsc_expression": Form("id", "class provider type"),
    "op_expression": Form("id name", "interval"),
    "nodes": Form("", "", "node"),
    "node": Form("id", "uname type description score", "instance_attributes utilization"),
    "resources": Form("", "", "primitive group clone bundle template"),
    "primitive": Form("id", "class provider type template description", _SET_TAGS),
    "template": Form("id class type", "provider description", _SET_TAGS),
    "group": Form("id", "description", f"{_SETS} primitive"),
    "clone": Form("id", "description", f"{_SETS} primitive group"),
    "bundle": Form("id", "description", f"{_SETS} docker podman network storage primitive"),
    "docker": Form("image", _CONTAINER),
    "podman": Form("image", _CONTAINER),
    "network": Form(
        "", "ip-range-start control-port host-interface host-netmask add-host", "port-mapping"
    ),
    "port-mapping": Form("id", "port internal-port range"),
    "storage": Form("", "", "storage-mapping"),
    "storage-mapping": Form("id target-dir", "source-dir source-dir-root options"),
    "operations": Form("", "id id-ref", "op"),
    "op": Form(
        "",
        "id id-ref name interval description start-delay interval-origin timeout enabled "
        "record-pending role on-fail",
        _SETS,
    ),
    "rsc_defaults": Form("", "", "meta_attributes"),
    "op_defaults": Form("", "", "meta_attributes"),
    "constraints": Form("", "", "rsc_location rsc_colocation rsc_order rsc_ticket"),
    "rsc_location": Form(
        "id", "rsc rsc-pattern node score role resource-discovery", "rule resource_set"
    ),
    "rsc_colocation": Form(
        "id", "rsc rsc-role with-rsc with-rsc-role node-attribute score influence", "resource_set"
    ),
    "rsc_order": Form(
        "id",
        "first first-action then then-action kind symmetrical require-all score",
        "resource_set",
    ),
    "rsc_ticket": Form("id ticket", "rsc rsc-role loss-policy", "resource_set"),
    "resource_set": Form(
        "",
        "id id-ref sequential require-all ordering action role score kind",
        "resource_ref",
    ),
    "resource_ref": Form("id"),
    "fencing-topology": Form("", "", "fencing-level"),
    "fencing-level": Form(
        "id index devices", "target target-pattern target-attribute target-value"
    ),
    "acls": Form("", "", "acl_target acl_group acl_role"),
    "acl_target": Form("id", "name", "role"),
    "acl_group": Form("id", "name", "role"),
    "acl_role": Form("id", "description", "acl_permission"),
    "acl_permission": Form("id kind", "xpath reference object-type attribute description"),
    "role": Form("id"),
    "alerts": Form("", "", "alert"),
    "alert": Form("id path", "description", f"{_SETS} select recipient"),
    "recipient": Form("id value", "description", _SETS),
    "select": Form("", "", "select_attributes select_fencing select_nodes select_resources"),
    "select_attributes": Form("", "", "attribute"),
    "select_fencing": Form(),
    "select_nodes": Form(),
    "select_resources": Form(),
    "attribute": Form("id name"),
    "tags": Form("", "", "tag"),
    "tag": Form("id", "", "obj_ref"),
    "obj_ref": Form("id"),
}
"""By element; what stands in no table is unknown. The status has a table of its own (`status`)."""

REFERENCES: Final = {
    "rsc_location": ("rsc",),
    "rsc_colocation": ("rsc", "with-rsc"),
    "rsc_order": ("first", "then"),
    "rsc_ticket": ("rsc",),
    "resource_ref": ("id",),
    "obj_ref": ("id",),
    "role": ("id",),
    "acl_permission": ("reference",),
    "primitive": ("template",),
}
"""Attributes that hold the id of another element; `id-ref` does in every element."""
NOT_FOLLOWED: Final = frozenset((
    "cluster_property_set", "meta_attributes", "instance_attributes", "utilization",
))  # fmt: skip
"""Sets of attributes whose `id-ref` has no effect: only Pacemaker 2 followed it."""
FREE_IDS: Final = frozenset(("node", "resource_ref", "obj_ref", "role", "acl_target"))
"""Elements whose `id` is no id of the document: a name, or a reference."""

_ROLES: Final = ("Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave")
_BOOLEANS: Final = ("true", "false", "0", "1")
_ACTIONS: Final = ("start", "promote", "demote", "stop")
VALUES: Final = {
    ("rsc_order", "kind"): ("Optional", "Mandatory", "Serialize"),
    ("rsc_order", "symmetrical"): _BOOLEANS,
    ("rsc_order", "require-all"): _BOOLEANS,
    ("rsc_order", "first-action"): _ACTIONS,
    ("rsc_order", "then-action"): _ACTIONS,
    ("rsc_colocation", "rsc-role"): _ROLES,
    ("rsc_colocation", "with-rsc-role"): _ROLES,
    ("rsc_location", "role"): _ROLES,
    ("rsc_location", "resource-discovery"): ("always", "never", "exclusive"),
    ("rsc_ticket", "rsc-role"): _ROLES,
    ("rsc_ticket", "loss-policy"): ("stop", "demote", "fence", "freeze"),
    ("resource_set", "sequential"): _BOOLEANS,
    ("resource_set", "require-all"): _BOOLEANS,
    ("resource_set", "action"): _ACTIONS,
    ("resource_set", "role"): _ROLES,
    ("rule", "boolean-op"): ("and", "or"),
    ("op", "role"): _ROLES,
    ("op", "on-fail"): (
        "ignore",
        "block",
        "stop",
        "restart",
        "standby",
        "fence",
        "restart-container",
        "demote",
    ),
    ("node", "type"): ("member", "remote"),
    ("acl_permission", "kind"): ("read", "write", "deny"),
}
"""Attributes of closed sets of words."""
