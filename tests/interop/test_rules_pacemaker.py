"""Dates, durations and rules beside Pacemaker's own tools, on random input.

Faults of 2.1.5 that are not ours are left out: offsets without a blank before them,
YYYYDDD (2005020 is 2005-01-31 there), day 366 carried into a common year with months behind it,
and day counts of intervals.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from everbeat.cib.tree import Element, render_attribute, render_tree, tree_from_text
from everbeat.rules.calendar import Duration, Moment, add_duration, render_moment
from everbeat.rules.evaluate import RuleFacts, evaluate
from everbeat.rules.iso8601 import (
    TextFault,
    duration_from_text,
    milliseconds_from_text,
    moment_from_text,
)
from everbeat.rules.reading import read_rule

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20260722
NOW_S = 1_568_993_000  # 2019-09-20 15:23:20Z
CIB_HEAD = (
    '<cib validate-with="pacemaker-3.9" crm_feature_set="3.0.9" epoch="1" num_updates="0" '
    'admin_epoch="0" execution-date="{now}"><configuration><crm_config>'
    '<cluster_property_set id="options"><nvpair id="o1" name="stonith-enabled" value="false"/>'
    '<nvpair id="o2" name="no-quorum-policy" value="ignore"/></cluster_property_set></crm_config>'
    '<nodes><node id="1" uname="n1"><instance_attributes id="attributes">{attributes}'
    "</instance_attributes></node></nodes><resources>"
)
CIB_TAIL = (
    "</constraints></configuration><status>"
    '<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>'
    "</status></cib>"
)

pytestmark = pytest.mark.real


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - test input, to be the same each time


def tool(*arguments: str) -> str:
    program = shutil.which("iso8601", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("Debian's pacemaker-cli-utils with its iso8601 is not installed")
    result = subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"TZ": "UTC", "PATH": "/usr/sbin:/usr/bin"},
    )
    return result.stdout if result.returncode == 0 else "invalid"


def many(work: list[tuple[str, ...]]) -> list[str]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda arguments: tool(*arguments), work))


def random_date(source: random.Random, *, with_zone: bool = True) -> str:
    year = source.choice([1970, 1999, 2000, 2004, 2005, 2015, 2020, 2100, source.randint(1, 9999)])
    match source.randrange(4):
        case 0:
            date = f"{year:04d}-{source.randint(1, 13):02d}-{source.randint(1, 31):02d}"
        case 1:
            date = f"{year:04d}{source.randint(1, 12):02d}{source.randint(1, 31):02d}"
        case 2:
            date = f"{year:04d}-{source.choice([1, 60, 365, 366, source.randint(1, 366)]):03d}"
        case _:
            date = f"{year:04d}-W{source.choice([1, 52, 53]):02d}-{source.randint(1, 7)}"
    hour, minute, second = source.randint(0, 24), source.randint(0, 60), source.randint(0, 60)
    clock = source.choice(
        [
            "",
            f"T{hour:02d}",
            f"T{hour:02d}:{minute:02d}",
            f" {hour:02d}:{minute:02d}:{second:02d}",
            f"T{hour:02d}{minute:02d}{second:02d}",
        ]
    )
    zone = (
        source.choice(["", " Z", "Z", " +02:00", " -0330", " +01", " -11:45"])
        if with_zone and len(clock) > 3
        else ""
    )
    if not with_zone:  # a period ends at a blank
        clock = clock.replace(" ", "T")
    return date + clock + zone


def random_duration(source: random.Random) -> str:
    date = "".join(f"{source.randint(0, 40)}{unit}" for unit in "YMWD" if source.random() < 0.4)
    clock = "".join(f"{source.randint(0, 99)}{unit}" for unit in "HMS" if source.random() < 0.4)
    return "P" + date + ("T" + clock if clock or not date else "")


def test_dates_are_read_as_pacemaker_reads_them() -> None:
    source = seeded(SEED)
    texts = [random_date(source) for _ in range(300)]
    answers = many([("-d", text) for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        mine = moment_from_text(text, Moment(NOW_S))
        if isinstance(mine, TextFault):
            assert answer == "invalid", text
        else:
            assert answer == f"Date: {render_moment(Moment(mine.epoch_s))}\n", text


def test_a_duration_added_to_a_date_ends_where_pacemaker_says() -> None:
    source = seeded(SEED + 1)
    pairs: list[tuple[Moment, str]] = []
    while len(pairs) < 300:
        start = moment_from_text(random_date(source), Moment(NOW_S))
        if isinstance(start, Moment) and not render_moment(start).startswith("2100-12-31"):
            pairs.append((Moment(start.epoch_s), random_duration(source)))
    answers = many([("-d", render_moment(start), "-D", text) for start, text in pairs])
    for (start, text), answer in zip(pairs, answers, strict=True):
        duration = duration_from_text(text)
        assert isinstance(duration, Duration), text
        if "12-31" in render_moment(start) and duration.years and duration.months:
            continue
        expected = f"Duration ends at: {render_moment(add_duration(start, duration))}"
        assert answer.splitlines()[-1] == expected, (render_moment(start), text)


# -------------------------------------------------------------------------- rules


def simulate(
    folder: Path, name: str, rules: list[str], attributes: dict[str, str], now_s: int
) -> tuple[list[bool], int | None]:
    """Let crm_simulate place one resource per rule; tell which rules held, and recheck-by."""
    program = shutil.which("crm_simulate", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("Debian's pacemaker-cli-utils with its crm_simulate is not installed")
    pairs = "".join(
        f'<nvpair id="a{i}" name="{key}" value="{render_attribute(value)}"/>'
        for i, (key, value) in enumerate(attributes.items())
    )
    text = CIB_HEAD.format(now=now_s, attributes=pairs)
    for index in range(len(rules)):
        text += (
            f'<primitive id="r{index}" class="ocf" provider="pacemaker" type="Dummy">'
            f'<meta_attributes id="m{index}"><nvpair id="mm{index}" name="mm" value="5"/>'
            f'</meta_attributes><instance_attributes id="i{index}">'
            f'<nvpair id="ii{index}" name="pp" value="7"/></instance_attributes></primitive>'
        )
    text += "</resources><constraints>"
    for index, rule in enumerate(rules):
        text += f'<rsc_location id="l{index}" rsc="r{index}">{rule}</rsc_location>'
    cib, graph = folder / f"{name}.xml", folder / f"{name}.exp"
    cib.write_text(text + CIB_TAIL)
    result = subprocess.run(
        [program, "-x", str(cib), "-sSQ", "-G", str(graph)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        stdin=subprocess.DEVNULL,
        env={"TZ": "UTC", "PATH": os.defpath, "CIB_shadow_dir": str(folder)},
    )
    scores = dict(re.findall(r"r(\d+) allocation score on n1: (\S+)", result.stdout))
    recheck = re.search(r'recheck-by="(\d+)"', graph.read_text())
    held = [scores.get(str(index)) == "100" for index in range(len(rules))]
    return held, int(recheck.group(1)) if recheck else None


class RuleMaker:
    """Random rules; every id is used once."""

    def __init__(self, seed: int, *, with_dates: bool, with_attributes: bool) -> None:
        self.source = seeded(seed)
        self.count = 0
        kinds = [self.date] * with_dates + [self.expression] * with_attributes
        self.kinds = kinds

    def id(self) -> str:
        self.count += 1
        return f"x{self.count}"

    def rule(self, depth: int = 0) -> Element:
        attributes = {"id": self.id(), "score": "100"}
        if self.source.random() < 0.7:
            attributes["boolean-op"] = self.source.choice(["and", "or"])
        children = [
            self.rule(depth + 1)
            if depth < 2 and self.source.random() < 0.2
            else self.source.choice(self.kinds)()
            for _ in range(self.source.randint(1, 3))
        ]
        return Element("rule", attributes, children)

    def expression(self) -> Element:
        source = self.source
        operation = source.choice(["eq", "ne", "lt", "lte", "gt", "gte", "defined", "not_defined"])
        attributes = {
            "id": self.id(),
            "attribute": source.choice([*ATTRIBUTES, "absent", "#uname", "#kind"]),
            "operation": operation,
        }
        if not operation.endswith("defined"):
            kind = source.choice(["literal", "literal", "param", "meta"])
            attributes["value"] = (
                source.choice([*ATTRIBUTES.values(), "n1", "N1", "cluster", "-3", "2.0", "zz"])
                if kind == "literal"
                else source.choice(["pp", "mm", "nothing"])
            )
            if kind != "literal" or source.random() < 0.3:
                attributes["value-source"] = kind
            type_name = source.choice([None, None, "string", "integer", "number"])
            if type_name:
                attributes["type"] = type_name
        return Element("expression", attributes, [])

    def moment(self) -> str:
        shift = self.source.choice([-1, 0, 1, self.source.randint(-4_000_000, 4_000_000)])
        return render_moment(Moment(NOW_S + shift)).replace("Z", " Z")

    def date(self) -> Element:
        source = self.source
        operation = source.choice(["in_range", "gt", "lt", "date_spec", "duration"])
        attributes = {"id": self.id(), "operation": operation}
        children: list[Element] = []
        match operation:
            case "in_range":
                kind = source.randrange(3)
                if kind != 1:
                    attributes["start"] = self.moment()
                if kind != 0:
                    attributes["end"] = self.moment()
            case "gt":
                attributes["start"] = self.moment()
            case "lt":
                attributes["end"] = self.moment()
            case "duration":
                attributes |= {"operation": "in_range", "start": self.moment()}
                units = ["months", "weeks", "days", "hours", "minutes", "seconds"]
                parts = {unit: str(source.randint(0, 30)) for unit in source.sample(units, 2)}
                children = [Element("duration", {"id": self.id(), **parts}, [])]
            case _:
                around = {
                    "years": 2019, "months": 9, "monthdays": 20, "hours": 15, "minutes": 23,
                    "seconds": 20, "yeardays": 263, "weekyears": 2019, "weeks": 38, "weekdays": 5,
                }  # fmt: skip
                parts = {}
                for field in source.sample(list(around), source.randint(1, 3)):
                    low = max(1, around[field] + source.randint(-1, 1))
                    parts[field] = source.choice([f"{low}", f"{low}-", f"{low}-{low + 1}"])
                children = [Element("date_spec", {"id": self.id(), **parts}, [])]
        return Element("date_expression", attributes, children)


INTERVALS = [
    *["10", "10s", "10sec", "1m", "1min", "1minutes", "2h", "2hr", "2hours", "100ms", "100msec"],
    *["1500us", "10S", "1MIN", "1.5s", "1.9", "10mss", "PT1M", "PT36H", "10x", "-5", "abc", "P"],
    *["3d", "0", "1,5s", "P1.5D", "99999999999", "10 s", "10  sec", " 10", "10 ", "10 minutes"],
]
ATTRIBUTES = {
    "word": "abc",
    "small": "5",
    "seven": "7",
    "big": "10",
    "fraction": "1.5",
    "negative": "-3",
    "odd": "10foo",
    "infinite": "INFINITY",
}
FACTS = RuleFacts(
    {**ATTRIBUTES, "#uname": "n1", "#kind": "cluster"}, parameters={"pp": "7"}, metas={"mm": "5"}
)


@pytest.mark.parametrize("seed", range(3))
def test_rules_hold_where_pacemaker_lets_them_hold(tmp_path: Path, seed: int) -> None:
    maker = RuleMaker(seed, with_dates=True, with_attributes=True)
    rules = [maker.rule() for _ in range(100)]
    texts = [render_tree(rule) for rule in rules]
    held, _ = simulate(tmp_path, "rules", texts, ATTRIBUTES, NOW_S)
    assert 10 < sum(held) < 90
    for rule, text, expected in zip(rules, texts, held, strict=True):
        reading = read_rule(rule)
        assert evaluate(reading.rule, FACTS, Moment(NOW_S)).is_satisfied == expected, text


def test_the_next_change_is_pacemakers_recheck_time(tmp_path: Path) -> None:
    maker = RuleMaker(SEED, with_dates=True, with_attributes=False)
    rules = [maker.rule() for _ in range(40)]

    def one(index: int) -> int | None:
        return simulate(tmp_path, f"c{index}", [render_tree(rules[index])], {}, NOW_S)[1]

    with ThreadPoolExecutor(3) as pool:
        rechecks = list(pool.map(one, range(len(rules))))
    assert sum(recheck is not None for recheck in rechecks) > 10
    for rule, expected in zip(rules, rechecks, strict=True):
        verdict = evaluate(read_rule(rule).rule, FACTS, Moment(NOW_S))
        assert verdict.next_change_s == expected, render_tree(rule)


def test_intervals_are_read_as_pacemaker_reads_them(tmp_path: Path) -> None:
    texts = INTERVALS
    resources = "".join(
        f'<primitive id="r{i}" class="ocf" provider="pacemaker" type="Dummy"><operations>'
        f'<op id="op{i}" name="monitor" interval="{text}"/></operations></primitive>'
        for i, text in enumerate(texts)
    )
    folder = tmp_path
    cib, graph = folder / "intervals.xml", folder / "intervals.exp"
    head = CIB_HEAD.format(now=NOW_S, attributes="")
    cib.write_text(head + resources + "</resources><constraints>" + CIB_TAIL)
    program = shutil.which("crm_simulate", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("Debian's pacemaker-cli-utils with its crm_simulate is not installed")
    subprocess.run(
        [program, "-x", str(cib), "-SQ", "-G", str(graph)],
        capture_output=True,
        timeout=60,
        check=True,
        stdin=subprocess.DEVNULL,
        env={"TZ": "UTC", "PATH": os.defpath, "CIB_shadow_dir": str(folder)},
    )
    found = dict(re.findall(r'operation_key="r(\d+)_monitor_([1-9]\d*)"', graph.read_text()))
    assert tree_from_text(graph.read_text()).tag == "transition_graph"
    for index, text in enumerate(texts):
        mine = milliseconds_from_text(text)
        assert (0 if isinstance(mine, TextFault) else mine) == int(found.get(str(index), 0)), text
