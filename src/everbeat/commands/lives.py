"""What people are told of nodes that are heard and not believed, and what to do about it.

Enters: the membership. Leaves: problem lines, each with its remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.model.members import Doubt

if TYPE_CHECKING:
    from everbeat.model.members import LifeDoubt, MembershipView
    from everbeat.model.names import NodeName

GENERATION_FILE: Final = "/var/lib/heartbeat/hb_generation"


def life_problems(membership: MembershipView) -> list[str]:
    """Return a line for each node of which something is heard that cannot be believed."""
    return [_problem(node.node, node.doubt) for node in membership.nodes if node.doubt is not None]


def _problem(node: NodeName, doubt: LifeDoubt) -> str:
    heard, known = doubt.heard, doubt.known
    match doubt.kind:
        case Doubt.OLDER:
            return (
                f"{node} is heard in an older life than before (generation {heard}, it was "
                f"{known}) and is not believed: hb_generation there is an old copy, or another "
                f"machine uses its name. {_remedy(f'On {node}', known)}"
            )
        case Doubt.REFUSES:
            return (
                f"{node} does not believe this node: it has heard it in generation {known}, and "
                f"this is an older life, {heard}: hb_generation here is an old copy. "
                f"{_remedy('Here', known)}"
            )
        case Doubt.RECORDED:
            return (
                f"generation {heard} of {node} is heard, an older life than its last, {known}; it "
                "does not answer what this node says and is not believed: somebody plays a "
                "recording, or Heartbeat "
                f"there has an old copy of hb_generation. Then: {_remedy(f'on {node}', known)}"
            )
        case Doubt.ABSURD:
            return (
                f"{node} says that it is in generation {heard}, far beyond the time and its last "
                f"one ({known or 'none yet'}): it is not believed. If {node} is right about that, "
                f"its clock was wrong once: {_remedy(f'on {node}', known)}"
            )
        case Doubt.DEAF:
            return (
                f"{node} is heard but does not answer this node, so nothing it says counts: it "
                "does not hear this node (look at cables, packet filters and its ucast lines), or "
                "somebody plays a recording"
            )


def _remedy(where: str, known: int) -> str:
    content = f"echo {known} >{GENERATION_FILE}" if known else f"rm {GENERATION_FILE}"
    return f"{where}: systemctl stop everbeat; {content}; systemctl start everbeat"
