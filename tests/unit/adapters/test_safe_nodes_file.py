"""What one core process leaves for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.adapters.safe_nodes_file import SafeNodesFile
from everbeat.model.fencing import SafeNode
from everbeat.model.names import NodeName

if TYPE_CHECKING:
    from pathlib import Path


def test_the_next_core_reads_who_holds_nothing(tmp_path: Path) -> None:
    nodes = (SafeNode(NodeName("beta"), 77, has_left=True),)
    SafeNodesFile(tmp_path).write(nodes)
    assert SafeNodesFile(tmp_path).read() == nodes


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert SafeNodesFile(tmp_path).read() == ()
    (tmp_path / "safe-nodes").write_bytes(b"[[")
    assert SafeNodesFile(tmp_path).read() == ()
