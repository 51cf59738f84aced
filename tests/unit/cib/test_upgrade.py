"""Each transformation of an upgrade, by the smallest document that shows it."""

from __future__ import annotations

import pytest

from everbeat.cib.tree import Element, render_tree, tree_from_text
from everbeat.cib.upgrade import Upgraded, schema_from_name, upgrade_cib
from everbeat.model.reports import Severity

HEARTBEAT_2 = """
<cib generated="true" have_quorum="true" ignore_dtd="false" num_peers="2" dc_uuid="u1"
     crm_feature_set="1.0.6"><configuration>
 <crm_config><cluster_property_set id="options"><attributes>
  <nvpair id="o1" name="no_quorum_policy" value="ignore"/>
  <nvpair id="o2" name="default_resource_stickiness" value="100"/>
 </attributes></cluster_property_set></crm_config>
 <nodes><node id="u1" uname="alpha" type="normal"/></nodes>
 <resources>
  <group id="g" ordered="true" collocated="false">
   <primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr" is_managed="false">
    <operations><op id="ip-mon" name="monitor" interval="5s" on_fail="restart" prereq="nothing"
     disabled="true" start_delay="3s"/></operations>
    <instance_attributes id="ip-params"><attributes>
     <nvpair id="ip1" name="ip" value="10.0.0.1"/>
     <nvpair id="ip2" name="target_role" value="stopped"/>
    </attributes></instance_attributes>
   </primitive>
  </group>
  <master_slave id="ms"><instance_attributes id="ms-params"><attributes>
    <nvpair id="ms1" name="clone_max" value="2"/></attributes></instance_attributes>
   <primitive id="drbd" class="ocf" provider="heartbeat" type="drbd"/></master_slave>
 </resources>
 <constraints>
  <rsc_order id="o-default" from="ip" to="ms" action="start" to_action="promote"/>
  <rsc_order id="o-before" from="ip" type="before" to="ms"/>
  <rsc_colocation id="c" from="ip" to="ms" to_role="master" score="INFINITY"/>
  <rsc_location id="l" rsc="g"><rule id="r" score_attribute="weight" boolean_op="or">
   <expression id="e" attribute="#uname" operation="eq" value="alpha"/></rule></rsc_location>
 </constraints>
</configuration><status><node_state id="u1"><lrm id="u1"><lrm_resources><lrm_resource id="ip">
 <lrm_rsc_op id="ip_start_0" rc_code="0" op_status="0" call_id="3" transition_key="1:2:u"/>
</lrm_resource></lrm_resources></lrm></node_state></status></cib>
"""


def upgraded(configuration: str, schema: str) -> Upgraded:
    return upgrade_cib(
        tree_from_text(
            f'<cib validate-with="{schema}"><configuration>{configuration}</configuration>'
            "<status/></cib>"
        )
    )


def section(result: Upgraded, name: str) -> Element:
    configuration = result.root.first("configuration")
    assert configuration is not None
    found = configuration.first(name)
    assert found is not None
    return found


def by_id(element: Element, wanted: str) -> Element:
    found = find(element, wanted)
    assert found is not None, wanted
    return found


def find(element: Element, wanted: str) -> Element | None:
    if element.id == wanted:
        return element
    for child in element.children:
        found = find(child, wanted)
        if found is not None:
            return found
    return None


def values(element: Element, tag: str) -> dict[str, str]:
    table: dict[str, str] = {}
    for attribute_set in element.all(tag):
        for pair in attribute_set.all("nvpair"):
            table.setdefault(pair.text("name"), pair.text("value"))
    return table


def test_a_document_of_heartbeat_2_has_no_schema_and_is_the_oldest() -> None:
    result = upgrade_cib(tree_from_text(HEARTBEAT_2))
    assert result.schema == (0, 6)
    assert result.root.attributes["validate-with"] == "pacemaker-4.0"
    assert result.root.attributes["have-quorum"] == "true"
    assert "ignore_dtd" not in result.root.attributes
    assert result.root.attributes["crm_feature_set"] == "1.0.6"


def test_options_of_heartbeat_2_get_dashes_and_defaults_their_section() -> None:
    result = upgrade_cib(tree_from_text(HEARTBEAT_2))
    assert values(section(result, "crm_config"), "cluster_property_set") == {
        "no-quorum-policy": "ignore"
    }
    assert values(section(result, "rsc_defaults"), "meta_attributes") == {
        "resource-stickiness": "100"
    }


