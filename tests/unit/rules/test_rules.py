"""Rules from XML: what holds, when it changes, and what is said of mistakes."""

from __future__ import annotations

import pytest

from everbeat.cib.tree import tree_from_text
from everbeat.rules.calendar import Moment
from everbeat.rules.evaluate import (
    AgentFacts,
    OperationFacts,
    RuleFacts,
    RuleResult,
    evaluate,
    with_submatches,
)
from everbeat.rules.reading import RULE_DEPTH_MAX, RuleReading, read_rule

NOW = Moment(1_568_993_000)  # 2019-09-20 15:23:20Z, a Friday
NODE = RuleFacts({"#uname": "n1", "load": "10", "version": "1.2.3", "%": "x", "a-b": "yes"})


def reading(inside: str, operation: str = "and") -> RuleReading:
    return read_rule(
        tree_from_text(f'<rule id="r" boolean-op="{operation}" score="5">{inside}</rule>')
    )


def judge(inside: str, facts: RuleFacts = NODE, operation: str = "and") -> RuleResult:
    return evaluate(reading(inside, operation).rule, facts, NOW)


def expression(attribute: str, operation: str, **more: str) -> str:
    written = "".join(f' {name.replace("_", "-")}="{text}"' for name, text in more.items())
    return f'<expression attribute="{attribute}" operation="{operation}"{written}/>'


def dates(operation: str, inner: str = "", **more: str) -> str:
    written = "".join(f' {name}="{text}"' for name, text in more.items())
    return f'<date_expression operation="{operation}"{written}>{inner}</date_expression>'


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (expression("load", "gt", value="9"), True),
        (expression("load", "gt", value="9", type="string"), False),
        (expression("load", "eq", value="10.0"), False),
        (expression("load", "eq", value="10.0", type="number"), True),
        (expression("load", "lt", value="10.5"), True),
        (expression("load", "gt", value="high"), False),
        (expression("version", "lt", value="1.10", type="version"), True),
        (expression("version", "gte", value="1.2.3.0", type="version"), True),
        (expression("#uname", "eq", value="N1"), True),
        (expression("absent", "not_defined"), True),
        (expression("absent", "defined"), False),
        (expression("absent", "ne", value="1"), True),
        (expression("absent", "lt", value="1"), False),
        (expression("absent", "eq", value="nothing", value_source="meta"), True),
    ],
)
def test_attributes_compare_by_their_type(condition: str, *, expected: bool) -> None:
    assert judge(condition).is_satisfied is expected


def test_a_reference_may_be_a_parameter_or_a_meta_of_the_resource() -> None:
    facts = RuleFacts({"load": "10"}, parameters={"limit": "10"}, metas={"limit": "11"})
    assert judge(expression("load", "eq", value="limit", value_source="param"), facts).is_satisfied
    assert judge(expression("load", "lt", value="limit", value_source="meta"), facts).is_satisfied
    assert not judge(expression("load", "eq", value="limit"), facts).is_satisfied


def test_without_a_node_all_attributes_are_missing_its_name_too() -> None:
    nowhere = RuleFacts()
    assert judge(expression("#uname", "ne", value="n1"), nowhere).is_satisfied
    assert judge(expression("#id", "not_defined"), nowhere).is_satisfied
    assert not judge(expression("#uname", "eq", value="n1"), nowhere).is_satisfied
    assert judge(expression("load", "not_defined"), nowhere).is_satisfied


def test_and_stops_at_the_first_no_and_or_at_the_first_yes() -> None:
    yes, no = expression("load", "defined"), expression("load", "not_defined")
    later = dates("gt", start="2030-01-01")
    assert judge(no + later).next_change_s is None
    assert judge(yes + later).next_change_s == 1_893_456_001
    assert judge(yes + later, operation="or").next_change_s is None
    assert judge("").is_satisfied
    assert not judge("", operation="or").is_satisfied


def test_rules_nest() -> None:
    inner = f'<rule boolean-op="or">{expression("x", "defined")}{expression("load", "defined")}'
    assert judge(f"{expression('load', 'defined')}{inner}</rule>").is_satisfied


@pytest.mark.parametrize(
    ("condition", "is_satisfied", "change"),
    [
        (dates("gt", start="2019-09-20 15:23:20Z"), False, 1_568_993_001),
        (dates("gt", start="2019-09-20 15:23:19Z"), True, None),
        (dates("lt", end="2019-09-20 15:23:20Z"), False, None),
        (dates("lt", end="2019-09-20 15:23:21Z"), True, 1_568_993_001),
        (dates("in_range", start="2019-09-20 15:23:20Z"), True, None),
        (dates("in_range", end="2019-09-20 15:23:20Z"), True, 1_568_993_001),
        (dates("in_range", start="2019-09-20 15:23:30Z"), False, 1_568_993_010),
        (
            dates("in_range", '<duration hours="1"/>', start="2019-09-20 15:00Z"),
            True,
            1_568_995_201,
        ),
        (dates("date_spec", '<date_spec hours="9-16" weekdays="1-5"/>'), True, None),
        (dates("date_spec", '<date_spec hours="-8"/>'), False, None),
        (dates("date_spec", '<date_spec years="2019-" weeks="38"/>'), True, None),
    ],
)
def test_dates_hold_in_their_range_and_tell_when_it_ends(
    condition: str, *, is_satisfied: bool, change: int | None
) -> None:
    verdict = judge(condition)
    assert (verdict.is_satisfied, verdict.next_change_s) == (is_satisfied, change)


