"""Small clusters whose right answer a person can see; they need no files beside the repository."""

from everbeat.cib.tree import tree_from_text
from everbeat.policy.emit.transition import Transition, transition_from_cib
from everbeat.policy.plan.action import Change
from everbeat.policy.score import ABSENT, add_scores

NOW = 1_700_000_000
DEVICE = '<primitive id="device" class="stonith" type="fence_x"/>'


def member(number: int, *, online: bool = True, history: str = "", attributes: str = "") -> str:
    crmd, ccm = ("online", "true") if online else ("offline", "false")
    return (
        f'<node_state id="{number}" uname="node{number}" in_ccm="{ccm}" crmd="{crmd}" join="member"'
        f' expected="member"><lrm id="{number}"><lrm_resources>{history}</lrm_resources></lrm>'
        f'<transient_attributes id="t{number}"><instance_attributes id="ti{number}">{attributes}'
        "</instance_attributes></transient_attributes></node_state>"
    )


def running(name: str, rc: int = 0) -> str:
    return (
        f'<lrm_resource id="{name}" class="ocf" provider="x" type="Y">'
        f'<lrm_rsc_op id="{name}_last_0" operation="start" call-id="2" rc-code="{rc}" op-status="0"'
        f' interval="0" transition-key="1:1:0:u" transition-magic="0:{rc};1:1:0:u"/></lrm_resource>'
    )


def pairs(tag: str, **values: str) -> str:
    body = "".join(
        f'<nvpair id="{tag}-{k}" name="{k.replace("_", "-")}" value="{v}"/>'
        for k, v in values.items()
    )
    return f'<{tag} id="{tag}-set">{body}</{tag}>'


def primitive(name: str, inside: str = "") -> str:
    return f'<primitive id="{name}" class="ocf" provider="x" type="Y">{inside}</primitive>'


def decide(
    resources: str,
    constraints: str = "",
    states: str | None = None,
    *,
    nodes: int = 2,
    quorum: str = "1",
    **options: str,
) -> Transition:
    options.setdefault("stonith_enabled", "false")
    if states is None:
        states = "".join(member(n) for n in range(1, nodes + 1))
    node_list = "".join(
        f'<node id="{n}" uname="node{n}" type="member"/>' for n in range(1, nodes + 1)
    )
    text = (
        f'<cib have-quorum="{quorum}" dc-uuid="1"><configuration><crm_config>'
        f"{pairs('cluster_property_set', **options)}</crm_config><nodes>{node_list}</nodes>"
        f"<resources>{resources}</resources><constraints>{constraints}</constraints>"
        f"</configuration><status>{states}</status></cib>"
    )
    return transition_from_cib(tree_from_text(text), NOW)


def place(transition: Transition, name: str) -> str | None:
    node = transition.plan.resources_by_id[name].assigned
    return None if node is None else node.name


def test_a_new_resource_starts_where_least_runs_and_is_probed_everywhere() -> None:
    transition = decide(primitive("a") + primitive("b"))
    assert (place(transition, "a"), place(transition, "b")) == ("node1", "node2")
    assert transition.graph.count('operation="monitor"') >= 4


def test_a_preference_decides() -> None:
    location = '<rsc_location id="l" rsc="a" node="node2" score="10"/>'
    assert place(decide(primitive("a"), location), "a") == "node2"


def test_a_ban_beats_a_demand() -> None:
    wish = '<rsc_location id="l" rsc="a" node="node1" score="INFINITY"/>'
    ban = '<rsc_location id="m" rsc="a" node="node1" score="-INFINITY"/>'
    assert place(decide(primitive("a"), wish + ban), "a") == "node2"


def test_a_resource_stays_where_it_is_when_stickiness_outweighs_a_wish() -> None:
    sticky = primitive("a", pairs("meta_attributes", resource_stickiness="100"))
    location = '<rsc_location id="l" rsc="a" node="node2" score="50"/>'
    states = member(1, history=running("a")) + member(2)
    assert place(decide(sticky, location, states), "a") == "node1"


def test_company_is_kept() -> None:
    colocation = '<rsc_colocation id="c" rsc="b" with-rsc="a" score="INFINITY"/>'
    transition = decide(primitive("a") + primitive("b"), colocation)
    assert place(transition, "a") == place(transition, "b") == "node1"


def test_company_is_avoided() -> None:
    colocation = '<rsc_colocation id="c" rsc="b" with-rsc="a" score="-INFINITY"/>'
    transition = decide(primitive("a") + primitive("b"), colocation, nodes=1)
    assert (place(transition, "a"), place(transition, "b")) == ("node1", None)


