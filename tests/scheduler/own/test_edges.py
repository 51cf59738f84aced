"""Rules that show only at an edge: each was once wrong in a case or in a random cluster."""

from everbeat.cib.tree import Element
from everbeat.policy.plan.hash_order import in_hash_order, merge_sorted
from everbeat.policy.plan.node import Node
from everbeat.policy.unpack.operation_order import compare_age
from everbeat.policy.values import INTERVAL_MS_MAX, interval_ms
from scheduler.own.test_decisions import (
    DEVICE,
    decide,
    member,
    pairs,
    place,
    primitive,
    running,
)


def entry(node: str, call: int, **more: str) -> Element:
    attributes = {"id": f"a_{call}", "call-id": str(call), "on_node": node, **more}
    return Element("lrm_rsc_op", attributes, [])


def node(index: int, node_id: str) -> Node:
    return Node(index, node_id, f"node{node_id}", 0, is_remote=False)


def test_an_interval_too_long_for_32_bits_of_milliseconds_is_cut() -> None:
    assert interval_ms("100000h") == INTERVAL_MS_MAX


def test_entries_of_two_nodes_are_of_equal_age_unless_both_tell_their_time() -> None:
    old, new = {"last-rc-change": "5"}, {"last-rc-change": "9"}
    assert compare_age(entry("n1", 7, **old), entry("n2", 3, **new)) < 0
    assert compare_age(entry("n1", 7, **old), entry("n2", 3)) == 0
    assert compare_age(entry("n1", 7), entry("n2", 3, **new)) == 0
    assert compare_age(entry("n1", 7, **old), entry("n1", 3, **new)) > 0


def test_nodes_come_in_the_order_of_a_hash_table_of_their_ids() -> None:
    nodes = [node(index, str(index + 1)) for index in range(5)]
    assert [each.id for each in in_hash_order(nodes)] == ["1", "3", "5", "2", "4"]
    many = [node(index, str(index + 1)) for index in range(300)]
    assert {each.id for each in in_hash_order(many)} == {each.id for each in many}


def test_a_comparison_in_circles_is_settled_by_halves() -> None:
    nodes = [node(index, str(index)) for index in range(3)]

    def each_beats_the_next(a: Node, b: Node) -> int:
        return -1 if (b.index - a.index) % 3 == 1 else 1

    assert [each.index for each in merge_sorted(nodes, each_beats_the_next)] == [0, 1, 2]
    swapped = [nodes[2], nodes[1], nodes[0]]
    assert [each.index for each in merge_sorted(swapped, each_beats_the_next)] == [2, 0, 1]


def test_two_templates_cannot_be_colocated() -> None:
    templates = "".join(
        f'<template id="{name}" class="ocf" provider="x" type="Y"/>' for name in ("s", "t")
    )
    users = '<primitive id="a" template="s"/><primitive id="b" template="t"/>'
    colocation = '<rsc_colocation id="c" rsc="s" with-rsc="t" score="INFINITY"/>'
    transition = decide(templates + users, colocation)
    assert (place(transition, "a"), place(transition, "b")) == ("node1", "node2")


def test_of_equal_colocations_that_with_the_lower_resource_id_counts_first() -> None:
    elsewhere = primitive("z", pairs("meta_attributes", is_managed="false"))
    constraints = (
        '<rsc_location id="l" rsc="b" node="node2" score="100"/>'
        '<rsc_colocation id="c1" rsc="a" with-rsc="z" score="10"/>'
        '<rsc_colocation id="c2" rsc="a" with-rsc="b" score="100"/>'
    )
    plan = decide(elsewhere + primitive("b") + primitive("a"), constraints).plan
    assert [record.id for record in plan.resources_by_id["a"].this_with] == ["c2", "c1"]


def test_a_red_node_is_left_under_strategy_custom_too() -> None:
    red = '<nvpair id="h" name="#health-disk" value="red"/>'
    states = member(1, attributes=red) + member(2)
    transition = decide(primitive("a"), "", states, node_health_strategy="custom")
    assert place(transition, "a") == "node2"


def test_the_arrival_of_a_live_migration_waits_for_no_fencing() -> None:
    movable = primitive("a", pairs("meta_attributes", allow_migrate="true"))
    away = '<rsc_location id="l" rsc="a" node="node1" score="-INFINITY"/>'
    states = member(1, history=running("a")) + member(2) + member(3, online=False)
    transition = decide(DEVICE + movable, away, states, nodes=3, stonith_enabled="true")
    actions = transition.plan.resources_by_id["a"].actions_by_key
    waits = {
        key: any(r.action.task == "stonith" and r.graphed for r in actions[key][0].before)
        for key in ("a_migrate_to_0", "a_migrate_from_0")
    }
    assert waits == {"a_migrate_to_0": True, "a_migrate_from_0": False}


def test_a_cloned_group_whose_members_cannot_start_does_not_run() -> None:
    clone = f'<clone id="c"><group id="g">{primitive("a")}{primitive("b")}</group></clone>'
    states = member(1, history=running("a") + running("b")) + member(2)
    transition = decide(clone, "", states, quorum="0")
    assert 'operation_key="c_stopped_0"' in transition.graph
    assert 'operation_key="c_running_0"' not in transition.graph


def test_a_promotable_clone_never_to_be_promoted_is_shown_as_disabled() -> None:
    meta = pairs("meta_attributes", promotable="true", target_role="Unpromoted")
    transition = decide(f'<clone id="c">{meta}{primitive("a")}</clone>')
    assert "Clone Set: c [a] (promotable, disabled):" in transition.summary
    assert "2 of 2 resource instances DISABLED" in transition.summary


def test_an_asymmetric_cluster_shows_a_clone_stopped_where_it_was_probed() -> None:
    probed = running("a", rc=7).replace("start", "monitor")
    states = member(1, history=probed) + member(2)
    clone = f'<clone id="c">{primitive("a")}</clone>'
    transition = decide(clone, "", states, symmetric_cluster="false")
    assert "      * Stopped: [ node1 ]\n" in transition.summary


def test_a_pending_operation_is_shown_before_the_execution_only() -> None:
    pending = (
        '<lrm_resource id="a" class="ocf" provider="x" type="Y"><lrm_rsc_op id="a_last_0"'
        ' operation="monitor" call-id="-1" rc-code="193" op-status="-1" interval="10000"'
        ' transition-key="1:1:0:u" transition-magic="-1:193;1:1:0:u"/></lrm_resource>'
    )
    transition = decide(primitive("a"), "", member(1, history=pending) + member(2))
    before, after = transition.summary.split("Executing Cluster Transition")
    assert "(Monitoring)" in before
    assert "(Monitoring)" not in after
