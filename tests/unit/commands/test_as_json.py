from __future__ import annotations

import json

from everbeat.commands import as_json
from everbeat.ipc.messages import ReloadReply
from everbeat.model.reports import Place, Report, Severity


def test_a_report_within_an_answer_keeps_the_names_of_its_fields() -> None:
    report = Report("value-bad", Severity.ERROR, "no number", "a number", Place("ha.cf", 3, "x"))
    told = json.loads(as_json.dumps(ReloadReply(is_accepted=False, reports=(report,))))
    assert told["reports"] == [
        {
            "code": "value-bad",
            "severity": "error",
            "summary": "no number",
            "remedy": "a number",
            "place": {"file": "ha.cf", "line": 3, "text": "x"},
        }
    ]