def test_agents_and_operations_are_compared_where_there_are_some() -> None:
    facts = RuleFacts(
        agent=AgentFacts("ocf", "heartbeat", "IPaddr2"), operation=OperationFacts("monitor", 10_000)
    )
    assert judge('<rsc_expression class="ocf" type="IPaddr2"/>', facts).is_satisfied
    assert not judge('<rsc_expression provider="pacemaker"/>', facts).is_satisfied
    assert judge('<op_expression name="monitor" interval="10s"/>', facts).is_satisfied
    assert judge('<op_expression name="monitor"/>', facts).is_satisfied
    assert not judge('<op_expression name="monitor" interval="20s"/>', facts).is_satisfied
    assert not judge('<rsc_expression class="ocf"/>').is_satisfied
    assert not judge('<op_expression name="monitor"/>').is_satisfied


def test_submatches_complete_the_name_of_an_attribute() -> None:
    facts = RuleFacts({"a-b": "yes"}, submatches=("ab", "a", "b"))
    assert judge(expression("%1-%2", "eq", value="yes"), facts).is_satisfied
    assert with_submatches("100%%9x%", ("all",)) == "100%x%"
    assert with_submatches("%1", ()) == "%1"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (expression("", "eq", value="1"), "rule-attribute-missing"),
        (expression("a", "like", value="1"), "rule-operation-unknown"),
        ('<op_expression interval="5"/>', "rule-operation-missing"),
        ('<op_expression name="x" interval="soon"/>', "rule-interval-malformed"),
        (dates("sometimes"), "rule-date-operation-unknown"),
        (dates("gt"), "rule-date-missing"),
        (dates("in_range"), "rule-date-missing"),
        (dates("lt", end="tomorrow"), "rule-date-malformed"),
        (dates("in_range", start="2019-01-01", end="never"), "rule-date-malformed"),
        (dates("date_spec"), "rule-date-missing"),
        (dates("date_spec", '<date_spec hours="9-5-1"/>'), "rule-date-spec-malformed"),
        (dates("in_range", '<duration days="x"/>', start="2019-01-01"), "rule-duration-malformed"),
        ("<moon/>", "rule-condition-unknown"),
    ],
)
def test_a_condition_that_cannot_be_read_never_holds_and_is_reported(
    condition: str, code: str
) -> None:
    read = reading(condition)
    assert [report.code for report in read.reports] == [code]
    assert not evaluate(read.rule, NODE, NOW).is_satisfied


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (expression("load", "eq", value="10", type="odd"), "rule-type-unknown"),
        (expression("load", "eq", value="10", value_source="odd"), "rule-value-source-unknown"),
        (expression("load", "defined", value="10"), "rule-value-surplus"),
        (expression("absent", "eq"), "rule-value-missing"),
    ],
)
def test_a_small_mistake_is_reported_and_the_condition_goes_on(condition: str, code: str) -> None:
    read = reading(condition)
    assert [report.code for report in read.reports] == [code]
    assert evaluate(read.rule, NODE, NOW).is_satisfied


def test_rules_nested_too_deeply_do_not_hold() -> None:
    depth = RULE_DEPTH_MAX
    text = '<rule boolean-op="and">' * depth + expression("load", "defined") + "</rule>" * depth
    read = reading(text)
    assert [report.code for report in read.reports] == ["rule-too-deep"]
    assert not evaluate(read.rule, NODE, NOW).is_satisfied


def test_a_reference_stands_for_the_rule_it_names() -> None:
    definition = tree_from_text(f'<rule id="x" score="7">{expression("load", "defined")}</rule>')
    read = read_rule(tree_from_text('<rule id-ref="x"/>'), {"x": definition})
    assert (read.rule.id, read.rule.score) == ("x", "7")
    assert evaluate(read.rule, NODE, NOW).is_satisfied
    unknown = read_rule(tree_from_text('<rule id-ref="y"/>'))
    assert unknown.reports[0].code == "rule-reference-unknown"


def test_an_unknown_boolean_op_is_and() -> None:
    read = read_rule(tree_from_text('<rule boolean-op="xor"><expression/></rule>'))
    assert read.reports[0].code == "rule-boolean-op-unknown"
    assert not read.rule.is_any
