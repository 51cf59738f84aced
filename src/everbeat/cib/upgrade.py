"""Bring a CIB of an older schema to the one the policy engine reads.

    0.6 ──upgrade_to_1_0──► 1.x 2.x ──upgrade_to_3_0──► 3.x ──upgrade_to_4_0──► 4.0
     ▲ Heartbeat 2: no validate-with, and written as only Heartbeat 2 did

Enters: the tree of a document. Leaves: the tree in the current form, one report for each change,
and the schema it came from. Each transformation is a named function in a table with the first
schema that no longer knows what it removes; a document takes those above its own schema, in order.
An upgraded document upgrades to itself. `none`, and no schema in a document not of Heartbeat 2, is
taken as it stands, with a warning; a schema nobody knows is an error, and the document stays as it
is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from everbeat.cib import upgrade_to_1_0, upgrade_to_3_0, upgrade_to_4_0
from everbeat.cib.draft import draft_from_tree, tree_from_draft
from everbeat.cib.transformation import ChangeLog
from everbeat.model.reports import Report, Severity

if TYPE_CHECKING:
    from everbeat.cib.tree import Element

CURRENT_SCHEMA: Final = (4, 0)
HEARTBEAT_SCHEMA: Final = (0, 6)  # documents of Heartbeat 2, which name no schema
TRANSFORMATIONS: Final = (
    *upgrade_to_1_0.TRANSFORMATIONS,
    *upgrade_to_3_0.TRANSFORMATIONS,
    *upgrade_to_4_0.TRANSFORMATIONS,
)
_SCHEMA_NAME: Final = re.compile(r"(?:pacemaker|transitional)-([0-9]{1,3})\.([0-9]{1,3})")
_HEARTBEAT_TAGS: Final = ("attributes", "master_slave")
_HEARTBEAT_SIDES: Final = ("rsc_order", "rsc_colocation")
_NO_SCHEMA: Final = "none"


@final
class Upgraded:
    """A document in the current form. `schema` is what it was; None where nothing was upgraded."""

    def __init__(
        self, root: Element, reports: list[Report], schema: tuple[int, int] | None
    ) -> None:
        self.root: Final = root
        self.reports: Final = reports
        self.schema: Final = schema


def upgrade_cib(root: Element) -> Upgraded:
    """Apply all transformations above the document's schema."""
    name = root.get("validate-with")
    if name == _NO_SCHEMA:
        return _untouched(root, "schema-none", Severity.WARNING, "validation is switched off")
    if name is None and not is_of_heartbeat(root):
        summary = "no schema is named: the document is taken as it stands"
        return _untouched(root, "schema-none", Severity.WARNING, summary)
    schema = schema_from_name(name)
    if schema is None or schema > CURRENT_SCHEMA:
        return _untouched(root, "schema-unknown", Severity.ERROR, f"{name!r} is no known schema")
    if schema == CURRENT_SCHEMA:
        return Upgraded(root, [], schema)
    keep = ("status",) if schema >= upgrade_to_1_0.SCHEMA else ()
    draft = draft_from_tree(root, keep)
    log = ChangeLog()
    for transformation in TRANSFORMATIONS:
        if schema < transformation.schema:
            log.begin(transformation.name)
            transformation.apply(draft, log)
    draft.attributes["validate-with"] = name_from_schema(CURRENT_SCHEMA)
    return Upgraded(tree_from_draft(draft), log.reports, schema)


def is_of_heartbeat(element: Element) -> bool:
    """Say whether anything in a configuration is written as only Heartbeat 2 wrote it."""
    if element.tag in _HEARTBEAT_TAGS:
        return True
    if element.tag in _HEARTBEAT_SIDES and "from" in element.attributes:
        return True
    if element.tag == "status":
        return False
    return any(is_of_heartbeat(child) for child in element.children)


def schema_from_name(name: str | None) -> tuple[int, int] | None:
    """Return the version in a schema's name; documents of Heartbeat 2 name none."""
    if name is None:
        return HEARTBEAT_SCHEMA
    match = _SCHEMA_NAME.fullmatch(name)
    return None if match is None else (int(match.group(1)), int(match.group(2)))


def name_from_schema(schema: tuple[int, int]) -> str:
    """Return the name a document gives its schema."""
    return f"pacemaker-{schema[0]}.{schema[1]}"


def _untouched(root: Element, code: str, severity: Severity, summary: str) -> Upgraded:
    return Upgraded(root, [Report(code=code, severity=severity, summary=summary)], None)
