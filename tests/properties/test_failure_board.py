"""What one node tells of its failures is what the other one believes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from everbeat.config.files import text_from_bytes
from everbeat.model.failures import Failures, ResourceFailures
from everbeat.model.members import NodeStatus
from everbeat.model.membership import (
    MessageReceived,
    NodeRestarted,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import Message, message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.node.failure_board import (
    FAILURES_TYPE,
    FailureBoard,
    cleanup_from_message,
    cleanup_message,
)
from everbeat.wire.netstring import decode_netstring, encode_netstring

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
BLANKS = b" \t\r\v\f\n\0"
WORDS = st.binary(min_size=1, max_size=20).map(
    lambda data: text_from_bytes(bytes(byte for byte in data if byte not in BLANKS) or b"web")
)
COUNTS = st.builds(
    ResourceFailures,
    group=WORDS.map(GroupKey),
    resource=WORDS,
    count=st.integers(1, 100),
    is_barred=st.booleans(),
    last_ms=st.integers(0, 50_000),
    clears_ms=st.integers(50_000, 10**7),
)


def sent_by(message: Message, node: NodeName, now_ms: int) -> MessageReceived:
    fields = dict(message.strings()) | {"src": node}
    return MessageReceived(message_of(**fields), now_ms)


def active(node: NodeName, new: NodeStatus = NodeStatus.ACTIVE) -> NodeStatusChanged:
    return NodeStatusChanged(
        node=node,
        old=NodeStatus.UP,
        new=new,
        reason=StatusReason.HEARD,
        last_heard_ms=0,
        at_ms=0,
    )


@given(st.lists(COUNTS, max_size=20), st.integers(0, 10**9))
def test_counts_arrive_whole_on_another_clock(
    counts: list[ResourceFailures], other_ms: int
) -> None:
    alpha, beta = FailureBoard(ALPHA), FailureBoard(BETA)
    [told] = alpha.on_own(Failures(tuple(counts)), 50_000)
    assert decode_netstring(encode_netstring(told.message))[0] == told.message
    _, heard = beta.on_membership(sent_by(told.message, ALPHA, other_ms), other_ms)
    assert heard is not None
    shift_ms = other_ms - 50_000
    assert [
        (c.group, c.resource, c.count, c.is_barred, c.last_ms - shift_ms, c.clears_ms - shift_ms)
        for c in heard.counts
    ] == [(c.group, c.resource, c.count, c.is_barred, c.last_ms, c.clears_ms) for c in counts]


@given(st.text(max_size=80))
def test_no_text_from_the_wire_does_harm(text: str) -> None:
    board = FailureBoard(BETA)
    message = message_of(t=FAILURES_TYPE, src="alpha", counts=text)
    _, heard = board.on_membership(MessageReceived(message, 0), 0)
    assert heard is not None


@given(
    st.lists(st.text("-0123456789", min_size=1, max_size=6), min_size=4, max_size=4),
    st.integers(1, 5_000),
)
@example(["--5", "0", "1", "1"], 1)
@example(["1", "0", "1", "1"], 5_000)  # more digits than Python makes a number of
def test_no_number_from_the_wire_does_harm(numbers: list[str], times: int) -> None:
    board = FailureBoard(BETA)
    word = "/".join((numbers[0] * times, *numbers[1:], "group", "web"))
    message = message_of(t=FAILURES_TYPE, src="alpha", counts=word)
    _, heard = board.on_membership(MessageReceived(message, 0), 0)
    assert heard is not None
    assert len(heard.counts) <= 1


def test_a_node_that_comes_is_told_and_one_that_goes_is_forgotten() -> None:
    board = FailureBoard(ALPHA)
    assert board.on_membership(active(BETA), 0) == ([], None)
    one = ResourceFailures(
        group=GroupKey("g"), resource="web", count=1, is_barred=False, last_ms=0, clears_ms=9
    )
    [told] = board.on_own(Failures((one,)), 0)
    again, _ = board.on_membership(active(BETA), 0)
    assert again == [told]
    board.on_membership(sent_by(told.message, BETA, 0), 0)
    assert [known.node for known in board.all()] == [ALPHA, BETA]
    _, gone = board.on_membership(active(BETA, NodeStatus.DEAD), 1)
    assert gone is not None
    assert gone.counts == ()
    assert [known.node for known in board.all()] == [ALPHA]
    assert board.on_membership(NodeRestarted(BETA, 1, 2), 2) == ([], None)


def test_a_cleanup_is_for_all_nodes_or_the_one_it_names() -> None:
    assert cleanup_from_message(cleanup_message("web", ""), ALPHA) == "web"
    assert cleanup_from_message(cleanup_message("", "alpha"), ALPHA) == ""
    assert cleanup_from_message(cleanup_message("web", "beta"), ALPHA) is None
    assert cleanup_from_message(message_of(t="other"), ALPHA) is None


@given(st.lists(COUNTS, max_size=20), st.integers(50_000, 10**7))
def test_what_another_node_has_forgotten_by_now_is_forgotten_without_its_word(
    counts: list[ResourceFailures], later_ms: int
) -> None:
    alpha, beta = FailureBoard(ALPHA), FailureBoard(BETA)
    [told] = alpha.on_own(Failures(tuple(counts)), 50_000)
    beta.on_membership(sent_by(told.message, ALPHA, 50_000), 50_000)
    left = tuple(count for count in counts if count.clears_ms > later_ms)
    changed = beta.on_tick(later_ms)
    assert [known.counts for known in changed] == ([left] if len(left) < len(counts) else [])
    assert beta.next_wakeup_ms() == min((count.clears_ms for count in left), default=None)
    assert alpha.on_tick(later_ms) == []  # its own are the executor's