def test_metas_of_heartbeat_2_leave_attributes_and_parameters() -> None:
    result = upgrade_cib(tree_from_text(HEARTBEAT_2))
    group, address = by_id(result.root, "g"), by_id(result.root, "ip")
    assert values(group, "meta_attributes") == {"ordered": "true", "collocated": "false"}
    assert values(address, "meta_attributes") == {"is-managed": "false", "target-role": "stopped"}
    assert values(address, "instance_attributes") == {"ip": "10.0.0.1"}
    assert "is_managed" not in address.attributes


def test_operations_of_heartbeat_2_get_the_names_of_today() -> None:
    operation = by_id(upgrade_cib(tree_from_text(HEARTBEAT_2)).root, "ip-mon")
    assert dict(operation.attributes) == {
        "id": "ip-mon",
        "name": "monitor",
        "interval": "5s",
        "on-fail": "restart",
        "enabled": "false",
        "start-delay": "3s",
    }


def test_a_master_slave_is_a_promotable_clone() -> None:
    clone = by_id(upgrade_cib(tree_from_text(HEARTBEAT_2)).root, "ms")
    assert clone.tag == "clone"
    assert values(clone, "meta_attributes") == {"promotable": "true", "clone-max": "2"}


def test_an_order_of_heartbeat_2_puts_its_target_first_unless_it_says_before() -> None:
    root = upgrade_cib(tree_from_text(HEARTBEAT_2)).root
    assert dict(by_id(root, "o-default").attributes) == {
        "id": "o-default",
        "first": "ms",
        "then": "ip",
        "first-action": "promote",
        "then-action": "start",
    }
    assert by_id(root, "o-before").attributes["first"] == "ip"


def test_colocations_and_rules_of_heartbeat_2_get_the_names_of_today() -> None:
    root = upgrade_cib(tree_from_text(HEARTBEAT_2)).root
    assert dict(by_id(root, "c").attributes) == {
        "id": "c",
        "rsc": "ip",
        "with-rsc": "ms",
        "with-rsc-role": "Promoted",
        "score": "INFINITY",
    }
    assert by_id(root, "r").attributes["score-attribute"] == "weight"
    assert by_id(root, "r").attributes["boolean-op"] == "or"
    assert by_id(root, "ip_start_0").attributes["transition-key"] == "1:2:u"


def test_default_options_do_not_overwrite_what_the_defaults_say() -> None:
    result = upgraded(
        '<crm_config><cluster_property_set id="o"><nvpair id="n" name="is-managed-default" '
        'value="false"/></cluster_property_set></crm_config><rsc_defaults><meta_attributes id="d">'
        '<nvpair id="d1" name="is-managed" value="true"/></meta_attributes></rsc_defaults>',
        "pacemaker-2.5",
    )
    assert values(section(result, "rsc_defaults"), "meta_attributes") == {"is-managed": "true"}


def test_the_status_of_a_modern_document_is_not_even_copied() -> None:
    old = tree_from_text(
        '<cib validate-with="pacemaker-3.0"><configuration/><status><node_state id="1"/></status>'
        "</cib>"
    )
    assert upgrade_cib(old).root.first("status") is old.first("status")


def test_each_rule_of_a_location_gets_a_location_in_order() -> None:
    result = upgraded(
        '<constraints><rsc_location id="l" rsc="a" resource-discovery="never">'
        '<rule id="r1" score="1"/><rule id="r2" score="2"/><rule id="r3" score="3"/>'
        '</rsc_location><rsc_order id="o" first="a" then="b"/></constraints>',
        "pacemaker-3.0",
    )
    constraints = section(result, "constraints").children
    assert [[child.id for child in each.children] for each in constraints] == [
        ["r1"],
        ["r2"],
        ["r3"],
        [],
    ]
    assert {each.get("resource-discovery") for each in constraints[:3]} == {"never"}


def test_a_lifetime_elsewhere_is_dropped_with_a_warning() -> None:
    result = upgraded(
        '<constraints><rsc_colocation id="c" rsc="a" with-rsc="b"><lifetime/></rsc_colocation>'
        "</constraints>",
        "pacemaker-3.0",
    )
    assert section(result, "constraints").children[0].children == []
    assert [(report.code, report.severity) for report in result.reports] == [
        ("upgrade-lifetimes", Severity.WARNING)
    ]


