"""What is surely not meant in a status is told once, and keeps no document from being taken."""

from __future__ import annotations

import pytest

from everbeat.cib.schema.codes import STATUS
from everbeat.cib.schema.document import refusals
from everbeat.cib.schema.places import Sheet
from everbeat.cib.schema.status import COMPARED_MAX, check_status
from everbeat.cib.tree import tree_from_text
from everbeat.cib.upgrade import upgrade_cib
from everbeat.model.reports import Report, Severity

KEY = "3:1:0:11111111-2222-3333-4444-555555555555"
ENTRY = f'id="a_last_0" operation="start" call-id="5" transition-key="{KEY}"'
RESULT = 'rc-code="0" op-status="0"'
GOOD = f"""
<node_state id="1" uname="n1" in_ccm="true" crmd="online" crm-debug-origin="do_update_resource"
  join="member" expected="member">
 <lrm id="1"><lrm_resources>
  <lrm_resource id="a" type="T" class="ocf" provider="p" shutdown-lock="1699999941">
   <lrm_rsc_op {ENTRY} {RESULT} operation_key="a_start_0" crm-debug-origin="do_update_resource"
    crm_feature_set="3.16.1" transition-magic="0:0;{KEY}" exit-reason="" on_node="n1" interval="0"
    last-rc-change="1699999941" exec-time="12" queue-time="0" op-digest="f2317cad3d54cec5d7d7aa7d0"
    op-force-restart=" state " op-restart-digest="f2317cad" op-secure-params=" passwd "
    op-secure-digest="f2317cad"/>
   <lrm_rsc_op id="a_monitor_10000" operation="monitor" call-id="-1" transition-key="{KEY}"
    transition-magic="-1:193;{KEY}" rc-code="193" op-status="-1" interval="10000"/>
  </lrm_resource>
 </lrm_resources></lrm>
 <transient_attributes id="1">
  <instance_attributes id="status-1">
   <rule id="r" score="1"><expression id="e" attribute="x" operation="defined"/></rule>
   <nvpair id="status-1-.feature-set" name="#feature-set" value="3.16.1"/>
   <nvpair id-ref="status-1-.feature-set"/>
  </instance_attributes>
  <utilization id="status-1-use"><nvpair id="status-1-cpu" name="cpu" value="2"/></utilization>
 </transient_attributes>
</node_state>
<node_state id="2" uname="n2" in_ccm="1699999990" crmd="0" join="down" expected="down"/>
<node_state id="r" uname="r" remote_node="true" node_fenced="0" node_in_maintenance="1"/>
<tickets><ticket_state id="t" granted="true" standby="false" last-granted="1699999000"/></tickets>
"""


def cib(status: str, schema: str = "pacemaker-4.0") -> str:
    configuration = '<configuration><nodes><node id="1" uname="n1"/></nodes></configuration>'
    return f'<cib validate-with="{schema}">{configuration}\n<status>{status}</status>\n</cib>'


def entry(more: str = "", *, attributes: str = f"{ENTRY} {RESULT}") -> str:
    operation = f"<lrm_rsc_op {attributes} {more}/>"
    resource = f'<lrm_resource id="a" class="ocf" type="T">\n{operation}</lrm_resource>'
    return f'<node_state id="1">\n<lrm><lrm_resources>{resource}</lrm_resources></lrm></node_state>'


def node(attributes: str, inside: str = "") -> str:
    return f'\n<node_state id="1" {attributes}>{inside}</node_state>'


def transient(inside: str) -> str:
    return node("", f"<transient_attributes>{inside}</transient_attributes>")


def reports(status: str, schema: str = "pacemaker-4.0") -> list[Report]:
    text = cib(status, schema)
    written = tree_from_text(text.encode())
    sheet = Sheet("x.xml", text.encode(), written)
    check_status(sheet, upgrade_cib(written).root)
    return sheet.reports


