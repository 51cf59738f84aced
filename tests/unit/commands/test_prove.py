"""Schedules that make two nodes hold a group: found without a tie-breaker, shortened, told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from everbeat.cli.everbeat_command import everbeat
from everbeat.commands.lines import plain
from everbeat.commands.prove import (
    Subject,
    assumptions_of,
    load_subject,
    proof_json,
    prove,
    render_proof,
    story_of,
)
from everbeat.model.cluster import Quorum
from everbeat.model.names import NodeName
from everbeat.sim.schedule import (
    DoubleRun,
    Fault,
    FaultKind,
    drawn_schedule,
    kinds_of,
    run_schedule,
    shortened,
)

if TYPE_CHECKING:
    from pathlib import Path

HA_CF = """\
node alpha beta
keepalive 500ms
deadtime 5
initdead 10
bcast eth0 eth1
auto_failback on
logfacility daemon
"""
ALPHA, BETA = NodeName("alpha"), NodeName("beta")
CUT = Fault(kind=FaultKind.CUT, at_ms=700, node=ALPHA, other=BETA, lasts_ms=9_000, is_one_way=True)
NEEDLESS = Fault(kind=FaultKind.CORE_DIES, at_ms=100, node=BETA)


def folder_of(folder: Path, extra: str = "", ha_cf: str = HA_CF) -> Path:
    (folder / "ha.cf").write_text(ha_cf + extra)
    (folder / "authkeys").write_text("auth 1\n1 sha1 TopSecretKey\n")
    (folder / "authkeys").chmod(0o600)
    (folder / "haresources").write_text("alpha 10.0.0.50 web::a\nbeta 10.0.0.51\n")
    return folder


def subject_of(folder: Path, extra: str = "") -> Subject:
    subject, reports = load_subject(folder_of(folder, extra))
    assert subject is not None, reports
    return subject


def test_two_nodes_without_a_third_can_both_hold_and_one_cut_is_enough(tmp_path: Path) -> None:
    subject = subject_of(tmp_path)
    proof = prove(subject, schedules=20, seed=1, workers=1)
    found = proof.double_run
    assert found is not None
    assert len(found.schedule) == 1
    text = plain(render_proof(subject, proof))
    assert "double run: 10.0.0.5" in text
    assert "The shortest schedule found has 1 fault:" in text
    assert "What helps: write `witness HOST` into ha.cf" in text
    document = json.loads(proof_json(subject, proof))
    assert document["double_run"]["faults"][0]["kind"] in {"cut", "isolated", "noise"}
    assert document["double_run"]["log"]


def test_what_is_not_needed_is_dropped_and_what_is_left_is_made_simple(tmp_path: Path) -> None:
    cluster = subject_of(tmp_path).cluster
    found = run_schedule(cluster, (NEEDLESS, CUT), 1)
    assert found is not None
    [fault] = shortened(cluster, found).schedule
    assert (fault.kind, fault.is_one_way, fault.at_ms) == (FaultKind.CUT, False, 0)


def test_with_a_witness_none_is_found(tmp_path: Path) -> None:
    subject = subject_of(tmp_path, "witness 192.0.2.9\n")
    assert subject.cluster.quorum is Quorum.WITNESS
    proof = prove(subject, schedules=6, seed=1, workers=1)
    assert (proof.double_run, proof.schedules) == (None, 6)
    assert "no double run in 6 schedules" in plain(render_proof(subject, proof))
    assert FaultKind.WITNESS_DOWN in kinds_of(subject.cluster)


def test_a_service_that_two_groups_name_may_run_on_both_nodes(tmp_path: Path) -> None:
    folder_of(tmp_path, "witness 192.0.2.9\n", HA_CF.replace("auto_failback on", ""))
    (tmp_path / "haresources").write_text("alpha 10.0.0.50 nginx\nbeta 10.0.0.51 nginx\n")
    subject, _ = load_subject(tmp_path)
    assert subject is not None
    proof = prove(subject, schedules=6, seed=1, workers=1)
    assert proof.double_run is None


def test_a_lease_that_outlasts_the_deadtime_is_found_out(tmp_path: Path) -> None:
    folder_of(tmp_path, ha_cf=HA_CF.replace("alpha beta", "alpha beta gamma"))
    subject, _ = load_subject(tmp_path)
    assert subject is not None
    isolated = Fault(kind=FaultKind.ISOLATED, at_ms=0, node=ALPHA, lasts_ms=20_000)
    assert run_schedule(subject.cluster, (isolated,), 1) is None
    broken = tuple(  # no time to stop is left between the lease's end and the deadtime
        replace(config, timing=replace(config.timing, stoptime_ms=-3_000))
        for config in subject.cluster.configs
    )
    found = run_schedule(replace(subject.cluster, configs=broken), (isolated,), 1)
    assert found is not None
    assert "runs on alpha and " in found.what


def test_words_of_a_node_line_that_name_no_node_are_no_machines(tmp_path: Path) -> None:
    folder_of(tmp_path, ha_cf=HA_CF.replace("node alpha beta", "node alpha, beta // the pair"))
    subject, _ = load_subject(tmp_path)
    assert subject is not None
    assert [config.node for config in subject.cluster.configs] == [ALPHA, BETA]


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    cluster = subject_of(tmp_path).cluster
    schedule = drawn_schedule(cluster, 3)
    assert schedule == drawn_schedule(cluster, 3) != drawn_schedule(cluster, 4)
    assert run_schedule(cluster, (CUT,), 1) == run_schedule(cluster, (CUT,), 1)


def test_what_an_adversary_plays_is_told_in_words() -> None:
    def told(kind: FaultKind, amount: int, other: NodeName = BETA) -> str:
        play = Fault(kind=kind, at_ms=0, node=ALPHA, other=other, lasts_ms=18_000, amount=amount)
        return story_of(DoubleRun((play,), 1, 100, "", ()))[1][1]

    assert told(FaultKind.WORDS_PLAYED, 12) == (
        "the last 12 datagrams of a former life of alpha are played to beta for 18.0 s, in a loop"
    )
    assert told(FaultKind.WORDS_PLAYED, -2) == (
        "datagram 2 from the end of a former life of alpha is played to beta for 18.0 s, in a loop"
    )
    assert told(FaultKind.STRETCH_PLAYED, 9_000, NodeName("")) == (
        "what alpha has said from 9.0 s ago on is played to all others for 18.0 s"
    )
    assert told(FaultKind.SOME_PLAYED, 30) == "30 recorded datagrams are played within 18.0 s"
    assert told(FaultKind.QUESTIONS_PLAYED, 5_000) == (
        "alpha's recorded questions are played to the witness for 18.0 s, one each 5.0 s"
    )
    assert told(FaultKind.DISTRIBUTE, 0) == "`everbeat reload --all` on alpha"
    assert told(FaultKind.DEVICES_FAIL, 0) == "the fencing devices fail"


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("ping 192.0.2.9\nquorum ping\n", "ping nodes are no witness"),
        ("ping 192.0.2.9\n", "the ping nodes decide nothing"),
        ("witness 192.0.2.9\n", "without `watchdog DEVICE`"),
        ("witness 192.0.2.9\n", "no longer than stoptime"),
    ],
)
def test_what_is_not_covered_is_said(tmp_path: Path, extra: str, words: str) -> None:
    assert any(words in text for text in assumptions_of(subject_of(tmp_path, extra)))


def test_machines_stand_still_only_where_a_watchdog_resets_them(tmp_path: Path) -> None:
    assert FaultKind.PAUSE not in kinds_of(subject_of(tmp_path).cluster)
    cluster = subject_of(tmp_path, "watchdog /dev/watchdog\n").cluster
    assert FaultKind.PAUSE in kinds_of(cluster)


def test_every_kind_of_fault_is_told_in_words() -> None:
    for kind in FaultKind:
        fault = Fault(kind=kind, at_ms=1_000, node=ALPHA, other=BETA, lasts_ms=2_000, amount=100)
        story = story_of(DoubleRun((fault,), 1, 9_000, "10.0.0.50 runs on alpha and beta", ()))
        assert story[1][1]
        assert story[-1] == (9_000, "10.0.0.50 runs on alpha and beta")


def test_a_wrong_configuration_is_reported_and_not_proved(tmp_path: Path) -> None:
    folder_of(tmp_path, "deadtime never\n")
    result = CliRunner().invoke(everbeat, ["prove", "split", "--etc", str(tmp_path)])
    assert "time-malformed" in result.output
    alone = folder_of(tmp_path, ha_cf=HA_CF.replace("alpha beta", "alpha"))
    (alone / "haresources").write_text("alpha 10.0.0.50\n")
    result = CliRunner().invoke(everbeat, ["prove", "split", "--etc", str(tmp_path)])
    assert "has not two nodes and a group" in result.output
