"""Regression cases beside the repository, and how their expected files are compared."""

import os
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from everbeat.cib.tree import tree_from_text
from everbeat.policy.emit.transition import Transition, transition_from_cib

_DEFAULT = Path(__file__).parents[2] / ".." / "shared"
CASES = Path(os.environ.get("EVERBEAT_SHARED", _DEFAULT)) / "scheduler" / "cases"
_TIMES = {"date-1": (1106179200, "2005-020"), "origin": (1399422480, "2014-05-07 00:28:00")}
_ANY_TIME = 1_700_000_000
_LEFT_OUT = (re.compile(r'crm_feature_set="[^"]*"'), re.compile(r'batch-limit="[0-9]*"'))


def case_names() -> list[str]:
    return sorted(path.stem for path in (CASES / "xml").glob("*.xml"))


def run_case(name: str) -> Transition:
    source = CASES / "upgraded" / f"{name}.xml"
    if not source.exists():
        source = CASES / "xml" / f"{name}.xml"
    cib = tree_from_text(source.read_bytes())
    if name in _TIMES:
        now, written = _TIMES[name]
        return transition_from_cib(cib, now, f"Setting effective cluster time: {written}")
    return transition_from_cib(cib, int(cib.get("execution-date") or _ANY_TIME))


def failed_tiers(name: str) -> list[str]:
    """T2 scores, T3 the graph by names, T4-* the texts line by line (drawing: as a set)."""
    transition = run_case(name)
    graph = (CASES / "exp" / f"{name}.exp").read_text()
    scores = (CASES / "scores" / f"{name}.scores").read_text()
    summary = (CASES / "summary" / f"{name}.summary").read_text()
    dot = (CASES / "dot" / f"{name}.dot").read_text()
    equal = {
        "T2": sorted(_squashed(scores)) == sorted(_squashed(transition.scores)),
        "T3": _graph_by_names(graph) == _graph_by_names(transition.graph),
        "T4-graph": _squashed(_normal(graph)) == _squashed(_normal(transition.graph)),
        "T4-summary": _squashed(summary) == _squashed(transition.summary),
        "T4-dot": _dot_lines(dot) == _dot_lines(transition.dot),
    }
    return [tier for tier, is_equal in equal.items() if not is_equal]


def _normal(text: str) -> str:
    for pattern in _LEFT_OUT:
        text = pattern.sub("", text)
    return text


def _squashed(text: str) -> list[str]:
    lines = (re.sub(r"\s+", "", line) for line in text.splitlines())
    return [line for line in lines if line]


def _dot_lines(text: str) -> set[str]:
    return set(_squashed(text))


def _identity(element: ET.Element) -> tuple[str, ...]:
    key = element.get("internal_operation_key") or element.get("operation_key") or ""
    return (element.tag, element.get("operation") or "", key, element.get("on_node") or "")


def _content(element: ET.Element) -> object:
    children = sorted(
        repr((c.tag, sorted(c.attrib.items()), [sorted(g.attrib.items()) for g in c]))
        for c in element
    )
    return (sorted((k, v) for k, v in element.attrib.items() if k != "id"), children)


def _graph_by_names(text: str) -> object:
    root = ET.fromstring(_normal(text))
    head = {k: v for k, v in root.attrib.items() if k != "transition_id"}
    synapses = Counter(
        repr(
            (
                _identity(action),
                _content(action),
                synapse.get("priority"),
                sorted(_identity(first) for first in synapse.findall("inputs/trigger/*")),
            )
        )
        for synapse in root.findall("synapse")
        for action in synapse.findall("action_set/*")
    )
    return head, synapses