FAULTS = [
    (node('expectd="member" uname="n1"'), "status-unknown", "no attribute expectd", "expected", 3),
    (entry('rc_code="0"'), "status-unknown", "no attribute rc_code", "rc-code", 4),
    (node("", "<lrms/>"), "status-unknown", "<lrms> is not looked for in <node_state>", "lrm", 3),
    (
        node("", "<lrm>\n<lrm_resource/></lrm>"),
        "status-unknown",
        "<lrm_resource> is not looked for in <lrm>",
        "<lrm_resource> in <lrm_resources>",
        4,
    ),
    ("<lrm/>", "status-unknown", "looked for in <status>", "<lrm> in <node_state>", 2),
    ("<status/>", "status-unknown", "looked for in <status>", "<status> in <cib>", 2),
    (
        transient('<nvpair id="x" name="x" value="1"/>'),
        "status-unknown",
        "<nvpair> is not looked for in <transient_attributes>",
        "<nvpair> in <instance_attributes> or <utilization>",
        3,
    ),
    ("<node_state/>", "status-missing", "lacks the attribute uname", '<node_state uname="…">', 2),
    (
        entry(attributes=f'{ENTRY} op-status="0"'),
        "status-missing",
        "<lrm_rsc_op id='a_last_0'> lacks the attribute rc-code",
        '<lrm_rsc_op rc-code="…">',
        4,
    ),
    (
        "<tickets><ticket_state/></tickets>",
        "status-missing",
        "lacks the attribute id",
        '<ticket_state id="…">',
        2,
    ),
    (
        transient('<instance_attributes id="i"><nvpair id="x"/></instance_attributes>'),
        "status-missing",
        "<nvpair id='x'> lacks the attribute name",
        '<nvpair name="…">',
        3,
    ),
    (node('join="maybe"'), "status-value", "join='maybe' of <node_state id='1'>", "banned", 3),
    (
        entry('last-rc-change="today"'),
        "status-value",
        "last-rc-change='today' of <lrm_rsc_op id='a_last_0'> cannot be read",
        "a whole number",
        4,
    ),
]
READ = {
    "in_ccm": (["true", "No", "1699999990", "0"], ["", "member"]),
    "crmd": (["online", "offline", "1699999990"], ["", "Online", "true"]),
    "join": (["member", "pending", "nack", "down", "banned"], ["", "Member"]),
    "expected": (["member", "pending", "down"], ["", "up"]),
    "node_fenced": (["0", "1", "true"], ["", "1699999990"]),
    "op-status": (["-1", "0", "4"], ["", "done"]),
    "rc-code": (["0", "193", "255"], ["", "-1", "256", "ok"]),
    "call-id": (["-1", "5"], ["", "five"]),
    "interval": (["0", "10000", "10s"], ["", "never"]),
    "transition-key": ([KEY, "52:-1:0:xxxxxxxx"], ["", "3:1:11111111", "a:1:0:u"]),
    "transition-magic": ([f"0:0;{KEY}"], ["", KEY, "0:0;3:1:u"]),
}


def with_value(attribute: str, value: str) -> str:
    """Return a status with this one value, whatever else an entry must have."""
    if attribute in ("in_ccm", "crmd", "join", "expected", "node_fenced"):
        return node(f'{attribute}="{value}"')
    others = f"{ENTRY} {RESULT}".split()
    kept = " ".join(word for word in others if not word.startswith(f"{attribute}="))
    return entry(attributes=f'{kept} {attribute}="{value}"')


def test_what_the_daemons_write_is_good() -> None:
    assert reports(GOOD) == []


def test_a_document_without_a_status_is_good() -> None:
    text = b'<cib validate-with="pacemaker-4.0"><configuration/></cib>'
    sheet = Sheet("x.xml", text, tree_from_text(text))
    check_status(sheet, tree_from_text(text))
    assert sheet.reports == []


@pytest.mark.parametrize(
    "status",
    [
        '<weather sky="blue"><lrm_rsc_op/></weather>',
        node('sky="blue"', '<weather sky="blue"><lrm_rsc_op/></weather>'),
        entry('sky="blue" migrate_from="n2"'),
        transient('<instance_attributes><weather/><nvpair name="x" sky=""/></instance_attributes>'),
    ],
)
def test_what_may_be_anybodys_is_passed_over(status: str) -> None:
    assert reports(status) == []


@pytest.mark.parametrize(("status", "code", "summary", "remedy", "line"), FAULTS)
def test_what_was_meant_otherwise_is_told_with_its_line(
    status: str, code: str, summary: str, remedy: str, line: int
) -> None:
    found = reports(status)
    assert [(report.code, report.place.line) for report in found] == [(code, line)]
    assert summary in found[0].summary
    assert remedy in found[0].remedy


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_of_a_status_keeps_a_document_from_being_taken(
    fault: tuple[str, str, str, str, int],
) -> None:
    text = cib(fault[0]).encode()
    written = tree_from_text(text)
    assert refusals(Sheet("x.xml", text, written), written, upgrade_cib(written)) == []


def test_each_report_of_a_status_is_a_warning_and_is_reached() -> None:
    assert {code.severity for code in STATUS} == {Severity.WARNING}
    assert {code.name for code in STATUS} == {fault[1] for fault in FAULTS}


@pytest.mark.parametrize(("attribute", "values"), READ.items())
def test_a_value_that_cannot_be_read_is_told(
    attribute: str, values: tuple[list[str], list[str]]
) -> None:
    good, bad = values
    for value in good:
        assert reports(with_value(attribute, value)) == [], value
    for value in bad:
        assert [one.code for one in reports(with_value(attribute, value))] == ["status-value"]


def test_what_a_history_repeats_is_told_once_with_the_number_of_places() -> None:
    found = reports(entry('rc_code="0"') * 3 + entry(attributes=ENTRY))
    assert [report.summary for report in found] == [
        "<lrm_rsc_op> has no attribute rc_code: it is passed over (in 3 places)",
        "<lrm_rsc_op id='a_last_0'> lacks the attribute op-status",
        "<lrm_rsc_op id='a_last_0'> lacks the attribute rc-code",
    ]
    assert found[0].place.line == 4


def test_a_status_of_an_older_schema_is_told_at_its_own_lines() -> None:
    found = reports(node('join="maybe"'), "pacemaker-1.2")
    assert [(report.code, report.place.line) for report in found] == [("status-value", 3)]


def test_only_so_many_unknown_names_are_compared() -> None:
    strange = " ".join(f'x{number}="1"' for number in range(COMPARED_MAX))
    assert len(reports(node('expectd="member"'))) == 1
    assert reports(node(f'{strange} expectd="member"')) == []
    assert len(reports(node(f'{strange} expectd="member" join="maybe"'))) == 1
