"""docs/policy.md says of each word of an ordering what the table of rules says."""

from pathlib import Path

from everbeat.policy.actions.ordering_rules import BOTH_ALONE, NO_RESOURCE, PARTS, RULES
from everbeat.policy.plan import words

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
_OF = {PARTS: "and parts", NO_RESOURCE: "of no resource", BOTH_ALONE: "these two alone"}


def _words(asks: int) -> str:
    source = Path(words.__file__).read_text().partition("# What an ordering asks.")[2]
    names = [line.partition(":")[0] for line in source.splitlines() if ": Final" in line]
    return ", ".join(f"`{name}`" for name in names if getattr(words, name) & asks)


def test_the_page_has_the_table_of_rules() -> None:
    rows = [f"| {_words(rule.asks)} | {_OF[rule.reach]} | {rule.meaning} |" for rule in RULES]
    text = PAGE.read_text()
    assert "\n".join(rows) in text, "\n".join(rows)
