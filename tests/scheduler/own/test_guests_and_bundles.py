"""Small clusters with guests, remote nodes and bundles whose right answer a person can see."""

from everbeat.policy.actions.digests import digest_of
from everbeat.policy.emit.transition import Transition
from everbeat.policy.plan.action import Action
from scheduler.own.test_decisions import DEVICE, decide, member, pairs, place, primitive, running

VM = primitive("vm", pairs("meta_attributes", remote_node="guest"))
CONNECTOR = '<primitive id="far" class="ocf" provider="pacemaker" type="remote"/>'
REMOTE = ("ocf", "pacemaker", "remote")
DOCKER = ("ocf", "heartbeat", "docker")


def entry(
    name: str,
    operation: str,
    rc: int = 0,
    *,
    call: int = 2,
    interval: int = 0,
    status: int = 0,
    suffix: str = "last_0",
    changed: int = 1,
    digest: str = "",
) -> str:
    recorded = f' op-digest="{digest}"' if digest else ""
    return (
        f'<lrm_rsc_op id="{name}_{suffix}" operation="{operation}" call-id="{call}" rc-code="{rc}"'
        f' op-status="{status}" interval="{interval}" last-rc-change="{changed}"{recorded}'
        f' transition-key="1:1:0:u" transition-magic="{status}:{rc};1:1:0:u"/>'
    )


def history(
    name: str, *entries: str, agent: tuple[str, str, str] = ("ocf", "x", "Y"), container: str = ""
) -> str:
    launcher = f' container="{container}"' if container else ""
    return (
        f'<lrm_resource id="{name}" class="{agent[0]}" provider="{agent[1]}" type="{agent[2]}"'
        f"{launcher}>{''.join(entries)}</lrm_resource>"
    )


def connected(name: str, container: str = "") -> str:
    return history(name, entry(name, "start"), agent=REMOTE, container=container)


def remote(name: str, inside: str = "", attributes: str = "") -> str:
    return (
        f'<node_state id="{name}" uname="{name}" remote_node="true" in_ccm="true">'
        f'<lrm id="{name}"><lrm_resources>{inside}</lrm_resources></lrm>'
        f'<transient_attributes id="t{name}"><instance_attributes id="ti{name}">{attributes}'
        "</instance_attributes></transient_attributes></node_state>"
    )


def bundle(name: str, inside: str, *, replicas: int = 1, promoted: int = 0, meta: str = "") -> str:
    address = "1" if name == "b" else "2"
    return (
        f'<bundle id="{name}">{meta}<docker image="i" replicas="{replicas}"'
        f' promoted-max="{promoted}"/>'
        f'<network ip-range-start="10.0.{address}.1" control-port="3121"/>{inside}</bundle>'
    )


def container_runs(name: str, number: int) -> str:
    container = f"{name}-docker-{number}"
    return history(container, entry(container, "start"), agent=DOCKER) + connected(
        f"{name}-{number}", container
    )


def action(transition: Transition, resource: str, key: str) -> Action:
    return transition.plan.resources_by_id[resource].actions_by_key[key][0]


def test_exclusive_discovery_of_a_bundle_holds_for_its_containers() -> None:
    location = (
        '<rsc_location id="l" rsc="b" node="node1" score="0" resource-discovery="exclusive"/>'
    )
    scores = decide(bundle("b", primitive("a")), location).scores
    assert "pcmk__bundle_assign: b-docker-0 allocation score on node2: -INFINITY" in scores


def test_a_cancellation_on_a_guest_waits_for_no_connection() -> None:
    watched = history(
        "a",
        entry("a", "start"),
        entry("a", "monitor", call=3, interval=10000, suffix="monitor_10000"),
    )
    host = member(1, history=running("vm") + connected("guest", "vm"))
    transition = decide(VM + primitive("a"), "", host + member(2) + remote("guest", watched))
    cancel = action(transition, "a", "a_monitor_10000")
    assert cancel.task == "cancel"
    assert [r.action.key for r in cancel.before if "guest" in r.action.key] == []


def test_two_bundles_are_promoted_on_one_host() -> None:
    host = pairs("meta_attributes", container_attribute_target="host")
    both = "".join(
        bundle(name, primitive(inside, host), replicas=2, promoted=1)
        for name, inside in (("b", "a"), ("c", "d"))
    )
    scores = (
        '<nvpair id="m{0}" name="master-a" value="{0}"/>'
        '<nvpair id="n{0}" name="master-d" value="{1}"/>'
    )
    states = member(1, attributes=scores.format(5, 9)) + member(2, attributes=scores.format(9, 5))
    colocation = (
        '<rsc_colocation id="w" rsc="c" with-rsc="b" score="INFINITY" rsc-role="Promoted"'
        ' with-rsc-role="Promoted"/>'
    )
    plan = decide(both, colocation, states).plan
    hosts = []
    for name in ("b", "c"):
        parts = plan.resources_by_id[name].bundle
        assert parts is not None
        hosts += [
            replica.container.assigned
            for replica in parts.replicas
            if replica.child is not None and replica.child.next_role == 4
            if replica.container is not None
        ]
    assert len(hosts) == 2
    assert hosts[0] is hosts[1]


