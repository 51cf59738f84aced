"""What everbeat status and everbeat events print."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from msgspec import structs

from everbeat.commands.events import event_json, render_event
from everbeat.commands.lines import duration, plain, show
from everbeat.commands.status import problems, render_status, status_json
from everbeat.commands.witness import render_witness_status
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
from everbeat.model.journal import ClusterEvent, Phase
from everbeat.model.members import (
    Doubt,
    LifeDoubt,
    LinkStatus,
    MembershipView,
    NodeKind,
    NodeStatus,
    NodeView,
    QuorumView,
    VoterView,
)
from everbeat.model.membership import NodeDoubted, fold
from everbeat.model.names import GroupKey, LinkName, NodeName
from everbeat.model.reports import Severity

ALPHA, BETA, PING = NodeName("alpha"), NodeName("beta"), NodeName("10.77.0.100")
VIP = ResourceSpec("10.77.0.50/24/eth0", "IPaddr", ("10.77.0.50/24/eth0",))
WEB = ResourceSpec("nginx", "nginx")


def group(owner: NodeName, *resources: ResourceSpec) -> ResourceGroup:
    return ResourceGroup(owner, GroupKey(resources[0].text), resources)


def healthy(*, beta: NodeView | None = None, groups: tuple[GroupView, ...] = ()) -> StatusReply:
    up = ((LinkName("eth0"), LinkStatus.UP),)
    nodes = (
        NodeView(ALPHA, NodeKind.NORMAL, NodeStatus.ACTIVE, status_since_ms=200, links=up),
        beta or NodeView(BETA, NodeKind.NORMAL, NodeStatus.ACTIVE, status_since_ms=500, links=up),
        NodeView(PING, NodeKind.PING, NodeStatus.PING, status_since_ms=1_000),
    )
    mine = GroupView(
        group=group(ALPHA, VIP, WEB),
        state=GroupState.STARTED,
        holder=ALPHA,
        since_ms=4_000,
        why="our own at start",
        running=(VIP.text, WEB.text),
    )
    other = GroupView(
        group=group(BETA, ResourceSpec("db", "db")),
        state=GroupState.STOPPED,
        holder=BETA,
        since_ms=1_000,
        why="beta says it holds local",
    )
    return StatusReply(
        version="0.1.0",
        now_ms=10_000,
        wall_ms=1_800_000_000_000,
        membership=MembershipView(own=ALPHA, nodes=nodes, is_communication_up=True),
        manager=ManagerView(
            own=ALPHA,
            auto_failback=AutoFailback.ON,
            state="stable",
            holds="local",
            peer_holds=((BETA, "local", True),),
            groups=groups or (mine, other),
        ),
    )


def test_a_healthy_pair_reads_top_down() -> None:
    assert plain(render_status(healthy())) == (
        "alpha  stable, holds local  auto_failback on  everbeat 0.1.0\n"
        "\n"
        "Nodes\n"
        "  alpha        active  for 9.8 s  this node  eth0 up\n"
        "  beta         active  for 9.5 s  eth0 up  holds local\n"
        "  10.77.0.100  ping    for 9.0 s\n"
        "\n"
        "Quorum\n"
        "  can split: nothing decides who holds when the nodes do not hear each other\n"
        "  the ping nodes are only counted (ipfail); quorum ping would let them decide\n"
        "\n"
        "Groups\n"
        "  10.77.0.50/24/eth0  on alpha (its owner), here started, for 6.0 s: our own at start\n"
        "    10.77.0.50/24/eth0   nginx\n"
        "  db  on beta (its owner), here stopped, for 9.0 s: beta says it holds local\n"
    )
    assert problems(healthy()) == []


@pytest.mark.parametrize(
    ("holders", "word_of_alpha", "word_of_beta"),
    [
        # the owners are alpha, alpha, beta; where each group is
        ("alpha alpha beta", "local", "local"),
        ("alpha alpha alpha", "all", "none"),
        ("alpha beta alpha", "2 of 3 groups", "1 of 3 groups"),
        ("alpha beta beta", "1 of 3 groups", "2 of 3 groups"),
        ("beta beta alpha", "foreign", "foreign"),
        ("beta beta beta", "none", "all"),
        ("alpha - beta", "1 of 3 groups", "local"),
        ("- - -", "none", "none"),
    ],
)
def test_what_a_node_holds_agrees_with_where_the_groups_are(
    holders: str, word_of_alpha: str, word_of_beta: str
) -> None:
    owners = (ALPHA, ALPHA, BETA)
    groups = tuple(
        GroupView(
            group=group(owner, ResourceSpec(f"g{number}", f"g{number}")),
            state=GroupState.STARTED if holder == ALPHA else GroupState.STOPPED,
            holder=None if holder == "-" else NodeName(holder),
            since_ms=1_000,
            why="",
        )
        for number, (owner, holder) in enumerate(zip(owners, holders.split(), strict=True))
    )
    reply = healthy(groups=groups)
    told = structs.replace(  # cl_status' words: a class as soon as one group of it is there
        reply, manager=replace(reply.manager, holds="all", peer_holds=((BETA, "all", True),))
    )
    text = plain(render_status(told))
    assert f"alpha  stable, holds {word_of_alpha}  auto_failback" in text
    assert f"for 9.5 s  eth0 up  holds {word_of_beta}\n" in text


def test_what_cannot_be_stopped_is_still_held() -> None:
    stuck = GroupView(
        group=group(BETA, VIP), state=GroupState.STUCK, holder=None, since_ms=1, why="exit 1"
    )
    assert "alpha  stable, holds all" in plain(render_status(healthy(groups=(stuck,))))


def test_what_needs_a_person_comes_first() -> None:
    dead = NodeView(BETA, NodeKind.NORMAL, NodeStatus.DEAD, last_heard_ms=2_000)
    failed = GroupView(
        group=group(ALPHA, VIP),
        state=GroupState.FAILED,
        holder=None,
        since_ms=9_000,
        why="start of IPaddr failed (exit 1)",
    )
    text = plain(render_status(healthy(beta=dead, groups=(failed,))))
    assert text.splitlines()[1:3] == [
        "  ! group 10.77.0.50/24/eth0 failed to start here: start of IPaddr failed (exit 1)",
        "  ! node beta is dead",
    ]
    assert "  beta         dead    last heard 8.0 s ago\n" in text


def test_a_node_that_was_stopped_in_order_is_not_called_dead() -> None:
    silent = NodeView(BETA, NodeKind.NORMAL, NodeStatus.DEAD, last_heard_ms=2_000)
    reply = healthy(beta=silent)
    left = structs.replace(reply, manager=replace(reply.manager, left=(BETA,)))
    assert problems(left) == ["node beta has left: it gave up its resources and was stopped"]
    assert "  beta         left    last heard 8.0 s ago\n" in plain(render_status(left))
    back = structs.replace(left, membership=healthy().membership)
    assert problems(back) == []


def test_status_as_json_carries_the_problems_and_every_field() -> None:
    value = json.loads(status_json(healthy()))
    assert value["problems"] == []
    assert value["manager"]["groups"][0]["state"] == "started"
    assert value["membership"]["nodes"][1]["links"] == [["eth0", "up"]]


def test_names_from_other_machines_cannot_move_the_cursor() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    evil = NodeView(NodeName("be\x1b[2Jta"), NodeKind.NORMAL, NodeStatus.ACTIVE)
    out = Terminal()
    show(render_status(healthy(beta=evil)), out)
    assert "\x1b[2J" not in out.getvalue()
    assert "be?[2Jta" in out.getvalue()


TAKEOVER = ClusterEvent(
    id=7,
    kind="takeover",
    severity=Severity.WARNING,
    node=BETA,
    text="beta died: its groups come here",
    at_ms=11_000,
    wall_ms=1_800_000_000_123,
    phases=(
        Phase("last-heard", 10_000),
        Phase("declared-dead", 11_000),
        Phase("started IPaddr::10.77.0.50", 11_080),
        Phase("announced", 11_095),
    ),
)


def test_a_takeover_shows_the_milliseconds_of_its_phases() -> None:
    head, *phases = plain(render_event(TAKEOVER)).splitlines()
    assert head.startswith("#7 2027-01-15 ")
    assert head.endswith(".123  takeover  beta: beta died: its groups come here  [1095 ms]")
    assert phases == [
        "          +0 ms       0  last-heard",
        "       +1000 ms    1000  declared-dead",
        "       +1080 ms      80  started IPaddr::10.77.0.50",
        "       +1095 ms      15  announced",
    ]


def test_an_event_as_json_is_one_line_with_the_time_of_each_phase() -> None:
    text = event_json(TAKEOVER)
    assert "\n" not in text
    value = json.loads(text)
    assert (value["severity"], value["total_ms"]) == ("warning", 1_095)
    assert [phase["after_ms"] for phase in value["phases"]] == [0, 1_000, 1_080, 1_095]


def test_durations_are_for_people() -> None:
    spans = (-5, 250, 12_340, 59_999, 61_000, 11_100_000, 200_000_000)
    assert [duration(ms) for ms in spans] == [
        "0 ms",
        "250 ms",
        "12.3 s",
        "60.0 s",
        "1 min",
        "3 h 5 min",
        "2 d 7 h",
    ]


def with_quorum(quorum: QuorumView) -> StatusReply:
    reply = healthy()
    return structs.replace(reply, membership=replace(reply.membership, quorum=quorum))


def test_status_says_that_two_nodes_alone_can_split() -> None:
    assert "can split" in plain(render_status(healthy()))


def test_status_says_who_lets_this_node_hold() -> None:
    voters = (
        VoterView(voter=ALPHA, is_leasing=True),
        VoterView(voter=BETA, votes_dead=(ALPHA,)),
        VoterView(voter="witness", is_leasing=True),
    )
    held = QuorumView(kind="witness", is_held=True, until_ms=12_500, majority=2, voters=voters)
    text = plain(render_status(with_quorum(held)))
    assert "may hold  by witness: 2 of 3 agree, 2 needed, for 2.5 s" in text
    assert "beta        does not answer  holds alpha for dead" in text


def test_status_says_first_why_this_node_may_not_hold() -> None:
    lost = QuorumView(kind="votes", reason="no word from beta and gamma", stop_by_ms=9_000)
    assert problems(with_quorum(lost))[:2] == [
        "this node may not hold resources: no word from beta and gamma",
        "resources that others may take by now are not stopped here: 10.77.0.50/24/eth0",
    ]


def test_status_says_for_whom_a_node_waits_that_left_in_order() -> None:
    waits = QuorumView(kind="votes", reason="starting", waits_for=(BETA,))
    (first,) = problems(with_quorum(waits))
    assert first == (
        "this node left in order while beta went on, and waits to hear beta before it holds "
        "anything, whoever else agrees: start everbeat there; if it is off: everbeat fence confirm "
        "beta"
    )
    gamma = NodeName("gamma")
    both = QuorumView(kind="votes", reason="starting", waits_for=(BETA, gamma))
    (first,) = problems(with_quorum(both))
    assert "for each of them that is off: everbeat fence confirm beta, " in first
    assert first.endswith("everbeat fence confirm gamma")


def test_status_says_what_a_node_waits_for_that_has_held_nothing_yet() -> None:
    voters = (
        VoterView(voter=ALPHA, is_leasing=True),
        VoterView(voter=BETA),
        VoterView(voter="witness"),
    )
    begins = QuorumView(kind="witness", reason="starting", majority=2, voters=voters)
    text = plain(render_status(with_quorum(begins)))
    assert "  waits until beta agrees, or 2 of 3 hold it for dead\n" in text
    assert "until witness" not in text
    for other in (replace(begins, is_held=True), replace(begins, waits_for=(BETA,))):
        assert "waits until" not in plain(render_status(with_quorum(other)))


@pytest.mark.parametrize("kind", list(Doubt))
def test_a_life_that_is_not_believed_is_a_problem_with_its_remedy(kind: Doubt) -> None:
    doubt = LifeDoubt(kind=kind, heard=6, known=10)
    reply = healthy()
    doubted = fold(reply.membership, NodeDoubted(BETA, doubt, 0))
    [line] = problems(structs.replace(reply, membership=doubted))
    assert "beta" in line
    has_remedy = "echo 10 >/var/lib/heartbeat/hb_generation" in line or "cables" in line
    assert has_remedy


def test_failures_come_with_their_countdown_and_those_that_bar_are_problems() -> None:
    def count(word: str, number: int, *, bars: bool) -> ResourceFailures:
        return ResourceFailures(
            group=GroupKey("vip"),
            resource=word,
            count=number,
            is_barred=bars,
            last_ms=4_000,
            clears_ms=1_810_000,
            why="status: stopped",
        )

    failed = (count("nginx", 3, bars=True), count("db", 1, bars=False))
    reply = structs.replace(healthy(), failures=(NodeFailures(BETA, failed),))
    text = plain(render_status(reply))
    assert "nginx  on beta  3 times, last 6.0 s ago, forgotten in 30 min: status: stopped" in text
    assert "db  on beta  once" in text
    assert problems(reply) == ["nginx failed 3 times on beta, which hands its group on"]
    assert json.loads(status_json(reply))["failures"][0]["counts"][1]["resource"] == "db"


def test_an_event_shows_its_details_below() -> None:
    event = ClusterEvent(
        id=7,
        kind="operation-hung",
        severity=Severity.ERROR,
        node=ALPHA,
        text="stop of web hangs",
        at_ms=5,
        wall_ms=1_800_000_000_000,
        details=("812 web: D waiting", "said: bye"),
    )
    assert "      812 web: D waiting\n      said: bye" in plain(render_event(event))
    assert json.loads(event_json(event))["details"] == ["812 web: D waiting", "said: bye"]


def test_status_says_whether_ping_nodes_decide_and_what_their_silence_means() -> None:
    voters = (VoterView(voter="alpha"), VoterView(voter="ping", is_leasing=False))
    idle = QuorumView(kind="ping", is_held=True, voters=voters, is_deciding=False)
    assert "ping nodes do not decide yet" in plain(render_status(with_quorum(idle)))
    assert not [text for text in problems(with_quorum(idle)) if "ping" in text]
    deciding = replace(idle, is_deciding=True)
    assert "the ping nodes are silent" in problems(with_quorum(deciding))[0]


def test_a_node_that_is_cut_off_calls_nothing_nowhere_nor_what_it_has_stopped_unstopped() -> None:
    stopped = GroupView(
        group=group(ALPHA, VIP, WEB),
        state=GroupState.STOPPED,
        holder=None,
        since_ms=9_500,
        why="the right to hold resources is lost",
    )
    lost = QuorumView(kind="witness", reason="no word from beta and witness", stop_by_ms=9_000)
    reply = healthy(groups=(stopped,))
    membership = replace(reply.membership, quorum=lost)
    reply = structs.replace(reply, membership=membership)
    assert problems(reply) == ["this node may not hold resources: no word from beta and witness"]
    assert "not here; whether elsewhere this node cannot know" in plain(render_status(reply))


def test_what_every_live_node_has_failed_is_said_on_each_of_them() -> None:
    handed = GroupView(
        group=group(ALPHA, VIP, WEB),
        state=GroupState.STOPPED,
        holder=BETA,
        since_ms=9_500,
        why="handed to beta: failed here",
    )
    count = ResourceFailures(
        group=handed.group.key,
        resource="nginx",
        count=1,
        is_barred=True,
        last_ms=9_000,
        clears_ms=3_600_000,
        why="exit 1",
    )
    failures = (NodeFailures(ALPHA, (count,)), NodeFailures(BETA, (replace(count, why=""),)))
    told = problems(structs.replace(healthy(groups=(handed,)), failures=failures))
    assert told[0] == (
        "group 10.77.0.50/24/eth0 runs nowhere: it did not start on alpha (nginx: exit 1),"
        " nor on beta"
    )


def witnessed(voter: VoterView, *trouble: str) -> str:
    held = QuorumView(kind="witness", is_held=True, majority=2, voters=(voter,))
    reply = healthy()
    media = tuple(("witness 192.0.2.9", text) for text in trouble)
    membership = replace(reply.membership, quorum=held, failed_media=media)
    return plain(render_status(structs.replace(reply, membership=membership)))


def test_a_witness_that_is_there_is_not_called_silent_and_one_that_is_not_says_why() -> None:
    assert "witness     agreed 4.0 s ago" in witnessed(VoterView(voter="witness", heard_ms=6_000))
    assert "witness     has not answered yet" in witnessed(VoterView(voter="witness"))
    silent = witnessed(VoterView(voter="witness", heard_ms=6_000), "does not answer")
    assert "  ! the witness 192.0.2.9 does not answer" in silent
    assert "witness     does not answer" in silent
    assert "witness     agrees" in witnessed(VoterView(voter="witness", is_leasing=True))


def test_the_witness_names_who_asks_with_a_key_it_has_not() -> None:
    status = {
        "version": "0",
        "up_ms": 60_000,
        "rejected_count": 18,
        "clusters": [{"cluster": "shop", "has_keys": True, "nodes": []}],
        "unknown_keys": [{"source": "10.9.0.1", "count": 18, "ago_ms": 2_000}],
    }
    text = plain(render_witness_status(json.dumps(status)))
    assert "10.9.0.1  asked 18 times with a key that is not here, last 2.0 s ago" in text
