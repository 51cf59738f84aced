"""Numbers that no cluster means are refused before anybody counts to them."""

from __future__ import annotations

import pytest

from everbeat.cib.schema.limits import DIGITS_MAX, INSTANCES_MAX, check_limits
from everbeat.cib.schema.places import Sheet
from everbeat.cib.tree import tree_from_text


def codes(element: str) -> list[str]:
    text = f"<cib><status>{element}</status></cib>".encode()
    cib = tree_from_text(text)
    sheet = Sheet("x.xml", text, cib)
    check_limits(sheet, cib)
    return [report.code for report in sheet.reports]


def counts(number: str) -> list[str]:
    return [
        f'<nvpair name="clone-max" value="{number}"/>',
        f'<clone clone_max="{number}"/>',
        f'<podman replicas="{number}"/>',
        f'<docker promoted-max="{number}"/>',
    ]


@pytest.mark.parametrize("element", counts(str(INSTANCES_MAX)))
def test_as_many_instances_as_are_allowed_are_taken(element: str) -> None:
    assert codes(element) == []


@pytest.mark.parametrize(
    "element",
    [
        element
        for number in (INSTANCES_MAX + 1, f" +{INSTANCES_MAX + 1} many", "9" * 30)
        for element in counts(str(number))
    ],
)
def test_more_instances_are_refused_however_they_are_written(element: str) -> None:
    assert codes(element) == ["number-too-large"]


@pytest.mark.parametrize("element", counts("many"))
def test_a_count_that_is_no_number_is_not_too_large(element: str) -> None:
    assert codes(element) == []


def test_a_number_of_too_many_digits_is_refused_wherever_it_stands() -> None:
    assert codes(f'<lrm_rsc_op call-id="{"1" * DIGITS_MAX}"/>') == ["number-too-large"]
    assert codes(f'<lrm_rsc_op call-id="{"1" * (DIGITS_MAX - 1)}"/>') == []
    assert codes(f'<lrm_rsc_op exit-reason="{"no " * DIGITS_MAX}"/>') == []


def test_the_first_address_of_a_bundle_is_of_four_numbers() -> None:
    assert codes('<network ip-range-start="10.0.0.10"/>') == []
    assert codes('<network ip-range-start="fd00::1"/>') == ["attribute-value"]
