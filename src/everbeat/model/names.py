"""Names and ids as types, so that a node is never taken for a resource."""

from __future__ import annotations

from typing import Final, NewType

NodeName = NewType("NodeName", str)
"""A node's name in lower case, as `uname -n` gives it; a ping host or ping group is one too."""

GroupKey = NewType("GroupKey", str)
"""The first resource word of a haresources line as written; unique in the file."""

LinkName = NewType("LinkName", str)
"""What cl_status calls a link: an interface, a serial port, a ping host or a ping group."""

NODE_NAME_BYTES_MAX: Final = 99
"""Heartbeat 3.0.6 keeps names in 100 bytes."""


def is_script_name(text: str) -> bool:
    """Whether a resource word's first part can name a script, a built-in or a unit.

    It is looked up in a few folders: nothing that leads out of them is a name.
    """
    return bool(text) and "/" not in text and ".." not in text and text.isprintable()


def node_name_from_text(text: str) -> NodeName:
    """Return the canonical (lower case) form of a node's name."""
    return NodeName(text.strip().lower())
