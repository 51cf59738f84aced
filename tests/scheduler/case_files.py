"""Cases with the reference's answers, and how their expected files are compared.

The regression suite lies beside the repository. Random clusters are in `random_clusters.tar.xz`:
`random-NUMBER` (no drawing), `harsh-NUMBER` of features the others hardly touch, and `small-NAME`,
reduced from such until nothing more could be left out. What answered them: Pacemaker of July 2026.
"""

import functools
import os
import re
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from everbeat.cib.tree import Element, tree_from_text
from everbeat.cib.upgrade import upgrade_cib
from everbeat.policy.emit.transition import Transition, transition_from_cib

_DEFAULT = Path(__file__).parents[2] / ".." / "shared"
CASES = Path(os.environ.get("EVERBEAT_SHARED", _DEFAULT)) / "scheduler" / "cases"
ARCHIVE = Path(__file__).parent / "random_clusters.tar.xz"
KINDS = ("xml", "exp", "scores", "summary", "dot")
EVERY = 1 if "EVERBEAT_COMPILED" in os.environ else 4
"""Interpreted, one random cluster in so many is run; compiled, all. Small ones always are."""
_TIMES = {"date-1": (1106179200, "2005-020"), "origin": (1399422480, "2014-05-07 00:28:00")}
_ANY_TIME = 1_700_000_000
_LEFT_OUT = (re.compile(r'crm_feature_set="[^"]*"'), re.compile(r'batch-limit="[0-9]*"'))


@functools.cache
def _archived() -> dict[str, dict[str, bytes]]:
    """The files in the archive: by case, then by kind."""
    cases: dict[str, dict[str, bytes]] = {}
    with tarfile.open(ARCHIVE) as archive:
        for part in archive:
            name, _, kind = part.name.partition("/")
            file = archive.extractfile(part)
            assert file is not None
            cases.setdefault(name, {})[kind] = file.read()
    return cases


@functools.cache
def case_names() -> list[str]:
    """The regression cases, where there are any, then those of the archive."""
    suite = sorted(path.stem for path in (CASES / "xml").glob("*.xml"))
    archived = sorted(_archived())
    small = [name for name in archived if name.startswith("small-")]
    return suite + small + [name for name in archived if name not in small][::EVERY]


def case_files(name: str) -> dict[str, bytes]:
    """A case's document and its expected results, by kind; random ones have no drawing."""
    if name in _archived():
        return _archived()[name]
    return {kind: (CASES / kind / f"{name}.{kind}").read_bytes() for kind in KINDS}


def case_time(name: str, cib: Element) -> int:
    """The time a case is decided for: of its words, of its document, or any."""
    return _TIMES[name][0] if name in _TIMES else int(cib.get("execution-date") or _ANY_TIME)


def run_case(name: str) -> Transition:
    cib = upgrade_cib(tree_from_text(case_files(name)["xml"])).root
    if name in _TIMES:
        now, written = _TIMES[name]
        return transition_from_cib(cib, now, f"Setting effective cluster time: {written}")
    return transition_from_cib(cib, case_time(name, cib))


def failed_tiers(name: str) -> list[str]:
    """T2 scores, T3 the graph by names, T4-* the texts line by line (drawing: as a set)."""
    transition = run_case(name)
    expected = {kind: text.decode() for kind, text in case_files(name).items() if kind != "xml"}
    graph, actual = expected["exp"], transition.graph
    told = "\n".join([*transition.warnings, transition.summary])
    equal = {
        "T2": sorted(_squashed(expected["scores"])) == sorted(_squashed(transition.scores)),
        "T3": _graph_by_names(graph) == _graph_by_names(actual),
        "T4-graph": _squashed(_normal(graph)) == _squashed(_normal(actual)),
        "T4-summary": _squashed(expected["summary"]) == _squashed(told),
    }
    if "dot" in expected:
        equal["T4-dot"] = _dot_lines(expected["dot"]) == _dot_lines(transition.dot)
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
