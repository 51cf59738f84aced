"""Names and ids as types, so that a node is never taken for a resource."""

from __future__ import annotations

import re
from typing import Final, NewType

NodeName = NewType("NodeName", str)
"""A node's name in lower case, as `uname -n` gives it; a ping host or ping group is one too."""

GroupKey = NewType("GroupKey", str)
"""The first resource word of a haresources line as written; unique in the file."""

LinkName = NewType("LinkName", str)
"""What cl_status calls a link: an interface, a serial port, a ping host or a ping group."""

NODE_NAME_BYTES_MAX: Final = 99
"""Heartbeat 3.0.6 keeps names in 100 bytes."""

_NODE_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_.:-]*", re.ASCII)
_INTERFACE_BYTES_MAX: Final = 15  # IFNAMSIZ of Linux, without the NUL


def is_node_name(name: str) -> bool:
    """Whether a name from elsewhere may be a node's: names end up in files, scripts and logs."""
    return len(name) <= NODE_NAME_BYTES_MAX and _NODE_NAME.fullmatch(name) is not None


def is_interface_name(name: str) -> bool:
    """Whether Linux could call a network interface so, and a line of ha.cf can name it."""
    return (
        0 < len(name.encode("utf-8", "replace")) <= _INTERFACE_BYTES_MAX
        and name.isprintable()
        and name not in {".", ".."}
        and not any(char in "/#,:" or char.isspace() for char in name)
    )


def is_script_name(text: str) -> bool:
    """Whether a resource word's first part can name a script, a built-in or a unit.

    It is looked up in a few folders: nothing that leads out of them is a name.
    """
    return bool(text) and "/" not in text and ".." not in text and text.isprintable()


def wire_text_of(word: str) -> str:
    """Return a word of our files as a message carries it: its bytes, each as a character.

    A message's text is latin-1, that of a file UTF-8, with a lone surrogate for each byte that is
    none. Such words are separated by plain blanks: U+0085 and U+00A0 may be parts of a character.
    """
    return word.encode("utf-8", "surrogateescape").decode("latin-1")


def word_from_wire(text: str) -> str:
    """Return the word of our files that a message carries."""
    return text.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def node_name_from_text(text: str) -> NodeName:
    """Return the canonical (lower case) form of a node's name."""
    return NodeName(text.strip().lower())
