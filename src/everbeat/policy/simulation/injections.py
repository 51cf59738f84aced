"""Events that have not happened, as values and as words: what a simulation puts into a document.

    web_monitor_10000@node1=7   the words for the result of an operation: resource, task, interval
                                in milliseconds, node, and the code the agent ended with

Source: crm_simulate's options -u -d -f -i -F -q -w -g -r -b -e.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from everbeat.policy.values import parse_operation_key

WORDS_MAX: Final = 1000  # characters of an operation's words; longer ones are no operation
_RESULT: Final = r"(?P<key>[^@]+)@(?P<node>[^=]+)=(?P<rc>[0-9]{1,3})"
RC_MAX: Final = 255


class NodeChange(StrEnum):
    """What may happen to a node."""

    UP = "up"
    DOWN = "down"
    FAIL = "fail"


class TicketChange(StrEnum):
    """What may happen to a ticket."""

    GRANT = "grant"
    REVOKE = "revoke"
    STANDBY = "standby"
    ACTIVATE = "activate"


class NodeEvent(NamedTuple):
    """A node comes, goes or falls silent."""

    change: NodeChange
    node: str


class TicketEvent(NamedTuple):
    """A ticket changes."""

    change: TicketChange
    ticket: str


class QuorumEvent(NamedTuple):
    """The cluster has quorum or has not; `text` is the value as written, for the document."""

    text: str


class WatchdogEvent(NamedTuple):
    """The cluster has a watchdog or has not; `text` is the value as written."""

    text: str


class OperationResult(NamedTuple):
    """An operation ended on a node with a code; `words` is how it was asked for."""

    resource: str
    task: str
    interval_ms: int
    node: str
    rc: int
    words: str


Injection: TypeAlias = NodeEvent | TicketEvent | QuorumEvent | WatchdogEvent | OperationResult


def result_from_words(words: str) -> OperationResult | None:
    """Read RESOURCE_TASK_INTERVAL@NODE=CODE; None for what is none. Blanks and codes > 255 are."""
    match = re.fullmatch(_RESULT, words) if len(words) <= WORDS_MAX else None
    key = None if match is None else parse_operation_key(match["key"])
    if match is None or key is None or not key[0] or not key[1] or int(match["rc"]) > RC_MAX:
        return None
    resource, task, interval_ms = key
    return OperationResult(
        resource=resource,
        task=task,
        interval_ms=interval_ms,
        node=match["node"],
        rc=int(match["rc"]),
        words=words,
    )
