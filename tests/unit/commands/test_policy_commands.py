"""crm_simulate, simulate, why and check on files: what they tell, and how they end."""

from __future__ import annotations

import bz2
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from everbeat.cli.everbeat_command import everbeat
from everbeat.commands.cib_file import CIB_BYTES_MAX, CibFile, read_cib
from everbeat.commands.crm_simulate import crm_simulate
from everbeat.commands.decision import Question, Streams
from everbeat.commands.simulate import simulate
from everbeat.commands.why import why
from everbeat.policy.score import INFINITY, add_scores

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000
TEXT = """\
<cib validate-with="pacemaker-4.0" have-quorum="true" dc-uuid="1">
<configuration>
<crm_config><cluster_property_set id="o">
<nvpair id="o-f" name="fencing-enabled" value="false"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
<resources>
<primitive id="db" class="ocf" provider="p" type="T"><meta_attributes id="db-m">
<nvpair id="db-st" name="resource-stickiness" value="50"/></meta_attributes></primitive>
<primitive id="web" class="ocf" provider="p" type="T"/>
<primitive id="old" class="ocf" provider="p" type="T"><meta_attributes id="old-m">
<nvpair id="old-role" name="target-role" value="Stopped"/></meta_attributes></primitive>
</resources>
<constraints>
<rsc_location id="db-likes-n2" rsc="db" node="n2" score="100"/>
<rsc_colocation id="web-with-db" rsc="web" with-rsc="db" score="INFINITY"/>
<rsc_order id="db-then-web" first="db" then="web"/>
</constraints>
</configuration>
<status>
<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
</status>
</cib>
"""


@pytest.fixture
def cib(tmp_path: Path) -> Path:
    path = tmp_path / "cib.xml"
    path.write_text(TEXT)
    return path


def called(*words: str, stdin: bytes = b"") -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = crm_simulate(words, out, err, stdin=io.BytesIO(stdin), now=NOW)
    return status, out.getvalue(), err.getvalue()


def asked(name: str, path: Path, **options: str | None) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    streams = Streams(out=out, err=err, now=NOW)
    question = Question(source=str(path))
    status = why(name, question, streams, node=options.get("node"), is_json="json" in options)
    return status, out.getvalue(), err.getvalue()


# ------------------------------------------------------------------------------ crm_simulate


def test_without_an_order_to_decide_only_the_state_is_shown(cib: Path) -> None:
    status, out, _ = called("-x", str(cib))
    assert status == 0
    assert "Current cluster status:" in out
    assert "Transition Summary" not in out


def test_quiet_deciding_prints_nothing(cib: Path) -> None:
    assert called("-R", "-Q", "-x", str(cib)) == (0, "", "")


def test_quiet_with_scores_prints_scores_alone(cib: Path) -> None:
    _, out, _ = called("-x", str(cib), "-sSQ")
    assert out
    assert all("allocation score on" in line for line in out.splitlines())


def test_simulating_shows_what_is_done_and_the_state_afterwards(cib: Path) -> None:
    _, out, _ = called("-x", str(cib), "-S")
    assert "  * Start      db      (    n2 )" in out
    assert out.rindex("db\t(ocf:p:T):\t Started n2") > out.index("Revised Cluster Status:")


def test_files_are_read_compressed_and_from_standard_input(cib: Path) -> None:
    packed = cib.with_suffix(".xml.bz2")
    packed.write_bytes(bz2.compress(TEXT.encode()))
    plain = called("-S", "-x", str(cib))
    assert called("-S", "-x", str(packed)) == plain
    assert called("-S", "-x", "-", stdin=TEXT.encode()) == plain
    assert called("-S", "-p", stdin=TEXT.encode()) == plain


def test_graph_drawing_input_and_output_are_saved(cib: Path, tmp_path: Path) -> None:
    names = {"-G": "graph", "-D": "dot", "-I": "in", "-O": "out"}
    words = [word for option, name in names.items() for word in (option, str(tmp_path / name))]
    assert called("-x", str(cib), "-SQ", *words, "-d", "n2")[0] == 0
    assert (tmp_path / "graph").read_text().startswith("<transition_graph")
    assert (tmp_path / "dot").read_text().startswith(' digraph "g"')
    assert 'crmd="offline"' in (tmp_path / "in").read_text()
    assert "db_last_0" in (tmp_path / "out").read_text()


def test_in_place_writes_the_state_afterwards_back(cib: Path) -> None:
    assert called("-x", str(cib), "-X")[0] == 0
    assert called("-x", str(cib), "-R")[1].rstrip().endswith("Transition Summary:")


def test_an_operation_that_is_to_fail_ends_the_simulation(cib: Path) -> None:
    _, out, _ = called("-x", str(cib), "-S", "-F", "db_start_0@n2=1")
    assert "failed with rc=1" in out
    assert "fail-count-db#start_0=value++" in out
    assert "db\t(ocf:p:T):\t FAILED n2" in out


