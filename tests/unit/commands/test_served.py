"""Whether a group is served after a change: claims alone do not say so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from everbeat.commands.moving import Direction, move_of, sight_of
from everbeat.commands.served import FailedStart, GroupEnd, end_of, sentence, wait_ends, wait_gone
from everbeat.ipc.messages import StatusReply
from everbeat.model.failures import NodeFailures, ResourceFailures
from everbeat.model.groups import (
    AutoFailback,
    GroupState,
    GroupView,
    ManagerView,
    ResourceGroup,
    ResourceSpec,
)
from everbeat.model.members import MembershipView, NodeKind, NodeStatus, NodeView
from everbeat.model.names import GroupKey, NodeName

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
KEY = GroupKey("10.9.0.50")
SINCE_MS = 5_000


def view(state: GroupState, holder: NodeName | None) -> GroupView:
    resources = (ResourceSpec(KEY, "IPaddr", (KEY,)), ResourceSpec("ngnix", "ngnix"))
    group = ResourceGroup(ALPHA, KEY, resources)
    return GroupView(group=group, state=state, holder=holder, since_ms=6_000, why="it is new")


def failure(node: NodeName, last_ms: int = 6_000) -> NodeFailures:
    count = ResourceFailures(
        group=KEY,
        resource="ngnix",
        count=1,
        is_barred=True,
        last_ms=last_ms,
        clears_ms=9_000_000,
        why="no script, built-in or unit named ngnix",
    )
    return NodeFailures(node, (count,))


def seen(
    group: GroupView,
    *failures: NodeFailures,
    state: str = "stable",
    is_peer_stable: bool = True,
    beta: NodeStatus = NodeStatus.ACTIVE,
) -> StatusReply:
    nodes = (
        NodeView(ALPHA, NodeKind.NORMAL, NodeStatus.ACTIVE),
        NodeView(BETA, NodeKind.NORMAL, beta),
    )
    return StatusReply(
        version="0",
        now_ms=7_000,
        wall_ms=0,
        membership=MembershipView(own=ALPHA, nodes=nodes, is_communication_up=True),
        manager=ManagerView(
            own=ALPHA,
            auto_failback=AutoFailback.ON,
            state=state,
            holds="all",
            peer_holds=((BETA, "none", is_peer_stable),),
            groups=(group,),
        ),
        failures=failures,
    )


def with_manager(reply: StatusReply, manager: ManagerView) -> StatusReply:
    fields = {name: getattr(reply, name) for name in reply.__struct_fields__}
    return StatusReply(**{**fields, "manager": manager})


def end(group: GroupView, *failures: NodeFailures, **more: object) -> GroupEnd | None:
    return end_of(group, seen(group, *failures, **more), SINCE_MS)  # type: ignore[arg-type] # as given


def test_what_was_started_here_is_served() -> None:
    assert end(view(GroupState.STARTED, ALPHA)) == GroupEnd(key=KEY, node=ALPHA)


def test_a_claim_of_a_node_that_has_settled_is_served_unless_it_has_failed_since() -> None:
    there = view(GroupState.STOPPED, BETA)
    assert end(there) == GroupEnd(key=KEY, node=BETA)
    assert end(there, is_peer_stable=False) is None
    assert end(there, failure(BETA)) is None, "alpha may still take it"
    assert end(there, failure(BETA, last_ms=4_000)) == GroupEnd(key=KEY, node=BETA)


def test_what_all_live_nodes_have_failed_has_failed() -> None:
    here = view(GroupState.FAILED, None)
    both = end(here, failure(ALPHA), failure(BETA))
    assert both is not None
    assert both.is_failed
    alone = end(here, failure(ALPHA), beta=NodeStatus.DEAD)
    assert alone is not None
    assert alone.is_failed
    assert end(here, failure(ALPHA)) is None


def test_a_group_that_moves_is_open() -> None:
    assert end(view(GroupState.STARTING, None)) is None
    assert end(view(GroupState.STOPPED, None)) is None


def test_sentences() -> None:
    reason = "no script, built-in or unit named ngnix"
    failed = (FailedStart(ALPHA, "ngnix", reason), FailedStart(BETA, "ngnix", reason))
    assert sentence(GroupEnd(key=KEY, failed=failed)) == (
        f"10.9.0.50 did not start on alpha (ngnix: {reason}), nor on beta"
    )
    assert sentence(GroupEnd(key=KEY, failed=failed[:1], node=BETA)) == (
        f"10.9.0.50 did not start on alpha (ngnix: {reason}); it is on beta"
    )
    assert sentence(GroupEnd(key=KEY, node=BETA)) == "10.9.0.50 is on beta"
    assert sentence(GroupEnd(key=KEY, why="it is new")) == "10.9.0.50 runs nowhere: it is new"
    moving = GroupEnd(key=KEY, why="it is new", is_moving=True)
    assert sentence(moving) == "10.9.0.50 is still in motion: it is new"


def looks(*replies: StatusReply) -> Callable[[], StatusReply]:
    rest = list(replies)
    return lambda: rest.pop(0) if rest[1:] else rest[0]


def test_one_waits_until_it_is_plain() -> None:
    moving = seen(view(GroupState.STARTING, None), state="moving")
    done = seen(view(GroupState.STARTED, ALPHA))
    assert wait_ends(looks(moving, moving, done), [KEY], SINCE_MS) == (
        GroupEnd(key=KEY, node=ALPHA),
    )


def test_one_that_is_over_time_is_said_to_be_in_motion() -> None:
    moving = seen(view(GroupState.STARTING, None), state="moving")
    (found,) = wait_ends(looks(moving), [KEY], SINCE_MS, timeout_s=0.1)
    assert found.is_moving
    assert not found.is_failed


def test_a_takeover_is_served_or_has_failed() -> None:
    move = move_of(Direction.TAKEOVER, "all", is_waited_for=True, timeout_s=2)
    done = sight_of(seen(view(GroupState.STARTED, ALPHA)), move, SINCE_MS)
    assert done.is_served
    assert not done.troubles
    back = sight_of(seen(view(GroupState.STOPPED, BETA), failure(ALPHA)), move, SINCE_MS)
    (told,) = back.troubles
    assert told.endswith("(ngnix: no script, built-in or unit named ngnix); it is on beta")
    assert back.away == 1
    assert done.away == 0
    claimed = sight_of(seen(view(GroupState.FAILED, None)), move, SINCE_MS)
    assert not claimed.is_served
    busy = seen(view(GroupState.STOPPED, BETA))
    busy = with_manager(busy, replace(busy.manager, peer_holds=((BETA, "all", False),)))
    assert not sight_of(busy, move, SINCE_MS).is_stable


def test_a_group_that_somebody_has_taken_out_meanwhile_is_not_served() -> None:
    gone = GroupKey("10.9.0.51")
    (found,) = wait_ends(looks(seen(view(GroupState.STARTED, ALPHA))), [gone], SINCE_MS, 0.1)
    assert found.node is None
    assert not found.is_failed
    assert sentence(found) == "10.9.0.51 runs nowhere: somebody has taken it out of haresources"


def test_what_was_removed_is_waited_for_until_it_is_stopped_here_and_elsewhere() -> None:
    none = replace(seen(view(GroupState.STOPPED, None)).manager, groups=())
    stopping = seen(view(GroupState.STOPPING, None), state="moving")
    gone, there = (
        with_manager(stopping, replace(none, peer_holds=((BETA, "none", is_stable),)))
        for is_stable in (True, False)
    )
    assert wait_gone(looks(stopping, there, gone), [KEY]) == ()
    assert wait_gone(looks(stopping), []) == ()
    (told,) = wait_gone(looks(stopping, there), [KEY], 0.1)
    assert told == "something still moves: 10.9.0.50 may not be stopped yet"
    stuck = replace(view(GroupState.STUCK, None), why="ngnix cannot be stopped")
    (told,) = wait_gone(looks(stopping, seen(stuck)), [KEY])
    assert told == "10.9.0.50 is not stopped on alpha: ngnix cannot be stopped"
