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

# Flags of orderings.
ORDERED: Final = 1 << 0
FIRST_IMPLIES_THEN: Final = 1 << 1
THEN_IMPLIES_FIRST: Final = 1 << 2
PROMOTED_THEN_IMPLIES_FIRST: Final = 1 << 3
UNRUNNABLE_FIRST_BLOCKS: Final = 1 << 4
INTERMEDIATE_STOP: Final = 1 << 5
ASYMMETRIC: Final = 1 << 6
FIRST_ELSE_THEN: Final = 1 << 7
UNMIGRATABLE_THEN_BLOCKS: Final = 1 << 8
MIN_RUNNABLE: Final = 1 << 9
NESTED_REMOTE_PROBE: Final = 1 << 10
IF_ON_SAME_NODE: Final = 1 << 11
IF_REQUIRED_ON_SAME_NODE: Final = 1 << 12
IF_ON_SAME_NODE_OR_TARGET: Final = 1 << 13
THEN_CANCELS_FIRST: Final = 1 << 14
FIRST_IMPLIES_SAME_NODE_THEN: Final = 1 << 15
SERIALIZE: Final = 1 << 16
GUEST_ALLOWED: Final = 1 << 17
IF_FIRST_UNMIGRATABLE: Final = 1 << 18
FIRST_IMPLIES_THEN_GRAPHED: Final = 1 << 19
THEN_IMPLIES_FIRST_GRAPHED: Final = 1 << 20