def test_a_time_is_named_and_a_bad_one_refused(cib: Path) -> None:
    assert called("-x", str(cib), "-t", "2027-01-01")[1].startswith("Setting effective")
    status, _, err = called("-x", str(cib), "-t", "someday")
    assert (status, "someday" in err) == (64, True)


@pytest.mark.parametrize(
    "words",
    [[], ["--nonsense"], ["-x", "f", "word"], ["-L"], ["-x", "f", "-i", "a"], ["-x"]],
)
def test_wrong_words_are_status_64(words: list[str]) -> None:
    status, out, err = called(*words)
    assert (status, out) == (64, "")
    assert err.startswith("crm_simulate: ")


def test_an_event_about_nobody_is_status_64_and_says_who_there_is(cib: Path) -> None:
    status, _, err = called("-x", str(cib), "-R", "-i", "db_start_0@n9=1")
    assert (status, "n1 n2" in err) == (64, True)


def test_what_is_no_xml_is_status_70_and_what_is_malformed_78(cib: Path) -> None:
    assert called("-R", "-p", stdin=b"<cib")[0] == 70
    assert called("-R", "-x", str(cib.with_name("missing.xml")))[0] == 70
    broken = TEXT.replace('then="web"', 'thn="web"').encode()
    status, _, err = called("-R", "-p", stdin=broken)
    assert status == 78
    assert "stdin:17: error:" in err
    assert "write: then" in err


def test_a_name_that_does_not_exist_is_ignored_and_what_old_crmsh_wrote_is_read(cib: Path) -> None:
    unknown = TEXT.replace('then="web"', 'then="wbe"').encode()
    assert called("-R", "-p", stdin=unknown)[0] == 0
    scored = TEXT.replace('then="web"', 'then="web" score="INFINITY"').encode()
    assert called("-R", "-p", stdin=scored)[0] == 0


def test_a_file_that_cannot_be_written_is_status_66(cib: Path) -> None:
    assert called("-x", str(cib), "-R", "-G", "/no/such/folder/graph")[0] == 66


def test_a_document_beyond_the_limit_is_refused(cib: Path) -> None:
    packed = cib.with_suffix(".xml.bz2")
    packed.write_bytes(bz2.compress(b"<cib>" + b" " * (CIB_BYTES_MAX + 1)))
    report = read_cib(str(packed))
    assert not isinstance(report, CibFile)
    assert report.code == "cib-too-large"


# ------------------------------------------------------------------------------ why, simulate


def test_why_tells_the_place_and_the_constraint_behind_it(cib: Path) -> None:
    status, out, _ = asked("web", cib)
    assert status == 0
    assert "will be Started on n2" in out
    assert "colocation web-with-db" in out


FAILURE = """\
<lrm id="1"><lrm_resources><lrm_resource id="db" type="T" class="ocf" provider="p">
<lrm_rsc_op id="db_last_failure_0" operation_key="db_monitor_10000" operation="monitor"
 transition-key="1:1:0:0" transition-magic="{status}:{rc};1:1:0:0" call-id="5" rc-code="{rc}"
 op-status="{status}" exit-reason="{reason}" interval="10000" last-rc-change="1699999990"/>
<lrm_rsc_op id="db_last_0" operation_key="db_start_0" operation="start"
 transition-key="1:1:0:0" transition-magic="0:0;1:1:0:0" call-id="4" rc-code="0"
 op-status="0" interval="0" last-rc-change="1699999980"/>
</lrm_resource></lrm_resources></lrm>
"""


@pytest.mark.parametrize(
    ("rc", "status", "reason", "sentence"),
    [
        (7, 0, "", "monitor ended with 7 (not running)"),
        (7, 0, "no PID file", "monitor ended with 7 (not running); reason given: no PID file"),
        (1, 0, "", "monitor ended with 1 (error)"),
        (5, 0, "no binary", "monitor ended with 5 (not installed); reason given: no binary"),
        (9, 0, "", "monitor ended with 9 (promoted (failed))"),
        (189, 0, "", "monitor ended with 189"),
        (1, 2, "", "monitor timed out"),
        (1, 2, "20 s were not enough", "monitor timed out; reason given: 20 s were not enough"),
    ],
)
def test_why_tells_a_failure_by_its_code_in_words_and_the_reason_given(
    cib: Path, rc: int, status: int, reason: str, sentence: str
) -> None:
    history = FAILURE.format(rc=rc, status=status, reason=reason)
    n1, n2 = 'expected="member"/>\n<node_state id="2"', 'expected="member">{}</node_state>\n'
    cib.write_text(TEXT.replace(n1, n2.format(history) + '<node_state id="2"'))
    code, out, _ = asked("db", cib)
    assert code == 0
    lines = out.splitlines()
    at = lines.index("    stop db on n1")
    assert lines[at + 1] == f"        because db failed: {sentence} [db_last_failure_0]"


