"""A password in a word of haresources is in no event, no log line, no message and no answer."""

from __future__ import annotations

import json
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.adapters.log import LogTargets, line_of
from everbeat.commands import as_json
from everbeat.commands.lines import line, plain
from everbeat.config.resources import resource_from_word
from everbeat.executor.failures import FailCounts
from everbeat.journal.timeline import Timeline
from everbeat.model.failures import Failures, ResourceFailures
from everbeat.model.groups import ResourceGroup
from everbeat.model.journal import Phase
from everbeat.model.names import GroupKey, NodeName
from everbeat.node.failure_board import FailureBoard, cleanup_message
from everbeat.node.log_lines import LogLevel

SECRETS = st.tuples(
    st.integers(2**60, 2**64).map("Zq{:x}Zq".format), st.sampled_from(["", "=", "#", "'", ":", "@"])
).map("".join)
WORDS = st.sampled_from(
    [
        "Filesystem:://nas/srv::/srv::cifs::user=web,password={}",
        "mirror::https://web:{}@nas/srv",
        "portal::api_key={}::8080",
        "portal::--token={}",
    ]
)
KEY = GroupKey("10.0.0.50")


def texts_about(word: str) -> list[str]:
    """Return the sentences in which a resource stands."""
    return [
        word,
        f"'{word}' cannot be stopped",
        f"start of {word}: failed\n{word}",
        f"running /etc/ha.d/resource.d/{word.replace('::', ' ')} start",
    ]


@given(WORDS, SECRETS)
@settings(max_examples=30)
def test_no_text_about_a_resource_says_its_password(shape: str, secret: str) -> None:
    word = shape.format(secret)
    timeline = Timeline(NodeName("alpha"))
    targets = LogTargets(node="alpha")
    resource = resource_from_word(word)
    group = ResourceGroup(NodeName("alpha"), KEY, (resource_from_word(KEY), resource))
    told: list[object] = [as_json.dumps(group)]
    for text in texts_about(word):
        number, begun = timeline.begin(
            "takeover", text, 1, node=NodeName("alpha"), subjects=[KEY], phases=[Phase(text, 1)]
        )
        timeline.phase(number, text, 2)
        told += [*begun, *timeline.note("hung", text, 3, details=(text,))]
        told += [line_of(targets, LogLevel.INFO, text, time.gmtime(0)), plain([line(text)])]
        told += [json.dumps(as_json.plain_value({"why": [text]}))]
    board = FailureBoard(NodeName("alpha"))
    count = ResourceFailures(
        group=KEY, resource=word, count=1, is_barred=True, last_ms=1, clears_ms=9, why=word
    )
    told += [*board.on_own(Failures((count,)), 2), cleanup_message(word, "beta")]
    told += timeline.after(0)
    assert secret[:8] not in repr(told)


@given(WORDS, SECRETS)
def test_a_failure_is_forgotten_by_the_word_that_is_shown(shape: str, secret: str) -> None:
    word = shape.format(secret)
    counts = FailCounts(3, 60_000)
    counts.on_failure(KEY, word, "gone", 1, is_start=False)
    shown = cleanup_message(word, "").text("rsc")
    assert shown is not None
    assert counts.on_forget(shown) == [Failures(())]
