"""The nodes a resource may run on, with a score each and the ledger of where it came from.

Invariant: for every node, the last ledger entry's `after` is its score, every entry's `before`
is the entry before it, and `after` is `before` plus `amount` unless the entry is a replacement.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, final

from everbeat.policy.plan.words import PROBE_ALWAYS
from everbeat.policy.score import ABSENT, INFINITY, add_scores


class CauseKind(Enum):
    """The kinds of rule that change a score or choose a node; the value is the text for people."""

    # What the configuration asks for.
    LOCATION = "location"
    HEALTH = "health"
    COLOCATION = "colocation"
    COLOCATION_UNDONE = "colocation left no node"
    TICKET = "ticket"
    STICKINESS = "stickiness"
    MIGRATION_THRESHOLD = "migration-threshold"
    EXCLUSIVE_DISCOVERY = "exclusive discovery"
    SHUTDOWN_LOCK = "shutdown-lock"
    NO_CAPACITY = "no room"
    ENOUGH_INSTANCES = "enough instances"
    ENOUGH_ON_NODE = "no room for an instance"
    PROMOTION_SCORE = "promotion score"
    SYMMETRIC_CLUSTER = "symmetric cluster"
    # What state it is in, and what its history says.
    NOT_MANAGED = "not managed"
    WANTED_STOPPED = "wanted stopped"
    STOP_ALL = "stop-all-resources"
    ACTIVE_ON_SEVERAL = "active on several nodes"
    FAILED_THERE = "failed there"
    NOT_CONFIGURED = "no longer configured"
    PROBE_FAILED = "probe failed"
    NOT_INSTALLED = "agent not installed"
    HARD_ERROR = "hard error"
    FATAL_ERROR = "fatal error"
    STOP_FAILED = "stop failed"
    STAYS_STOPPED = "stays stopped after failure"
    # What belongs together.
    NO_MATE = "no instance to go with"
    BUNDLE_NODE = "bundle node"
    NOT_ON_REMOTE = "no resources of this kind on remote nodes"
    WITH_LAUNCHER = "runs where its launcher runs"
    INTO_CONTAINER = "connection into a container"
    # Steps of placing, which no score is shown to come from.
    BEST_SCORE = "best score"
    PREFERRED = "preferred"
    ALREADY_THERE = "already there"
    TRIAL_UNDONE = "trial placement undone"


@final
class Cause:
    """Why something is so: the kind of rule that spoke and the id of what it spoke of."""

    def __init__(self, kind: CauseKind, subject: str = "") -> None:
        self.kind: Final = kind
        self.subject: Final = subject

    def text(self) -> str:
        """Write the cause for people."""
        kind = self.kind.value
        return f"{kind} {self.subject}" if self.subject else kind


@final
class LedgerEntry:
    """One change of one node's score. `before` is ABSENT where the node was not in the table."""

    def __init__(self, node: int, before: int, amount: int, after: int, cause: Cause) -> None:
        self.node: Final = node
        self.before: Final = before
        self.amount: Final = amount
        self.after: Final = after
        self.cause: Final = cause

    @property
    def is_replacement(self) -> bool:
        """Say whether the score was set anew rather than added to."""
        return self.before == ABSENT or add_scores(self.before, self.amount) != self.after


@final
class ScoreTable:
    """Scores, probe modes and instance counts in rows indexed by node."""

    def __init__(self) -> None:
        self.scores: list[int] = []
        self.modes: list[int] = []
        self.counts: list[int] = []
        self.ledger: list[LedgerEntry] = []

    def copy(self) -> ScoreTable:
        """Copy the rows; the copy begins without a ledger, for trial sums."""
        other = ScoreTable()
        other.scores = self.scores.copy()
        other.modes = self.modes.copy()
        other.counts = self.counts.copy()
        return other

    def has(self, node: int) -> bool:
        """Say whether the node is in the table."""
        return node < len(self.scores) and self.scores[node] != ABSENT

    def get(self, node: int) -> int:
        """Return the score, or ABSENT."""
        return self.scores[node] if node < len(self.scores) else ABSENT

    def mode(self, node: int) -> int:
        """Return the probe mode of a node that may be absent."""
        return self.modes[node] if node < len(self.modes) else PROBE_ALWAYS

    def count(self, node: int) -> int:
        """Return how many instances were put on the node."""
        return self.counts[node] if node < len(self.counts) else 0

    def put(self, node: int, score: int, mode: int, cause: Cause) -> None:
        """Enter a node, or replace its entry."""
        before = self.get(node)
        while len(self.scores) <= node:
            self.scores.append(ABSENT)
            self.modes.append(PROBE_ALWAYS)
            self.counts.append(0)
        self.scores[node] = score
        self.modes[node] = mode
        self.ledger.append(LedgerEntry(node, before, score, score, cause))

    def set(self, node: int, score: int, cause: Cause) -> None:
        """Give a node that is in the table another score."""
        before = self.scores[node]
        if before != score:
            self.scores[node] = score
            self.ledger.append(LedgerEntry(node, before, score - before, score, cause))

    def add(self, node: int, amount: int, cause: Cause) -> None:
        """Add to the score of a node that is in the table."""
        before = self.scores[node]
        after = add_scores(before, amount)
        self.scores[node] = after
        if amount != 0:
            self.ledger.append(LedgerEntry(node, before, amount, after, cause))

    def ban(self, node: int, cause: Cause) -> None:
        """Forbid a node that is in the table."""
        self.add(node, -INFINITY, cause)

    def take(self, scores: list[int], cause: Cause) -> None:
        """Replace all scores by a row of the same nodes, entering each difference in the ledger."""
        for node, score in enumerate(scores):
            if score != ABSENT and score != self.scores[node]:
                self.set(node, score, cause)

    def restore(self, other: ScoreTable, cause: Cause) -> None:
        """Go back to what a copy remembered."""
        for node in range(len(self.scores)):
            before = self.scores[node]
            after = other.get(node)
            if before != after:
                self.ledger.append(LedgerEntry(node, before, after, after, cause))
        self.scores = other.scores.copy()
        self.modes = other.modes.copy()
        self.counts = other.counts.copy()

    def nodes(self) -> list[int]:
        """Return the indexes of the nodes in the table."""
        return [node for node, score in enumerate(self.scores) if score != ABSENT]
