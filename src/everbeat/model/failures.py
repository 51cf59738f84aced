"""Fail counts: how often which resource failed on a node, and whether it may be tried there.

Counted by the executor of each node, told to its peers by the core, consumed by the resource
manager. Times are monotonic milliseconds of the machine that looks at them.
"""

from __future__ import annotations

from dataclasses import dataclass

from everbeat.model.names import GroupKey, NodeName


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFailures:
    """The fail count of one resource on one node.

    `is_barred`: the node has failed it so often, or could not start it, that another node that
    has not should run it.
    """

    group: GroupKey
    resource: str  # the word of haresources
    count: int  # failures within the window, at most FAILURES_MAX
    is_barred: bool
    last_ms: int  # when it failed last
    clears_ms: int  # when all of them are forgotten, unless it fails again
    why: str = ""  # what failed last


@dataclass(frozen=True, slots=True)
class Failures:
    """All fail counts of this machine that are not zero. Fact: they changed. Order: take them.

    The core gives them to an executor that is a new one.
    """

    counts: tuple[ResourceFailures, ...]


@dataclass(frozen=True, slots=True)
class NodeFailures:
    """The fail counts of one node, for people."""

    node: NodeName
    counts: tuple[ResourceFailures, ...]
