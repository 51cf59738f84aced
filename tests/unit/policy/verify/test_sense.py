"""Each report of what is surely not meant is reached by a document that deserves it."""

from __future__ import annotations

import pytest

from everbeat.cib.schema.codes import CODES, SENSE
from everbeat.cib.schema.places import Sheet
from everbeat.cib.schema.status import BOOLEANS
from everbeat.commands.cib_file import CibFile, cib_from_text
from everbeat.model.reports import Severity
from everbeat.policy.values import boolean_from_text
from everbeat.policy.verify.sense import check_cib

DEVICE = '<primitive id="device" class="stonith" type="fence_x"/>'
A, B = (f'<primitive id="{name}" class="ocf" provider="p" type="T"/>' for name in "ab")
HEAD = '<cib validate-with="pacemaker-4.0" have-quorum="true">\n<configuration>\n'


def cib(
    resources: str = A + B + DEVICE,
    constraints: str = "",
    *,
    options: str = "",
    nodes: str = '<node id="1" uname="n1"/><node id="2" uname="n2"/>',
    more: str = "",
) -> str:
    return (
        f'{HEAD}<crm_config><cluster_property_set id="o">{options}</cluster_property_set>'
        f"</crm_config>\n<nodes>{nodes}</nodes>\n<resources>\n{resources}\n</resources>\n"
        f"<constraints>\n{constraints}\n</constraints>{more}\n</configuration>\n</cib>"
    )


def option(name: str, value: str) -> str:
    return f'<nvpair id="o-{name}" name="{name}" value="{value}"/>'


def with_meta(name: str, value: str, inside: str = "") -> str:
    pair = f'<nvpair id="a-{name}" name="{name}" value="{value}"/>'
    meta = f'<meta_attributes id="a-m">{pair}</meta_attributes>'
    return f'<primitive id="a" class="ocf" provider="p" type="T">{meta}{inside}</primitive>{B}'


def with_operations(*ops: str) -> str:
    inside = f"<operations>{''.join(ops)}</operations>"
    return f'<primitive id="a" class="ocf" provider="p" type="T">{inside}</primitive>{DEVICE}'


def codes(text: str) -> dict[str, int]:
    """Return the codes found, each with its first line."""
    read = cib_from_text("x.xml", text.encode())
    assert isinstance(read, CibFile)
    found: dict[str, int] = {}
    for report in check_cib(Sheet("x.xml", read.text, read.written), read.written, read.upgraded):
        found.setdefault(report.code, report.place.line)
    return found


PROBLEMS = {
    "fencing-no-device": cib(A),
    "fencing-disabled": cib(options=option("fencing-enabled", "false")),
    "quorum-ignored": cib(
        options=option("fencing-enabled", "false") + option("no-quorum-policy", "ignore")
    ),
    "nodes-none": cib(nodes=""),
    "node-twice": cib(nodes='<node id="1" uname="n1"/><node id="2" uname="N1"/>'),
    "node-unknown": cib(constraints='<rsc_location id="l" rsc="a" node="n3" score="1"/>'),
    "option-unknown": cib(options=option("no-quorum-polcy", "stop")),
    "option-value": cib(options=option("maintenance-mode", "maybe")),
    "meta-unknown": cib(with_meta("target-rol", "Started")),
    "meta-value": cib(with_meta("is-managed", "perhaps")),
    "score-malformed": cib(constraints='<rsc_location id="l" rsc="a" node="n1" score="lots"/>'),
    "interval-malformed": cib(with_operations('<op id="m" name="monitor" interval="often"/>')),
    "operation-twice": cib(
        with_operations(
            '<op id="m" name="monitor" interval="10s"/>',
            '<op id="n" name="monitor" interval="10"/>',
        )
    ),
    "rule-unreadable": cib(
        constraints='<rsc_location id="l" rsc="a"><rule id="r" score="1">'
        '<expression id="e" attribute="x" operation="like" value="1"/></rule></rsc_location>'
    ),
    "location-everywhere": cib(
        constraints='<rsc_location id="l" rsc="a" node="n1" score="-INFINITY"/>'
        '<rsc_location id="k" rsc="a" node="n2" score="-INFINITY"/>'
    ),
    "location-nothing": cib(constraints='<rsc_location id="l" rsc="a" node="n1" score="0"/>'),
    "location-twice": cib(
        constraints='<rsc_location id="l" rsc="a" node="n1" score="5"/>'
        '<rsc_location id="k" rsc="a" node="n1" score="5"/>'
    ),
    "constraint-of-itself": cib(constraints='<rsc_order id="o1" first="a" then="a"/>'),
    "constraint-inside-clone": cib(
        f'<clone id="c">{A}</clone>{B}', '<rsc_order id="o1" first="a" then="b"/>'
    ),
    "constraint-of-stopped": cib(
        with_meta("target-role", "Stopped"), '<rsc_order id="o1" first="a" then="b"/>'
    ),
    "colocation-loop": cib(
        constraints='<rsc_colocation id="c1" rsc="a" with-rsc="b" score="5"/>'
        '<rsc_colocation id="c2" rsc="b" with-rsc="a" score="5"/>'
    ),
    "colocation-contradiction": cib(
        constraints='<rsc_colocation id="c1" rsc="a" with-rsc="b" score="INFINITY"/>'
        '<rsc_colocation id="c2" rsc="a" with-rsc="b" score="-INFINITY"/>'
    ),
    "colocation-nothing": cib(
        constraints='<rsc_colocation id="c1" rsc="a" with-rsc="b" score="0"/>'
    ),
    "order-loop": cib(
        constraints='<rsc_order id="o1" first="a" then="b"/><rsc_order id="o2" first="b" then="a"/>'
    ),
    "role-not-promotable": cib(
        constraints='<rsc_colocation id="c" rsc="a" with-rsc="b" with-rsc-role="Promoted" '
        'score="INFINITY"/>'
    ),
    "topology-device-unknown": cib(
        more='<fencing-topology><fencing-level id="f" target="n1" index="1" devices="devic"/>'
        "</fencing-topology>"
    ),
}


def test_a_good_document_has_no_reports() -> None:
    assert codes(cib(constraints='<rsc_order id="o1" first="a" then="b"/>')) == {}


@pytest.mark.parametrize("code", [code.name for code in SENSE])
def test_each_problem_is_found_and_has_a_line(code: str) -> None:
    found = codes(PROBLEMS[code])
    assert found.get(code, 0) > 0, found


def test_a_problem_stands_at_the_line_of_its_element() -> None:
    assert codes(PROBLEMS["order-loop"])["order-loop"] == 9


def test_problems_of_sense_are_mostly_warnings() -> None:
    assert CODES["order-loop"].severity is Severity.WARNING


def test_every_problem_of_a_document_is_found_at_once() -> None:
    text = cib('<group id="g"/>' + A + A, '<rsc_order id="o1" first="a" then="zz"/>')
    assert {"child-missing", "id-twice", "reference-unknown"} <= codes(text).keys()


def test_form_sense_and_status_are_told_in_the_order_of_the_lines() -> None:
    status = '<status>\n<node_state id="1" join="maybe"/>\n</status>\n</cib>'
    text = cib(A + '<group id="g"/>').replace("</cib>", status)
    assert codes(text) == {
        "fencing-no-device": 3,
        "child-missing": 6,
        "status-value": 13,
    }


def test_what_a_status_may_write_for_a_boolean_is_read_as_one() -> None:
    assert all(boolean_from_text(word) is not None for word in BOOLEANS)
    assert all(boolean_from_text(word.upper()) is not None for word in BOOLEANS)
