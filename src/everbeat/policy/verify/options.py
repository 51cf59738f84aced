"""Names and values of cluster options, meta attributes and operations.

Reads:  property sets, meta attributes, operations of an upgraded document
A misspelt name is only reported where a known one is very much like it: options and meta attributes
may be anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.cib.schema.places import walk
from everbeat.cib.schema.words import near
from everbeat.policy.values import boolean_from_text, duration_ms, interval_ms

if TYPE_CHECKING:
    from everbeat.cib.schema.places import Sheet
    from everbeat.cib.tree import Element

_BOOLEAN: Final = "true or false"
_TIME: Final = "a time such as 60s"
_NUMBER: Final = "a whole number"
_SCORE: Final = "a score: a whole number, INFINITY or -INFINITY"
_ANY: Final = ""
_OPTIONS: Final = {
    "no-quorum-policy": "stop | ignore | freeze | demote | fence | suicide",
    "symmetric-cluster": _BOOLEAN,
    "maintenance-mode": _BOOLEAN,
    "start-failure-is-fatal": _BOOLEAN,
    "enable-startup-probes": _BOOLEAN,
    "fencing-enabled": _BOOLEAN,
    "stonith-enabled": _BOOLEAN,
    "fencing-action": "reboot | off | poweroff",
    "stonith-action": "reboot | off | poweroff",
    "fencing-timeout": _TIME,
    "stonith-timeout": _TIME,
    "have-watchdog": _BOOLEAN,
    "concurrent-fencing": _BOOLEAN,
    "startup-fencing": _BOOLEAN,
    "priority-fencing-delay": _TIME,
    "node-pending-timeout": _TIME,
    "cluster-delay": _TIME,
    "batch-limit": _NUMBER,
    "migration-limit": _NUMBER,
    "stop-all-resources": _BOOLEAN,
    "stop-removed-resources": _BOOLEAN,
    "stop-orphan-resources": _BOOLEAN,
    "cancel-removed-actions": _BOOLEAN,
    "stop-orphan-actions": _BOOLEAN,
    "shutdown-lock": _BOOLEAN,
    "shutdown-lock-limit": _TIME,
    "placement-strategy": "default | utilization | minimal | balanced",
    "node-health-strategy": "none | migrate-on-red | only-green | progressive | custom",
    "node-health-base": _SCORE,
    "node-health-green": _SCORE,
    "node-health-yellow": _SCORE,
    "node-health-red": _SCORE,
    "fence-remote-without-quorum": _BOOLEAN,
    "cluster-recheck-interval": _TIME,
    "cluster-infrastructure": _ANY,
    "cluster-name": _ANY,
    "dc-version": _ANY,
    "dc-deadtime": _TIME,
    "election-timeout": _TIME,
    "shutdown-escalation": _TIME,
    "join-integration-timeout": _TIME,
    "join-finalization-timeout": _TIME,
    "transition-delay": _TIME,
    "stonith-max-attempts": _NUMBER,
    "fencing-max-attempts": _NUMBER,
    "fencing-watchdog-timeout": _ANY,
    "stonith-watchdog-timeout": _ANY,
    "fencing-reaction": "stop | panic",
    "fence-reaction": "stop | panic",
    "load-threshold": _ANY,
    "node-action-limit": _NUMBER,
    "enable-acl": _BOOLEAN,
    "cluster-ipc-limit": _NUMBER,
    "pe-error-series-max": _NUMBER,
    "pe-warn-series-max": _NUMBER,
    "pe-input-series-max": _NUMBER,
}
_METAS: Final = {
    "target-role": "Started | Stopped | Promoted | Unpromoted | Master | Slave",
    "is-managed": _BOOLEAN,
    "maintenance": _BOOLEAN,
    "critical": _BOOLEAN,
    "priority": _SCORE,
    "resource-stickiness": _SCORE,
    "migration-threshold": _SCORE,
    "failure-timeout": _TIME,
    "multiple-active": "block | stop_only | stop_start | stop_unexpected",
    "requires": "nothing | quorum | fencing | unfencing",
    "allow-migrate": _BOOLEAN,
    "allow-unhealthy-nodes": _BOOLEAN,
    "container-attribute-target": _ANY,
    "remote-node": _ANY,
    "remote-port": _NUMBER,
    "remote-addr": _ANY,
    "remote-connect-timeout": _TIME,
    "remote-allow-migrate": _BOOLEAN,
    "clone-max": _NUMBER,
    "clone-node-max": _NUMBER,
    "clone-min": _NUMBER,
    "globally-unique": _BOOLEAN,
    "notify": _BOOLEAN,
    "ordered": _BOOLEAN,
    "interleave": _BOOLEAN,
    "promotable": _BOOLEAN,
    "promoted-max": _NUMBER,
    "promoted-node-max": _NUMBER,
    "collocated": _BOOLEAN,
    "provides": "unfencing",
    "timeout": _ANY,
    "interval": _ANY,
    "on-fail": _ANY,
    "enabled": _ANY,
    "record-pending": _BOOLEAN,
    "start-delay": _ANY,
    "resource-discovery": _ANY,
}
_META_OWNERS: Final = frozenset(("primitive", "group", "clone", "bundle", "template"))


def check_options(sheet: Sheet, configuration: Element) -> None:
    """Report cluster options that are misspelt or take another kind of value."""
    section = configuration.first("crm_config")
    for option_set in [] if section is None else section.children:
        for pair in option_set.all("nvpair"):
            name, value = pair.text("name"), pair.text("value")
            if name not in _OPTIONS:
                known = near(name, _OPTIONS)
                if known is not None:
                    text = f"{name} is no cluster option"
                    sheet.report("option-unknown", text, known, pair, option_set)
            elif not _is_taken(value, _OPTIONS[name]):
                text = f"{name}={value!r}: the default counts instead"
                sheet.report("option-value", text, _OPTIONS[name], pair, option_set)


def check_meta_attributes(sheet: Sheet, configuration: Element) -> None:
    """Report meta attributes of resources that are misspelt or take another kind of value."""
    for owner in walk(configuration):
        if owner.tag not in _META_OWNERS and owner.tag != "rsc_defaults":
            continue
        for meta in owner.all("meta_attributes"):
            for pair in meta.all("nvpair"):
                _check_meta(sheet, owner, pair)


def _check_meta(sheet: Sheet, owner: Element, pair: Element) -> None:
    name, value = pair.get("name"), pair.get("value")
    if name is None or value is None or value == "#default":
        return
    if name not in _METAS:
        known = near(name, _METAS)
        if known is not None:
            text = f"{name} of {owner.id or owner.tag} is no meta attribute"
            sheet.report("meta-unknown", text, known, pair, owner)
    elif not _is_taken(value, _METAS[name]):
        text = f"{name}={value!r} of {owner.id or owner.tag}: the default counts instead"
        sheet.report("meta-value", text, _METAS[name], pair, owner)


def check_operations(sheet: Sheet, configuration: Element) -> None:
    """Report intervals that are no times, and operations that stand twice."""
    for operations in walk(configuration):
        if operations.tag != "operations":
            continue
        seen: dict[tuple[str, int], Element] = {}
        for op in operations.all("op"):
            for attribute in ("interval", "timeout", "start-delay"):
                value = op.get(attribute)
                if value is not None and duration_ms(value) is None:
                    text = f"{attribute}={value!r} of operation {op.id} is no time"
                    sheet.report("interval-malformed", text, "10s", op, operations)
            if op.get("id-ref") is not None:
                continue
            interval = interval_ms(op.get("interval"))
            other = seen.setdefault((op.text("name"), interval), op)
            if other is not op and interval > 0:
                text = f"operations {other.id} and {op.id} have the same name and interval"
                remedy = "another interval, such as 11s for the second"
                sheet.report("operation-twice", text, remedy, op, operations)


def is_score(text: str) -> bool:
    """Say whether a text is a score."""
    if text in ("INFINITY", "+INFINITY", "-INFINITY") or text.lower() in ("red", "yellow", "green"):
        return True
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits.isascii() and digits.isdigit()


def _is_taken(value: str, kind: str) -> bool:
    match kind:
        case "":
            return True
        case "true or false":
            return boolean_from_text(value) is not None
        case "a time such as 60s":
            return duration_ms(value) is not None
        case "a whole number":
            return value.lstrip("+-").isascii() and value.lstrip("+-").isdigit()
        case _ if kind == _SCORE:
            return is_score(value)
        case _:
            return value.lower() in kind.lower().split(" | ")