def test_why_tells_what_keeps_a_resource_stopped(cib: Path) -> None:
    _, out, _ = asked("old", cib)
    assert "target-role" in out
    assert "[old-role]" in out


def test_the_ledger_of_a_node_adds_up_and_names_each_term(cib: Path) -> None:
    _, out, _ = asked("db", cib, json="")
    places = {place["node"]: place for place in json.loads(out)["resources"][0]["places"]}
    assert places["n2"]["score"] == 100
    terms = places["n2"]["terms"]
    score = 0
    for term in terms:
        score = term["amount"] if term["is_new"] else add_scores(score, term["amount"])
        assert term["after"] == score
    assert [term["reason"]["subject"] for term in terms][-1] == "db-likes-n2"
    assert json.loads(asked("web", cib, json="")[1])["resources"][0]["places"][-1]["score"] == (
        -INFINITY
    )


def test_why_on_a_node_shows_that_node_alone(cib: Path) -> None:
    _, out, _ = asked("db", cib, node="n1")
    assert "    n1  " in out
    assert "    n2  " not in out


def test_an_unknown_resource_or_node_is_status_2_with_the_nearest_name(cib: Path) -> None:
    status, _, err = asked("wbe", cib)
    assert (status, "did you mean web?" in err) == (2, True)
    assert asked("web", cib, node="n9")[0] == 2


def test_simulate_tells_changes_reasons_and_the_state_afterwards(cib: Path) -> None:
    out = io.StringIO()
    streams = Streams(out=out, err=io.StringIO(), now=NOW)
    assert simulate(Question(source=str(cib)), streams, shows_all=False, is_json=False) == 0
    text = out.getvalue()
    assert text.index("What changes") < text.index("Why") < text.index("Afterwards")
    assert "location constraint db-likes-n2" in text


def test_simulate_json_has_every_action_with_reasons(cib: Path) -> None:
    out = io.StringIO()
    streams = Streams(out=out, err=io.StringIO(), now=NOW)
    assert simulate(Question(source=str(cib)), streams, shows_all=False, is_json=True) == 0
    document = json.loads(out.getvalue())
    assert document["afterwards"] == {"n1": [], "n2": ["db", "web"]}
    assert all(action["reasons"] for action in document["actions"])
    assert {"not started"} == {inaction["what"] for inaction in document["not_done"]}


def test_actions_that_wait_for_each_other_are_named(cib: Path) -> None:
    loop = '<rsc_order id="web-then-db" first="web" then="db"/></constraints>'
    cib.write_text(TEXT.replace("</constraints>", loop))
    status, _, err = called("-x", str(cib), "-S")
    assert (status, err.splitlines()[0]) == (1, "Transition failed: terminated")
    out = io.StringIO()
    streams = Streams(out=out, err=io.StringIO(), now=NOW)
    simulate(Question(source=str(cib)), streams, shows_all=False, is_json=False)
    assert "start db on n2 -> start web on n2 -> start db on n2" in out.getvalue()


def run_everbeat(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(everbeat, list(words), standalone_mode=False)
    status = result.return_value if isinstance(result.return_value, int) else result.exit_code
    return status, result.output


def test_the_commands_hang_together_on_the_command_line(cib: Path) -> None:
    assert run_everbeat("simulate", str(cib), "--node-down", "n2", "--quorum", "no")[0] == 0
    assert "web" in run_everbeat("why", "web", "--cib", str(cib))[1]
    assert run_everbeat("crm_simulate", "-x", str(cib), "-RQ") == (0, "")
    status, text = run_everbeat("check", str(cib))
    assert (status, "fencing-disabled" in text) == (1, True)


def test_several_wrong_events_are_told_at_once(cib: Path) -> None:
    result = CliRunner().invoke(everbeat, ["simulate", str(cib), "-i", "x", "-F", "y"])
    assert result.exit_code == 2
    assert "x y" in result.output


def test_crm_simulate_imports_neither_click_nor_rich() -> None:
    code = (
        "import sys; import everbeat.commands.crm_simulate; "
        "sys.exit(int(bool({'click', 'rich'} & sys.modules.keys())))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("option", ["-q", "-w"])
def test_quorum_and_a_watchdog_are_there_or_not(cib: Path, option: str) -> None:
    status, _, err = called("-x", str(cib), option, "maybe")
    assert (status, err) == (64, f"crm_simulate: {option} maybe: write 1 or 0\n")
    assert called("-x", str(cib), option, "1")[0] == called("-x", str(cib), option, "no")[0] == 0


def test_a_misspelt_node_is_told_and_does_not_fall_silent(cib: Path) -> None:
    status, _, err = called("-x", str(cib), "-f", "n9", "-S")
    assert (status, "there is no node n9" in err) == (64, True)
    assert run_everbeat("simulate", str(cib), "--node-fail", "n9")[0] != 0