def test_other_parameters_than_those_of_a_failed_start_clear_a_containers_failures() -> None:
    failed = history(
        "b-docker-0",
        entry("b-docker-0", "start", 1, suffix="last_failure_0", digest=digest_of({"old": "1"})),
        agent=DOCKER,
    )
    states = member(1, history=failed) + member(2)
    transition = decide(bundle("b", primitive("a")), "", states)
    assert action(transition, "b-docker-0", "b-docker-0_clear_failcount_0").is_required


def test_a_removed_resource_does_not_start_again_on_a_guest() -> None:
    states = member(1, history=running("vm") + connected("guest", "vm")) + member(2)
    transition = decide(VM, "", states + remote("guest", running("gone")))
    assert place(transition, "gone") is None
    assert "Stop       gone" in transition.summary


def test_a_guest_that_may_stay_on_one_of_two_hosts_is_probed() -> None:
    states = "".join(member(n, history=running("vm")) for n in (1, 2))
    keep = '<rsc_location id="l" rsc="vm" node="node2" score="10"/>'
    connection = member(3, history=connected("guest", "vm"))
    resources = VM + primitive("a")
    transition = decide(resources, keep, states + connection + remote("guest"), nodes=3)
    assert place(transition, "vm") == "node2"
    assert any(a.node and a.node.name == "guest" for a in _probes(transition, "a"))


def _probes(transition: Transition, name: str) -> list[Action]:
    return transition.plan.resources_by_id[name].actions_by_key[f"{name}_monitor_0"]


def test_a_pending_monitor_is_over_once_it_failed() -> None:
    state = history(
        "a",
        entry("a", "monitor", 193, call=-1, interval=5000, status=-1, suffix="monitor_5000"),
        entry("a", "monitor", 7, call=3, interval=5000, suffix="last_failure_0", changed=9),
        entry("a", "stop", call=4, changed=10),
    )
    plan = decide(primitive("a"), "", member(1, history=state) + member(2)).plan
    assert plan.resources_by_id["a"].pending_node is None


def test_a_clone_that_cannot_be_unique_has_at_most_one_instance_a_node() -> None:
    service = '<primitive id="s" class="lsb" type="s"/>'
    wishes = pairs("meta_attributes", globally_unique="true", clone_max="5")
    plan = decide(f'<clone id="c">{wishes}{service}</clone>').plan
    clone = plan.resources_by_id["c"]
    assert (clone.unique, len(clone.children)) == (False, 2)


def test_a_promotion_score_of_a_host_counts_only_while_the_container_has_one() -> None:
    host = pairs("meta_attributes", container_attribute_target="host")
    score = '<nvpair id="m" name="master-a" value="7"/>'
    states = member(1, history=container_runs("b", 0), attributes=score)
    ban = '<rsc_location id="l" rsc="b" node="node1" score="-INFINITY"/>'
    inside = remote("b-0", running("a"))
    resources = bundle("b", primitive("a", host), promoted=1)
    kept = decide(resources, "", states + inside, nodes=1)
    lost = decide(resources, ban, states + inside, nodes=1)
    assert "a:0 promotion score on b-0: 7" in kept.scores
    assert "a:0 promotion score on b-0: -1" in lost.scores


def test_a_remote_node_is_not_fenced_if_another_host_can_reach_it() -> None:
    states = member(1, online=False) + member(2) + remote("far", running("a"))
    transition = decide(
        DEVICE + CONNECTOR + primitive("a"), "", states, stonith_enabled="true", nodes=2
    )
    assert "RemoteNode far: UNCLEAN (offline)" in transition.summary
    assert "stonith-far-reboot" not in transition.graph
    assert place(transition, "far") == "node2"


def test_what_ran_in_a_replica_no_longer_configured_is_stopped() -> None:
    states = member(1, history=container_runs("b", 0) + container_runs("b", 1))
    inside = remote("b-1", running("a")) + remote("b-0")
    transition = decide(bundle("b", primitive("a")), "", states + inside, nodes=1)
    stop = action(transition, "a", "a_stop_0")
    assert stop.node is not None
    assert (stop.node.name, stop.is_required) == ("b-1", True)
    container_stop = action(transition, "b-docker-1", "b-docker-1_stop_0")
    assert "b-1_stop_0" in [r.action.key for r in container_stop.before if r.graphed]


def test_an_order_after_a_bundle_looks_at_all_its_nodes() -> None:
    failed = entry("b-docker-0", "monitor", 7, call=3, interval=60000, suffix="last_failure_0")
    broken = history("b-docker-0", entry("b-docker-0", "start"), failed, agent=DOCKER)
    states = (
        member(1, history=broken + connected("b-0", "b-docker-0"))
        + member(2, history=history("z", entry("z", "start", digest=digest_of({}))))
        + remote("b-0")
    )
    order = '<rsc_order id="o" first="b" then="z" then-action="stop"/>'
    here = '<rsc_location id="l" rsc="z" node="node2" score="INFINITY"/>'
    transition = decide(bundle("b", primitive("a")) + primitive("z"), order + here, states)
    assert action(transition, "z", "z_stop_0").is_required
