"""The form of the status of a CIB: what nodes report of themselves and of their operations.

Enters: a sheet and the upgraded document. Leaves: warnings, and never an error: Pacemaker's schema
lets anything stand in a status, and whoever reads one passes over what it does not know. Told is
what was surely meant otherwise: a name much like one that is read, an element where nobody looks
for it, a part that lacks what it is understood by, a value that cannot be read. Histories repeat
themselves: each kind of fault is told once, at the first place, with the number of places.
Source: Pacemaker 2.1.5: status-1.0.rng, and what its daemons write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.schema.grammar import FORMS, Form
from everbeat.cib.schema.words import near
from everbeat.cib.whole_numbers import integer_prefix

if TYPE_CHECKING:
    from everbeat.cib.schema.places import Sheet
    from everbeat.cib.tree import Element

COMPARED_MAX: Final = 500
"""Unknown names that are compared with those that are read; further ones are passed over."""

STATUS_FORMS: Final = {
    "status": Form("", "", "node_state tickets ticket_state"),
    "node_state": Form(
        "",
        "id uname in_ccm crmd join expected crm-debug-origin remote_node node_fenced "
        "node_in_maintenance crm_debug_origin shutdown clear_shutdown ha",
        "lrm transient_attributes",
    ),
    "lrm": Form("", "id uname", "lrm_resources"),
    "lrm_resources": Form("", "id", "lrm_resource"),
    "lrm_resource": Form("id class type", "provider container shutdown-lock", "lrm_rsc_op"),
    "lrm_rsc_op": Form(
        "id operation op-status rc-code call-id transition-key",
        "operation_key crm-debug-origin crm_feature_set transition-magic exit-reason on_node "
        "interval last-rc-change last-run exec-time queue-time migrate_source migrate_target "
        "op-digest op-force-restart op-restart-digest op-secure-params op-secure-digest uname "
        "rsc-id",
    ),
    "transient_attributes": Form("", "id", "instance_attributes utilization"),
    "instance_attributes": FORMS["instance_attributes"],
    "utilization": FORMS["utilization"],
    "nvpair": FORMS["nvpair"],
    "tickets": Form("", "", "ticket_state instance_attributes"),
    "ticket_state": Form("id", "granted standby last-granted"),
}
"""By element: `needs` is what it is understood by, the rest is what anybody reads or writes."""

_NUMBER: Final = "a whole number"
_RC: Final = "a whole number from 0 to 255"
_BOOLEAN: Final = "true | false"
_SINCE: Final = "true | false, or seconds since 1970"
_ONLINE: Final = "online | offline, or seconds since 1970"
_JOIN: Final = "member | pending | nack | down | banned"
_EXPECTED: Final = "member | pending | down"
_KEY: Final = "ACTION:TRANSITION:RC:UUID"
_MAGIC: Final = "STATUS:RC;ACTION:TRANSITION:RC:UUID"
_VALUES: Final = {
    "node_state": {
        "in_ccm": _SINCE,
        "crmd": _ONLINE,
        "join": _JOIN,
        "expected": _EXPECTED,
        "remote_node": _BOOLEAN,
        "node_fenced": _BOOLEAN,
        "node_in_maintenance": _BOOLEAN,
    },
    "lrm_resource": {"shutdown-lock": _NUMBER},
    "lrm_rsc_op": {
        "op-status": _NUMBER,
        "rc-code": _RC,
        "call-id": _NUMBER,
        "interval": _NUMBER,
        "last-rc-change": _NUMBER,
        "exec-time": _NUMBER,
        "queue-time": _NUMBER,
        "transition-key": _KEY,
        "transition-magic": _MAGIC,
    },
    "ticket_state": {"granted": _BOOLEAN, "standby": _BOOLEAN, "last-granted": _NUMBER},
}
BOOLEANS: Final = ("true", "on", "yes", "y", "1", "false", "off", "no", "n", "0")
"""What the policy engine reads as a boolean; the daemons write `true`, `false`, `0` and `1`."""


def check_status(sheet: Sheet, cib: Element) -> None:
    """Report what was surely meant otherwise in the status of an upgraded document."""
    status = cib.first("status")
    if status is None:
        return
    faults = _Faults()
    _check_element(faults, status, cib)
    faults.tell(sheet)


@final
class _Fault:
    """One kind of fault: its first place, and in how many it is."""

    def __init__(self, code: str, summary: str, remedy: str, places: list[Element]) -> None:
        self.code: Final = code
        self.summary: Final = summary
        self.remedy: Final = remedy
        self.places: Final = places
        self.count = 1


@final
class _Faults:
    """All kinds of fault of one status, in the order in which they were found."""

    def __init__(self) -> None:
        self._by_kind: Final[dict[tuple[str, str, str], _Fault]] = {}
        self._likely: Final[dict[tuple[str, frozenset[str]], str | None]] = {}

    def likely(self, name: str, known: frozenset[str]) -> str | None:
        """Return the known name that an unknown one was probably meant to be."""
        if (name, known) not in self._likely and len(self._likely) < COMPARED_MAX:
            self._likely[name, known] = near(name, known)
        return self._likely.get((name, known))

    def enter(
        self, code: str, tag: str, name: str, summary: str, remedy: str, *places: Element
    ) -> None:
        """Keep the first fault of a kind, by element and name; count the others."""
        fault = self._by_kind.get((code, tag, name))
        if fault is None:
            self._by_kind[code, tag, name] = _Fault(code, summary, remedy, list(places))
        else:
            fault.count += 1

    def tell(self, sheet: Sheet) -> None:
        """Report every kind."""
        for fault in self._by_kind.values():
            more = f" (in {fault.count} places)" if fault.count > 1 else ""
            sheet.report(fault.code, fault.summary + more, fault.remedy, *fault.places)


def _check_element(faults: _Faults, element: Element, parent: Element) -> None:
    form = STATUS_FORMS[element.tag]
    _check_attributes(faults, form, element, parent)
    _check_needs(faults, form, element, parent)
    for child in element.children:
        if child.tag not in form.holds:
            _check_stray(faults, form, child, element)
        elif child.tag in STATUS_FORMS:  # a rule is in no table: it may hold anything
            _check_element(faults, child, element)


def _check_attributes(faults: _Faults, form: Form, element: Element, parent: Element) -> None:
    tag = element.tag
    kinds = _VALUES.get(tag, {})
    for name, value in element.attributes.items():
        if name not in form.takes:
            likely = faults.likely(name, form.takes)
            if likely is not None:
                text = f"<{tag}> has no attribute {name}: it is passed over"
                faults.enter("status-unknown", tag, name, text, likely, element, parent)
        elif name in kinds and not _is_read(value, kinds[name]):
            text = f"{name}={value[:40]!r} of <{tag} id={element.id[:80]!r}> cannot be read"
            faults.enter("status-value", tag, name, text, kinds[name], element, parent)


def _check_needs(faults: _Faults, form: Form, element: Element, parent: Element) -> None:
    tag = element.tag
    missing = [name for name in form.needs if name not in element.attributes]
    if tag == "node_state" and not element.attributes.keys() & {"id", "uname"}:
        missing.append("uname")
    elif tag == "nvpair" and not element.attributes.keys() & {"name", "id-ref"}:
        missing.append("name")
    for name in missing:
        text = f"<{tag} id={element.id[:80]!r}> lacks the attribute {name}"
        faults.enter("status-missing", tag, name, text, f'<{tag} {name}="…">', element, parent)


def _check_stray(faults: _Faults, form: Form, child: Element, parent: Element) -> None:
    """Report an element that is passed over where it stands, if it was meant to be read."""
    owners = [f"<{tag}>" for tag, owner in STATUS_FORMS.items() if child.tag in owner.holds]
    if child.tag in STATUS_FORMS:
        remedy: str | None = f"<{child.tag}> in {' or '.join(owners) or '<cib>'}"
    else:
        remedy = faults.likely(child.tag, form.holds)
    if remedy is not None:
        text = f"<{child.tag}> is not looked for in <{parent.tag}>: it is passed over"
        name = f"<{child.tag}>"
        faults.enter("status-unknown", parent.tag, name, text, remedy, child, parent)


def _is_read(value: str, kind: str) -> bool:
    number = integer_prefix(value)
    if kind == _NUMBER:
        return number is not None
    if kind == _RC:
        return number is not None and 0 <= number <= 255
    if kind == _BOOLEAN:
        return value.lower() in BOOLEANS
    if kind == _SINCE:
        return number is not None or value.lower() in BOOLEANS
    if kind == _ONLINE:
        return number is not None or value in ("online", "offline")
    if kind == _KEY:
        return _is_key(value)
    if kind == _MAGIC:
        return _is_key(value.partition(";")[2])
    return value in kind.split(" | ")


def _is_key(text: str) -> bool:
    parts = text.split(":", 3)
    return len(parts) == 4 and all(integer_prefix(part) is not None for part in parts[:3])
