"""Documents with what is rarely written: each was once decided otherwise, or not at all."""

from everbeat.policy.plan.words import UNPROMOTED
from everbeat.policy.unpack.operation_order import compare_age
from everbeat.policy.values import DURATION_MS_MAX, duration_ms
from scheduler.own.test_decisions import DEVICE, decide, member, pairs, place, primitive, running
from scheduler.own.test_edges import entry
from scheduler.own.test_guests_and_bundles import (
    CONNECTOR,
    bundle,
    connected,
    container_runs,
    remote,
)


def test_a_duration_of_very_many_digits_is_the_longest_there_is() -> None:
    digits = "9" * 400
    assert duration_ms(digits) == duration_ms(f"{digits}h") == DURATION_MS_MAX
    assert duration_ms(f"{digits}us") == duration_ms(f"P{digits}D") == DURATION_MS_MAX
    assert (duration_ms("1500us"), duration_ms("1.9s"), duration_ms("2min")) == (1, 1000, 120_000)
    operation = (
        f'<operations><op id="o" name="start" interval="0" timeout="{digits}"/></operations>'
    )
    assert place(decide(primitive("a", operation)), "a") == "node1"


def test_a_guest_that_runs_in_itself_cannot_be_fenced() -> None:
    machine = primitive("vm", pairs("meta_attributes", remote_node="guest"))
    states = member(1) + remote("guest", running("vm"))
    transition = decide(machine, "", states, nodes=1, stonith_enabled="true")
    assert "Fence" not in transition.summary


def test_what_runs_inside_a_bundle_may_be_colocated_with_the_bundle() -> None:
    states = member(1, history=container_runs("b", 0)) + remote("b-0", running("a"))
    record = '<rsc_colocation id="c" rsc="a" with-rsc="b" score="100"/>'
    transition = decide(bundle("b", primitive("a")), record, states)
    assert place(transition, "b-docker-0") == "node1"
    assert place(transition, "a:0") == "b-0"


def test_an_unmanaged_instance_promoted_where_its_clone_may_not_run_counts_for_nothing() -> None:
    metas = pairs("meta_attributes", promotable="true", is_managed="false")
    clone = f'<clone id="c">{metas}{primitive("a")}</clone>'
    promoted = running("a").replace("start", "monitor").replace('rc-code="0"', 'rc-code="8"')
    states = member(1, history=connected("gone")) + remote("gone", promoted)
    plan = decide(clone, "", states, nodes=1).plan
    there = [each for each in plan.resources_by_id["c"].children if each.active_on]
    assert [node.name for each in there for node in each.active_on] == ["gone"]
    assert all(each.next_role == UNPROMOTED for each in there)


def test_only_agents_of_class_ocf_can_be_promoted() -> None:
    metas = pairs("meta_attributes", promotable="true")
    for agent in (DEVICE, '<primitive id="device" class="systemd" type="x"/>'):
        plan = decide(f'<clone id="c">{metas}{agent}</clone>' + primitive("a")).plan
        assert [each.id for each in plan.resources] == ["a"]
    assert place(decide(f'<clone id="c">{metas}{primitive("a")}</clone>'), "a:0") == "node1"


def test_instances_are_unique_only_in_classes_that_know_of_it() -> None:
    metas = pairs("meta_attributes", globally_unique="true")
    for kind, is_unique in (("ocf", True), ("OCF", True), ("stonith", True), ("other", False)):
        agent = f'<primitive id="a" class="{kind}" provider="x" type="Y"/>'
        plan = decide(f'<clone id="c">{metas}{agent}</clone>').plan
        assert plan.resources_by_id["c"].unique is is_unique


def test_a_node_state_without_an_id_says_nothing() -> None:
    states = member(1) + member(2).replace('id="2" uname', "uname")
    transition = decide(DEVICE, "", states, stonith_enabled="true")
    assert "Fence (reboot) node2" in transition.summary


def test_an_entry_that_was_cancelled_or_has_an_unknown_status_says_nothing() -> None:
    for status, is_probed in (("0", False), ("1", True), ("12", True), ("-2", True)):
        told = running("a").replace('op-status="0"', f'op-status="{status}"')
        transition = decide(primitive("a"), "", member(1, history=told), nodes=1)
        assert ('operation_key="a_monitor_0"' in transition.graph) is is_probed


def test_an_entry_without_a_number_of_its_call_counts_as_pending() -> None:
    magic = {"transition-magic": "0:7;1:2:7:u"}
    numbered = entry("n1", 5, **magic)
    for text in ("", "x", "99999999999"):
        unnumbered = entry("n1", 6, **magic)
        unnumbered.attributes["call-id"] = text
        assert compare_age(numbered, unnumbered) < 0
        assert compare_age(unnumbered, numbered) > 0


def test_a_connection_in_a_group_makes_no_node() -> None:
    alone = decide(CONNECTOR + primitive("a")).plan
    grouped = decide(f'<group id="g">{CONNECTOR}{primitive("a")}</group>').plan
    assert [node.name for node in alone.nodes] == ["far", "node1", "node2"]
    assert [node.name for node in grouped.nodes] == ["node1", "node2"]


def test_a_meta_attribute_that_is_no_boolean_is_false() -> None:
    for text, is_so in (("maybe", False), ("", False), ("yes", True), ("1", True)):
        metas = pairs("meta_attributes", is_managed=text, critical=text, allow_migrate=text)
        resource = decide(primitive("a", metas)).plan.resources_by_id["a"]
        assert (resource.critical, resource.allow_migrate) == (is_so, is_so)
        assert resource.managed is is_so
    usual = pairs("meta_attributes", is_managed="default")
    resource = decide(primitive("a", usual)).plan.resources_by_id["a"]
    assert (resource.managed, resource.critical, resource.allow_migrate) == (True, True, False)


def test_a_fence_device_that_cannot_be_cloned_so_counts_as_fencing() -> None:
    clone = f'<clone id="c">{pairs("meta_attributes", promotable="true")}{DEVICE}</clone>'
    lost = member(1) + member(2, online=False)
    transition = decide(clone + primitive("a"), "", lost, stonith_enabled="true")
    assert "Fence (reboot) node2" in transition.summary


def test_a_bundle_has_no_more_replicas_than_instances_inside() -> None:
    agent = '<primitive id="a" class="systemd" type="y"/>'
    inside = bundle("b", agent, replicas=3).replace("replicas=", 'replicas-per-host="2" replicas=')
    resources = decide(inside, nodes=1).plan.resources_by_id
    assert [name for name in resources if name.startswith("b-docker")] == ["b-docker-0"]
