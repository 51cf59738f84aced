"""The command crm_simulate gives what the engine gives, told as Pacemaker's harness asks for it."""

import io

import pytest

from everbeat.commands.crm_simulate import crm_simulate
from scheduler.case_files import CASES, case_files, case_names, run_case

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"no regression cases at {CASES}")
TIMES = {"date-1": "2005-020", "origin": "2014-05-07 00:28:00"}
EVERY = 40  # the engine is held by every case; this holds the way through the command
NAMES = sorted({*case_names()[::EVERY], *TIMES, "order-wrong-kind"}) if CASES.is_dir() else []


@pytest.mark.parametrize("name", NAMES)
def test_the_command_tells_what_the_engine_decides(name: str, tmp_path) -> None:
    expected = run_case(name)
    source = tmp_path / "cib.xml"
    source.write_bytes(case_files(name)["xml"])
    words = ["-x", str(source)]
    if name in TIMES:
        words += ["-t", f"{TIMES[name]}Z" if " " in TIMES[name] else f"{TIMES[name]}T00:00:00Z"]
    out, err = io.StringIO(), io.StringIO()
    assert crm_simulate([*words, "-S"], out, err, now=1_700_000_000) == 0
    assert err.getvalue().splitlines() == expected.warnings
    assert _told(out.getvalue()) == _told(expected.summary)
    graph, dot = tmp_path / "graph", tmp_path / "dot"
    words += ["-D", str(dot), "-G", str(graph), "-sSQ"]
    out = io.StringIO()
    assert crm_simulate(words, out, io.StringIO(), now=1_700_000_000) == 0
    assert out.getvalue() == expected.scores
    assert (graph.read_text(), dot.read_text()) == (expected.graph, expected.dot)


def _told(text: str) -> list[str]:
    """Leave out empty lines and the time, which is told as it was written."""
    lines = (line for line in text.splitlines() if line.strip())
    return [line for line in lines if not line.startswith("Setting effective cluster time")]