def test_a_ping_node_becomes_a_member_that_runs_nothing() -> None:
    result = upgraded(
        '<nodes><node id="9" uname="router" type="ping"/></nodes><constraints/>', "pacemaker-3.0"
    )
    assert section(result, "nodes").children[0].attributes["type"] == "member"
    ban = section(result, "constraints").children[0].attributes
    assert (ban["node"], ban["score"], ban["resource-discovery"]) == (
        "router",
        "-INFINITY",
        "never",
    )


def test_what_is_unsupported_goes_with_all_that_refers_to_it() -> None:
    result = upgraded(
        '<resources><primitive id="old" class="upstart" type="x"/><group id="g">'
        '<primitive id="member" class="nagios" type="y"/></group>'
        '<bundle id="b"><rkt image="i"/><primitive id="inner" class="ocf" type="z"/></bundle>'
        '<primitive id="good" class="ocf" type="z"/></resources><constraints>'
        '<rsc_location id="l1" rsc="old" node="n" score="1"/>'
        '<rsc_location id="l2" rsc="good" node="n" score="1"/>'
        '<rsc_order id="o1"><resource_set id="s1"><resource_ref id="g"/></resource_set>'
        '<resource_set id="s2"><resource_ref id="good"/><resource_ref id="inner"/></resource_set>'
        '</rsc_order><rsc_order id="o2" first="b" then="good"/></constraints>',
        "pacemaker-3.0",
    )
    assert [each.id for each in section(result, "resources").children] == ["good"]
    constraints = section(result, "constraints")
    assert [each.id for each in constraints.children] == ["l2", "o1"]
    assert [ref.id for ref in by_id(constraints, "s2").children] == ["good"]
    assert find(constraints, "s1") is None


def test_small_things_unknown_to_4_0_go() -> None:
    result = upgraded(
        '<crm_config><cluster_property_set id="p">'
        '<nvpair id="p1" name="stonith-action" value="poweroff"/>'
        '<nvpair id="p2" name="remove-after-stop" value="true"/>'
        '<nvpair id="p3" name="crmd-integration-timeout" value="3min"/>'
        "</cluster_property_set></crm_config>"
        '<resources><bundle id="b"><docker image="i" masters="2"/></bundle>'
        '<primitive id="a" class="ocf" type="z"><meta_attributes id="m">'
        '<nvpair id="m1" name="restart-type" value="ignore"/></meta_attributes></primitive>'
        '</resources><constraints><rsc_location id="l" rsc="a"><rule id="r" score="1">'
        '<date_expression id="d" operation="date_spec"><date_spec id="ds" hours="1" moon="4"/>'
        "</date_expression></rule></rsc_location></constraints><fencing-topology>"
        '<fencing-level id="f1" index="9"/><fencing-level id="f2" index="10"/></fencing-topology>',
        "pacemaker-3.5",
    )
    assert values(section(result, "crm_config"), "cluster_property_set") == {
        "stonith-action": "off",
        "join-integration-timeout": "3min",
    }
    assert by_id(result.root, "b").children[0].get("promoted-max") == "2"
    assert values(by_id(result.root, "a"), "meta_attributes") == {}
    assert by_id(result.root, "ds").get("moon") is None
    assert [each.id for each in section(result, "fencing-topology").children] == ["f1"]


@pytest.mark.parametrize(
    ("name", "code", "severity"),
    [
        ("none", "schema-none", Severity.WARNING),
        ("pacemaker-9.0", "schema-unknown", Severity.ERROR),
        ("pacemaker-next", "schema-unknown", Severity.ERROR),
        ("", "schema-unknown", Severity.ERROR),
    ],
)
def test_a_document_without_a_usable_schema_stays_as_it_is(
    name: str, code: str, severity: Severity
) -> None:
    result = upgraded('<resources><master id="m"/></resources>', name)
    assert section(result, "resources").children[0].tag == "master"
    assert [(report.code, report.severity) for report in result.reports] == [(code, severity)]
    assert result.schema is None


def test_schema_names_of_all_ages_are_read() -> None:
    assert schema_from_name("transitional-0.6") == (0, 6)
    assert schema_from_name("pacemaker-2.10") == (2, 10)
    assert schema_from_name(None) == (0, 6)
    assert schema_from_name("pacemaker-3.0 ") is None


def test_an_upgraded_document_upgrades_to_itself() -> None:
    once = upgrade_cib(tree_from_text(HEARTBEAT_2)).root
    for schema in ("pacemaker-0.6", "pacemaker-1.2", "pacemaker-3.9"):
        again = upgrade_cib(once.with_attributes({"validate-with": schema}))
        assert render_tree(again.root) == render_tree(once)
        assert again.reports == []
