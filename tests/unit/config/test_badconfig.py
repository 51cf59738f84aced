"""Every golden case: the files on top, below them what `everbeat check` prints."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from config_cases import HOST, Case, all_cases, write_case
from everbeat.commands.render_reports import render_reports
from everbeat.config.codes import CODES
from everbeat.config.configuration import config_from_files
from everbeat.model.reports import Severity, worst_severity

CASES = all_cases()


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_file_is_reported_as_the_case_says(case: Case) -> None:
    parsed = config_from_files(case.config_files(), HOST)
    rendered = render_reports(parsed.reports, "/etc/ha.d", color=False)
    if os.environ.get("EVERBEAT_ACCEPT"):
        write_case(replace(case, reports=rendered))
        return
    assert rendered == case.reports


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_we_refuse_what_heartbeat_refuses_unless_the_case_says_why(case: Case) -> None:
    if not case.heartbeat:
        return
    verdict, *reasons = case.heartbeat
    parsed = config_from_files(case.config_files(), HOST)
    refused = worst_severity(list(parsed.reports)) is Severity.ERROR
    assert (refused == (verdict == "refuses")) != bool(reasons), reasons


def test_every_code_has_a_case() -> None:
    reached = {
        report.code
        for case in CASES
        for report in config_from_files(case.config_files(), HOST).reports
    }
    of_more_than_these_files = {
        "haresources-emptied",  # tests/unit/adapters/test_configuration_store.py
        "witness-key-shared",  # tests/unit/config/test_witness_keys.py
        "program-not-allowed",  # tests/unit/distribution/test_programs.py
        "address-not-allowed",  # there as well
    }
    assert set(CODES) - reached == of_more_than_these_files
