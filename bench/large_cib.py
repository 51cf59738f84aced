"""Large clusters as CIBs: the same numbers give the same bytes.

    python bench/large_cib.py RESOURCES NODES steady|lost|cold > FILE

Of a hundred resources 50 stand alone, 20 are pairs that run together and in order, 20 fill four
groups of five, and 10 stand alone with a location of their own. One cluster in addition has a clone
on every node for each 250 resources, and one fence device. Every node reports on every resource: a
probe that found nothing, or a start and a monitor where the resource runs.
"""

from __future__ import annotations

import random
import sys
from enum import StrEnum

_HEAD = (
    '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="1"'
    ' admin_epoch="0" have-quorum="1" dc-uuid="1">'
)
_NO_PARAMETERS = "f2317cad3d54cec5d7d7aa7d0bf35cf8"
_WITH_TIMEOUT = "4811cef7f7f94e3a35a70be7916cb2fd"
_WHEN = 1_700_000_000


class State(StrEnum):
    """What the cluster is in the middle of."""

    STEADY = "steady"  # everything runs, nothing is to be done
    LOST = "one node lost"  # the last node is gone; it is fenced, its resources recovered
    COLD = "cold"  # nothing is known: every resource is probed everywhere, then started


def large_cib(resources: int, nodes: int, state: State) -> str:
    """Write the CIB of a cluster with so many primitives on so many nodes."""
    chance = random.Random(resources * 1000 + nodes)  # noqa: S311 - a drawing, not a secret
    names = [f"r{number:05}" for number in range(resources)]
    clones = [f"c{number:03}" for number in range(max(1, resources // 250))]
    lines = [_HEAD, "<configuration>", _options(), "<nodes>"]
    lines += [f'<node id="{n}" uname="node{n}"/>' for n in range(1, nodes + 1)]
    lines += ["</nodes>", "<resources>", '<primitive id="fence" class="stonith" type="fence_xvm"/>']
    constraints: list[str] = []
    homes: dict[str, int] = {"fence": 1}
    for first in range(0, resources, 100):
        _add_hundred(names[first : first + 100], nodes, lines, constraints, homes, chance)
    for clone in clones:
        lines += [f'<clone id="{clone}-clone">', _primitive(clone), "</clone>"]
    lines += ["</resources>", "<constraints>", *constraints, "</constraints>", "</configuration>"]
    lines.append("<status>")
    for node in range(1, nodes + 1):
        _add_state(lines, node, state, homes, clones, is_lost=node == nodes)
    lines += ["</status>", "</cib>"]
    return "\n".join(lines) + "\n"


def _options() -> str:
    return (
        '<crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="o1" name="stonith-enabled" value="true"/>'
        '<nvpair id="o2" name="no-quorum-policy" value="ignore"/>'
        "</cluster_property_set></crm_config>"
    )


def _primitive(name: str) -> str:
    return (
        f'<primitive id="{name}" class="ocf" provider="pacemaker" type="Dummy">'
        f'<operations><op id="{name}-op" name="monitor" interval="10s" timeout="20s"/></operations>'
        f'<meta_attributes id="{name}-meta"><nvpair id="{name}-sticky"'
        ' name="resource-stickiness" value="100"/></meta_attributes></primitive>'
    )


def _add_hundred(
    names: list[str],
    nodes: int,
    lines: list[str],
    constraints: list[str],
    homes: dict[str, int],
    chance: random.Random,
) -> None:
    alone, pairs, grouped, located = names[:50], names[50:70], names[70:90], names[90:]
    for name in [*alone, *pairs, *located]:
        lines.append(_primitive(name))
        homes[name] = chance.randrange(1, nodes + 1)
    for first, then in zip(pairs[::2], pairs[1::2], strict=False):
        homes[then] = homes[first]
        constraints.append(
            f'<rsc_colocation id="with-{then}" rsc="{then}" with-rsc="{first}" score="INFINITY"/>'
        )
        constraints.append(f'<rsc_order id="after-{then}" first="{first}" then="{then}"/>')
    for begin in range(0, len(grouped), 5):
        members = grouped[begin : begin + 5]
        lines.append(f'<group id="g-{members[0]}">')
        lines += [_primitive(name) for name in members]
        lines.append("</group>")
        home = chance.randrange(1, nodes + 1)
        homes.update(dict.fromkeys(members, home))
    constraints += [
        f'<rsc_location id="at-{name}" rsc="{name}" node="node{homes[name]}" score="50"/>'
        for name in located
    ]


def _add_state(
    lines: list[str],
    node: int,
    state: State,
    homes: dict[str, int],
    clones: list[str],
    *,
    is_lost: bool,
) -> None:
    alive = 'in_ccm="true" crmd="online" join="member"'
    if state is State.LOST and is_lost:
        alive = 'in_ccm="false" crmd="offline" join="down"'
    lines.append(f'<node_state id="{node}" uname="node{node}" {alive} expected="member">')
    lines.append(f'<lrm id="{node}"><lrm_resources>')
    if state is not State.COLD:
        call = 1
        for name, home in homes.items():
            _add_history(lines, name, node, call, runs=home == node)
            call += 3
        for name in clones:
            _add_history(lines, name, node, call, runs=True)
            call += 3
    lines.append("</lrm_resources></lrm></node_state>")


def _add_history(lines: list[str], name: str, node: int, call: int, *, runs: bool) -> None:
    agent = 'class="ocf" provider="pacemaker" type="Dummy"'
    if name == "fence":
        agent = 'class="stonith" type="fence_xvm"'
    lines.append(f'<lrm_resource id="{name}" {agent}>')
    if not runs:
        lines.append(_entry(name, "monitor", 0, node, call, 7, _NO_PARAMETERS))
    else:
        lines.append(_entry(name, "start", 0, node, call + 1, 0, _NO_PARAMETERS))
        if name != "fence":
            lines.append(_entry(name, "monitor", 10_000, node, call + 2, 0, _WITH_TIMEOUT))
    lines.append("</lrm_resource>")


def _entry(name: str, task: str, interval: int, node: int, call: int, rc: int, digest: str) -> str:
    key = f"{call}:1:{rc}:11111111-2222-3333-4444-555555555555"
    entry_id = f"{name}_last_0" if task == "start" else f"{name}_{task}_{interval}"
    return (
        f'<lrm_rsc_op id="{entry_id}" operation_key="{name}_{task}_{interval}" operation="{task}"'
        f' crm-debug-origin="do_update_resource" crm_feature_set="3.16.1" transition-key="{key}"'
        f' transition-magic="0:{rc};{key}" exit-reason="" on_node="node{node}" call-id="{call}"'
        f' rc-code="{rc}" op-status="0" interval="{interval}" last-rc-change="{_WHEN + call}"'
        f' exec-time="12" queue-time="0" op-digest="{digest}"/>'
    )


if __name__ == "__main__":
    print(large_cib(int(sys.argv[1]), int(sys.argv[2]), State[sys.argv[3].upper()]), end="")
