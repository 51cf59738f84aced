"""Each report of the form of a CIB is reached by a document that deserves it, with its line."""

from __future__ import annotations

import pytest

from everbeat.cib.schema.codes import FORM, REFERENCES
from everbeat.cib.schema.document import check_form, refusals
from everbeat.cib.schema.limits import check_limits
from everbeat.cib.schema.places import Sheet
from everbeat.cib.tree import tree_from_text
from everbeat.cib.upgrade import upgrade_cib
from everbeat.model.reports import Severity

A, B = (f'<primitive id="{name}" class="ocf" provider="p" type="T"/>' for name in "ab")
C = '<primitive id="c" class="ocf" provider="p" type="T">{}</primitive>'
META = '<meta_attributes id="m"><nvpair id="m-x" name="{}" value="{}"/></meta_attributes>'
SET = '<instance_attributes id="i"><nvpair id="i-x" name="x" value="y"/></instance_attributes>'


def cib(resources: str = A + B, constraints: str = "", *, schema: str = "pacemaker-4.0") -> str:
    return (
        f'<cib validate-with="{schema}" have-quorum="true">\n<configuration>\n'
        f"<crm_config/>\n<nodes/>\n<resources>\n{resources}\n</resources>\n"
        f"<constraints>\n{constraints}\n</constraints>\n</configuration>\n</cib>"
    )


def sheet_of(text: str) -> Sheet:
    """Check form and limits of a document."""
    written = tree_from_text(text.encode())
    sheet = Sheet("x.xml", text.encode(), written)
    root = upgrade_cib(written).root
    check_form(sheet, root)
    check_limits(sheet, root)
    return sheet


def codes(text: str) -> dict[str, int]:
    """Return the codes found, each with its first line."""
    found: dict[str, int] = {}
    for report in sheet_of(text).reports:
        found.setdefault(report.code, report.place.line)
    return found


def refused(text: str) -> set[str]:
    written = tree_from_text(text.encode())
    sheet = Sheet("x.xml", text.encode(), written)
    return {report.code for report in refusals(sheet, written, upgrade_cib(written))}


PROBLEMS = {
    "element-unknown": cib(A + "<primitve/>"),
    "attribute-unknown": cib('<primitive id="a" class="ocf" type="T" clas="x"/>'),
    "attribute-missing": cib('<primitive class="ocf" type="T"/>'),
    "attribute-value": cib(constraints='<rsc_order id="o1" first="a" then="b" kind="foo"/>'),
    "number-too-large": cib(C.format(META.format("clone-max", "1000000"))),
    "id-twice": cib(A + A),
    "id-malformed": cib('<primitive id="a:1" class="ocf" type="T"/>'),
    "child-missing": cib('<group id="g"/>'),
    "reference-unknown": cib(constraints='<rsc_order id="o1" first="a" then="c"/>'),
    "reference-not-followed": cib(
        C.format(META.format("is-managed", "true"))
        + '<primitive id="d" class="ocf" type="T"><meta_attributes id-ref="m"/></primitive>'
    ),
}


def test_a_document_of_good_form_has_no_reports() -> None:
    assert codes(cib(constraints='<rsc_order id="o1" first="a" then="b"/>')) == {}


@pytest.mark.parametrize("code", [code.name for code in (*FORM, *REFERENCES)])
def test_each_problem_is_found_and_has_a_line(code: str) -> None:
    found = codes(PROBLEMS[code])
    assert found.get(code, 0) > 0, found


def test_problems_of_form_are_errors_and_of_references_warnings() -> None:
    assert {code.severity for code in FORM} == {Severity.ERROR}
    assert {code.severity for code in REFERENCES} == {Severity.WARNING}


def test_every_problem_of_a_document_is_found_at_once() -> None:
    text = cib('<group id="g"/>' + A + A, '<rsc_order id="o1" first="a" then="zz"/>')
    assert {"child-missing", "id-twice", "reference-unknown"} <= codes(text).keys()


@pytest.mark.parametrize("code", [code.name for code in FORM])
def test_what_is_wrong_with_the_form_refuses_the_document(code: str) -> None:
    assert code in refused(PROBLEMS[code])


@pytest.mark.parametrize("code", [code.name for code in REFERENCES])
def test_a_reference_to_nothing_refuses_no_document(code: str) -> None:
    assert refused(PROBLEMS[code]) == set()


def test_only_limits_hold_a_document_that_asks_for_no_schema() -> None:
    metas = C.format(META.format("clone-max", "1000000"))
    assert refused(cib("<primitve/>", schema="none")) == set()
    assert refused(cib("<primitve/>" + metas, schema="none")) == {"number-too-large"}


def test_a_schema_that_is_not_known_is_the_only_reason_told() -> None:
    assert refused(cib("<primitve/>", schema="pacemaker-99")) == {"schema-unknown"}


def test_a_document_without_a_configuration_is_refused() -> None:
    text = '<cib validate-with="pacemaker-4.0"><status/><stats/></cib>'
    assert refused(text) == {"child-missing", "element-unknown"}


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ('<meta_attributes id-ref="nix"/>', "refers to nothing"),
        ('<meta_attributes id-ref=""/>', "refers to nothing"),
        ('<meta_attributes id-ref="b"/>', "refers to <primitive>"),
        (f'{SET}<meta_attributes id-ref="i"/>', "refers to <instance_attributes>"),
        ('<meta_attributes id="m" id-ref="m"/>', "refers to itself"),
        (
            f'{SET}<instance_attributes id="j" id-ref="i"/><instance_attributes id-ref="j"/>',
            "refers to <instance_attributes> that is a reference itself",
        ),
        ('<operations id-ref="i"/>' + SET, "refers to <instance_attributes>"),
        ('<operations><op id-ref="b"/></operations>', "refers to <primitive>"),
        ('<utilization id-ref="nix"/>', "refers to nothing"),
        ('<meta_attributes id="m"><nvpair id-ref="m"/></meta_attributes>', "<meta_attributes>"),
        ('<meta_attributes id="m"><rule id-ref="m"/></meta_attributes>', "<meta_attributes>"),
    ],
)
def test_an_id_ref_that_names_no_other_set_of_its_kind_is_told(inside: str, what: str) -> None:
    text = cib(C.format(inside) + B)
    assert codes(text)["reference-unknown"] == 6
    summaries = [report.summary for report in sheet_of(text).reports]
    assert any(f"{what} and is ignored" in summary for summary in summaries)


def test_an_id_ref_that_is_followed_is_no_problem() -> None:
    ops = '<operations id="ops"><op id="m" name="monitor" interval="10s"/></operations>'
    more = (
        '<primitive id="d" class="ocf" provider="p" type="T"><operations id-ref="ops"/></primitive>'
    )
    assert codes(cib(C.format(ops) + more)) == {}
