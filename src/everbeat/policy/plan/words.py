"""The closed sets of the engine as small integers, so that they compare and index fast."""

from __future__ import annotations

from typing import Final

# Roles, in the order in which they are compared.
ROLE_UNKNOWN: Final = 0
STOPPED: Final = 1
STARTED: Final = 2
UNPROMOTED: Final = 3
PROMOTED: Final = 4
ROLE_NAMES: Final = ("Unknown", "Stopped", "Started", "Unpromoted", "Promoted")
_ROLES: Final = {
    "stopped": STOPPED,
    "started": STARTED,
    "unpromoted": UNPROMOTED,
    "slave": UNPROMOTED,
    "promoted": PROMOTED,
    "master": PROMOTED,
}


def role_from_text(text: str | None) -> int:
    """Read a role's name, old or new; anything else is ROLE_UNKNOWN."""
    return ROLE_UNKNOWN if text is None else _ROLES.get(text.lower(), ROLE_UNKNOWN)


# What an agent's return code means, in the words of the reference engine's summary.
EXIT_TEXTS: Final = {
    0: "ok",
    1: "error",
    2: "invalid parameter",
    3: "unimplemented feature",
    4: "insufficient privileges",
    5: "Not installed",
    6: "not configured",
    7: "not running",
    8: "promoted",
    9: "promoted (failed)",
    124: "timeout",
    190: "degraded",
    191: "promoted (degraded)",
    193: "still under way",
}

# Reasons of actions that the explanations know again, in the words of the reference engine.
REASON_CHANGED: Final = "resource definition change"
REASON_MAINTENANCE: Final = "maintenance mode"
REASON_NO_QUORUM: Final = "no quorum"
REASON_FROZEN: Final = "quorum freeze"

# What a failure asks for, in rising severity.
ON_FAIL_IGNORE: Final = 0
ON_FAIL_DEMOTE: Final = 1
ON_FAIL_RESTART: Final = 2
ON_FAIL_RESET_REMOTE: Final = 3
ON_FAIL_RESTART_CONTAINER: Final = 4
ON_FAIL_BAN: Final = 5
ON_FAIL_BLOCK: Final = 6
ON_FAIL_STOP: Final = 7
ON_FAIL_STANDBY: Final = 8
ON_FAIL_FENCE: Final = 9

# Kinds of resource.
PRIMITIVE: Final = 0
GROUP: Final = 1
CLONE: Final = 2
BUNDLE: Final = 3

# Whether a probe may look for a resource on a node.
PROBE_ALWAYS: Final = 0
PROBE_NEVER: Final = 1
PROBE_EXCLUSIVE: Final = 2

# What an action needs of the cluster before it may run.
NEEDS_NOTHING: Final = 0
NEEDS_QUORUM: Final = 1
NEEDS_FENCING: Final = 2

# Flags of actions.
OPTIONAL: Final = 1
RUNNABLE: Final = 2
PSEUDO: Final = 4
MIGRATABLE: Final = 8

# What an ordering asks. `first` and `then` are its two actions, as in a rsc_order constraint; what
# each word does to their flags is a row of actions/ordering_rules.py.
IN_THIS_ORDER: Final = 1 << 0  # one after the other where both are done; asks for neither
THEN_MUST_FOLLOW: Final = 1 << 1  # whoever does the first must do the second too
THEN_MUST_FOLLOW_THERE: Final = 1 << 2  # the same, on the node of the first
FIRST_MUST_PRECEDE: Final = 1 << 3  # whoever does the second must do the first too
THEN_NEEDS_FIRST: Final = 1 << 4  # the second cannot be run unless the first can
THEN_NEEDS_ENOUGH: Final = 1 << 5  # it needs some of its firsts: require-all=false, clone-min
PROBE_NEEDS_CONTAINER: Final = 1 << 6  # a probe of what is reached through a container
STOP_TO_RESTART: Final = 1 << 7  # what starts anew stops before
DEMOTE_BEFORE_STOP: Final = 1 << 8  # what is promoted is demoted before it stops
THEN_REPLACES_FIRST: Final = 1 << 9  # the first is needless if the second is done: reload, stop
NOT_SYMMETRICAL: Final = 1 << 10  # symmetrical=false: the way up alone
SERIALIZE: Final = 1 << 11  # kind=Serialize: never both at once, in any order
# Live migration.
WHOLE_MIGRATION: Final = 1 << 12  # a part of a migration is not begun if the rest cannot be done
START_UNLESS_MIGRATED: Final = 1 << 13  # a start that a migration made needless is needed after all
UNLESS_FIRST_MIGRATES: Final = 1 << 14  # counts only if the first is no part of a migration
# Where it counts.
ON_SAME_NODE: Final = 1 << 15  # only if both are on one node
GIVE_WAY: Final = 1 << 16  # who must be apart: on one node, one leaves before the other comes
FREE_CAPACITY: Final = 1 << 17  # what leaves a node frees capacity for what comes or migrates there
MAY_ORDER_GUEST: Final = 1 << 18  # may order what is on a guest with the guest's own resources
# What is shown besides.
THEN_INTO_GRAPH: Final = 1 << 19  # where the first is done the second is in the graph
FIRST_INTO_GRAPH: Final = 1 << 20  # where the second is done the first is in the graph
