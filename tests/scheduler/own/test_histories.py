"""Rules of histories, locks, names and rules that random clusters of rarer features taught."""

from everbeat.cib.tree import Element, tree_from_text
from everbeat.cib.upgrade import upgrade_cib
from everbeat.policy.emit.transition import transition_from_cib
from everbeat.policy.unpack.operation_order import compare_age
from scheduler.own.test_decisions import NOW, decide, member, pairs, place, primitive, running


def entry(call: int, node: str | None) -> Element:
    attributes = {"id": f"a_{call}", "call-id": str(call)}
    return Element("lrm_rsc_op", attributes | ({} if node is None else {"on_node": node}), [])


def history(name: str, operation: str, rc: int, status: int, **more: str) -> str:
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return (
        f'<lrm_resource id="{name}" class="ocf" provider="x" type="Y">'
        f'<lrm_rsc_op id="{name}_last_0" operation="{operation}" interval="0" call-id="-1"'
        f' rc-code="{rc}" op-status="{status}" transition-key="1:1:0:u"{extra}/></lrm_resource>'
    )


def test_entries_are_of_one_node_if_both_name_it_or_neither_does() -> None:
    assert compare_age(entry(2, None), entry(3, None)) < 0
    assert compare_age(entry(2, "n1"), entry(3, "N1")) < 0
    assert compare_age(entry(2, "n1"), entry(3, None)) == 0


def test_an_instance_with_something_under_way_is_shown_by_itself() -> None:
    clone = f'<clone id="c">{primitive("a")}</clone>'
    states = member(1, history=history("a", "demote", 193, -1)) + member(2)
    assert "* a\t(ocf:x:Y):\t Demoting node1" in decide(clone, "", states).summary


def test_a_lock_is_shown_where_the_locked_resource_runs() -> None:
    locked = running("a").replace("<lrm_resource ", f'<lrm_resource shutdown-lock="{NOW - 9}" ')
    states = member(1, history=locked) + member(2)
    device = '<primitive id="a" class="stonith" type="Y"/>'
    transition = decide(device, "", states, shutdown_lock="true")
    assert "a\t(stonith:Y):\t Started node1 (LOCKED)" in transition.summary


def test_a_device_that_is_only_in_the_history_can_fence() -> None:
    old = running("d").replace('class="ocf" provider="x"', 'class="stonith"')
    states = member(1, history=old) + member(2, online=False)
    transition = decide("", "", states, stonith_enabled="true")
    assert "* Fencing node2 (reboot)" in transition.summary


def test_fencing_without_a_reason_is_done_and_not_told() -> None:
    meta = pairs("meta_attributes", provides="unfencing")
    device = f'<primitive id="d" class="stonith" type="Y">{meta}</primitive>'
    attributes = '<nvpair id="da" name="#digests-all" value="d:Y:0,"/>'
    states = member(1, online=False, attributes=attributes) + member(2)
    told = decide(device, "", states, stonith_enabled="true").summary.split("Transition Summary")
    assert "Parameters to d for unfencing node1 changed, try 'd:Y:" in told[0]
    assert "Unfencing node node1 because the definition of d changed" in told[0]
    assert "Fence (on) node1" not in told[1]


def test_a_resource_that_cannot_be_used_is_found_by_no_constraint() -> None:
    bundle = f'<bundle id="b"><docker image="i"/>{primitive("in")}</bundle>'
    order = '<rsc_order id="o" first="b" then="a"/>'
    together = '<rsc_colocation id="c" rsc="a" with-rsc="b" score="INFINITY"/>'
    transition = decide(bundle + primitive("a"), order + together)
    assert place(transition, "a") == "node1"
    assert "bundle" not in transition.summary


def test_in_a_set_what_comes_after_an_unknown_name_is_ignored() -> None:
    names = "".join(f'<resource_ref id="{name}"/>' for name in ("a", "nobody", "b"))
    location = (
        f'<rsc_location id="l" node="node2" score="100">'
        f'<resource_set id="s">{names}</resource_set></rsc_location>'
    )
    transition = decide(primitive("a") + primitive("b"), location)
    assert (place(transition, "a"), place(transition, "b")) == ("node2", "node1")


def test_a_primitive_of_a_template_that_does_not_exist_is_left_out() -> None:
    transition = decide('<primitive id="a" template="nowhere"/>' + primitive("b"))
    assert "a" not in transition.plan.resources_by_id
    assert place(transition, "b") == "node1"


def test_a_set_of_attributes_given_by_reference_says_nothing() -> None:
    stopped = primitive("a", pairs("meta_attributes", target_role="Stopped"))
    other = primitive("b", '<meta_attributes id-ref="meta_attributes-set"/>')
    transition = decide(stopped + other)
    assert (place(transition, "a"), place(transition, "b")) == (None, "node1")


def test_a_negative_score_of_green_makes_a_node_yellow() -> None:
    green = '<nvpair id="h" name="#health-disk" value="green"/>'
    states = member(1, attributes=green) + member(2)
    options = {"node_health_strategy": "progressive", "node_health_green": "-100"}
    assert "Node node1: online (health is YELLOW)" in decide("", "", states, **options).summary


def test_a_failed_migration_counts_on_the_target_only_if_that_is_known_there() -> None:
    ends = {"migrate_source": "node1", "migrate_target": "node2"}
    text = history("a", "migrate_to", 1, 0).replace('call-id="-1"', 'call-id="5"')
    text = text.replace(
        "/></lrm_resource>", "".join(f' {k}="{v}"' for k, v in ends.items()) + "/></lrm_resource>"
    )
    movable = primitive("a", pairs("meta_attributes", allow_migrate="true"))
    unknown = decide(movable, "", member(1, history=text) + member(2)).plan
    assert [node.name for node in unknown.resources_by_id["a"].active_on] == ["node1"]
    known = decide(
        movable, "", member(1, history=text) + member(2, history=history("a", "monitor", 7, 0))
    ).plan
    assert len(known.resources_by_id["a"].active_on) == 2


def test_a_document_without_a_schema_is_taken_as_it_stands() -> None:
    text = (
        '<cib have-quorum="1"><configuration><crm_config/><nodes/><resources><primitive id="a"'
        ' class="ocf" provider="x" type="Y"/></resources><constraints/></configuration></cib>'
    )
    upgraded = upgrade_cib(tree_from_text(text))
    assert [report.code for report in upgraded.reports] == ["schema-none"]
    transition = transition_from_cib(upgraded.root, NOW)
    assert "Schema validation of configuration is disabled" in transition.warnings[0]


def test_nothing_is_said_of_nodes_where_there_are_none() -> None:
    text = '<cib validate-with="pacemaker-4.0"><configuration/><status/></cib>'
    assert "Node List" not in transition_from_cib(tree_from_text(text), NOW).summary
