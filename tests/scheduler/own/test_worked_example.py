"""The worked example of docs/policy.md says what the engine does."""

import re
from pathlib import Path

from everbeat.cib.tree import tree_from_text
from everbeat.policy.emit.transition import transition_from_cib

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()


def test_the_worked_example_of_the_page_happens() -> None:
    xml = re.search(r"```xml\n(.*?)```", PAGE, re.DOTALL)
    assert xml is not None
    ledger, scores, drawing = (
        [line.strip() for line in block.splitlines()]
        for block in re.findall(r"   ```text\n(.*?)   ```", PAGE, re.DOTALL)
    )
    transition = transition_from_cib(tree_from_text(xml.group(1)), 1_700_000_000)
    names = [node.name for node in transition.plan.nodes_by_index]
    entries = [
        f"{names[e.node]} {e.before} +{e.amount} {e.after} {e.cause.text()}"
        for e in transition.plan.resources_by_id["web"].table.ledger
    ]
    assert entries[-2:] == ledger
    assert transition.scores.splitlines() == scores
    assert [line for line in transition.dot.splitlines() if "->" in line] == drawing
    keys = [action.key for action in transition.plan.actions]
    assert keys == ["web_monitor_0", "web_stop_0", "web_start_0"]