def test_a_start_waits_for_the_start_ordered_before_it() -> None:
    order = '<rsc_order id="o" first="a" then="b"/>'
    transition = decide(primitive("a") + primitive("b"), order)
    plan = transition.plan
    start = plan.resources_by_id["b"].actions_by_key["b_start_0"][0]
    assert "a_start_0" in [relation.action.key for relation in start.before if relation.graphed]


def test_a_group_runs_together() -> None:
    group = f'<group id="g">{primitive("a")}{primitive("b")}</group>'
    transition = decide(group)
    assert place(transition, "a") == place(transition, "b") == "node1"


def test_a_clone_runs_once_on_every_node() -> None:
    transition = decide(f'<clone id="c">{primitive("a")}</clone>', nodes=3)
    places = {place(transition, f"a:{number}") for number in range(3)}
    assert places == {"node1", "node2", "node3"}


def test_one_instance_is_promoted_where_the_score_is_highest() -> None:
    clone = f'<clone id="c">{pairs("meta_attributes", promotable="true")}{primitive("a")}</clone>'
    score = '<nvpair id="m" name="master-a" value="{}"/>'
    states = member(1, attributes=score.format(5)) + member(2, attributes=score.format(9))
    transition = decide(clone, "", states)
    promoted = [
        p.assigned.name
        for p in transition.plan.resources_by_id["c"].primitives()
        if p.next_role == 4 and p.assigned is not None
    ]
    assert promoted == ["node2"]


def test_a_failed_start_moves_the_resource_away() -> None:
    failed = '<nvpair id="f" name="fail-count-a#start_0" value="INFINITY"/>'
    states = member(1, history=running("a", rc=1), attributes=failed) + member(2)
    assert place(decide(primitive("a"), "", states), "a") == "node2"


def test_a_lost_node_is_fenced_before_its_resource_starts_elsewhere() -> None:
    states = member(1) + member(2, online=False, history=running("a"))
    transition = decide(DEVICE + primitive("a"), "", states, stonith_enabled="true")
    assert "stonith-node2-reboot" in transition.graph
    start = transition.plan.resources_by_id["a"].actions_by_key["a_start_0"][0]
    assert "stonith-node2-reboot" in [r.action.key for r in start.before if r.graphed]


def test_nothing_starts_without_quorum() -> None:
    transition = decide(primitive("a"), quorum="0")
    assert 'operation_key="a_start_0"' not in transition.graph


def test_a_node_in_standby_is_left() -> None:
    standby = '<nvpair id="s" name="standby" value="on"/>'
    states = member(1, history=running("a"), attributes=standby) + member(2)
    transition = decide(primitive("a"), "", states)
    assert place(transition, "a") == "node2"
    assert "Move       a" in transition.summary


def test_nothing_is_touched_in_maintenance() -> None:
    states = member(1, history=running("a")) + member(2)
    transition = decide(primitive("a"), "", states, maintenance_mode="true")
    assert "a_stop_0" not in transition.graph


def test_a_resource_wanted_stopped_is_stopped() -> None:
    stopped = primitive("a", pairs("meta_attributes", target_role="Stopped"))
    transition = decide(stopped, "", member(1, history=running("a")) + member(2))
    assert 'operation_key="a_stop_0"' in transition.graph
    assert "(disabled)" in transition.summary


def test_a_node_that_shuts_down_stops_its_resources_first() -> None:
    leaving = '<nvpair id="s" name="shutdown" value="1699999999"/>'
    states = member(1, history=running("a"), attributes=leaving) + member(2)
    plan = decide(primitive("a"), "", states).plan
    shutdown = plan.actions_by_key["do_shutdown-node1"][0]
    assert "a_stop_0" in [relation.action.key for relation in shutdown.before if relation.graphed]


def test_every_score_is_the_sum_of_its_ledger() -> None:
    colocation = '<rsc_colocation id="c" rsc="b" with-rsc="a" score="20"/>'
    location = '<rsc_location id="l" rsc="a" node="node2" score="10"/>'
    plan = decide(primitive("a") + primitive("b"), colocation + location).plan
    for resource in plan.all_resources():
        table = resource.table
        last = [ABSENT] * len(table.scores)
        for entry in table.ledger:
            assert entry.before == last[entry.node]
            if not entry.is_replacement:
                assert entry.after == add_scores(entry.before, entry.amount)
            last[entry.node] = entry.after
        assert last == table.scores


def test_every_action_that_something_made_necessary_says_what() -> None:
    order = '<rsc_order id="o" first="a" then="b"/>'
    stopped = primitive("a", pairs("meta_attributes", target_role="Stopped"))
    states = member(1, history=running("a") + running("b")) + member(2)
    plan = decide(stopped + primitive("b"), order, states).plan
    stop = plan.resources_by_id["b"].actions_by_key["b_stop_0"][0]
    assert stop.is_required
    assert any(cause.change is Change.REQUIRED for cause in stop.because)
