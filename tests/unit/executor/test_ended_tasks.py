from __future__ import annotations

import pytest

from everbeat.agents.unit import TASK_S, Condition
from everbeat.executor.ended_tasks import EndedTasks
from everbeat.model.groups import ResourceSpec

JOB = ResourceSpec("job", "job")
STARTED_MS = 1_000
SHORT_MS = STARTED_MS + TASK_S * 1_000
LATER_MS = SHORT_MS + 1
DONE, HELD, STOPPED = Condition.DONE, Condition.HELD, Condition.STOPPED
FORGOTTEN = Condition.FORGOTTEN


def started() -> EndedTasks:
    tasks = EndedTasks()
    tasks.on_started(JOB, STARTED_MS)
    return tasks


def test_a_task_that_was_done_is_done_when_systemd_has_unloaded_it() -> None:
    tasks = started()
    assert tasks.recall(JOB, DONE, SHORT_MS) is DONE
    for now_ms in range(LATER_MS, LATER_MS + 60_000, 10_000):
        assert tasks.recall(JOB, FORGOTTEN, now_ms) is DONE


def test_a_unit_unloaded_soon_after_its_start_was_a_task_and_stays_one() -> None:
    tasks = started()
    assert tasks.recall(JOB, HELD, STARTED_MS + 10) is HELD
    assert tasks.recall(JOB, FORGOTTEN, SHORT_MS) is DONE
    assert tasks.recall(JOB, FORGOTTEN, LATER_MS) is DONE


def test_a_unit_unloaded_later_or_never_started_by_us_has_stopped() -> None:
    assert started().recall(JOB, FORGOTTEN, LATER_MS) is STOPPED
    assert EndedTasks().recall(JOB, FORGOTTEN, LATER_MS) is STOPPED


@pytest.mark.parametrize("found", [STOPPED, Condition.DEAD])
def test_what_has_stopped_or_failed_is_not_done_any_more(found: Condition) -> None:
    tasks = started()
    tasks.recall(JOB, DONE, SHORT_MS)
    assert tasks.recall(JOB, found, LATER_MS) is found
    assert tasks.recall(JOB, FORGOTTEN, LATER_MS) is STOPPED


def test_a_new_start_of_ours_or_of_others_is_a_new_run() -> None:
    tasks = started()
    tasks.recall(JOB, DONE, SHORT_MS)
    tasks.on_started(JOB, LATER_MS)
    assert tasks.recall(JOB, FORGOTTEN, 2 * LATER_MS) is STOPPED
    tasks = started()
    tasks.recall(JOB, DONE, SHORT_MS)
    assert tasks.recall(JOB, HELD, LATER_MS) is HELD
    assert tasks.recall(JOB, FORGOTTEN, LATER_MS + 100) is DONE
    assert tasks.recall(JOB, HELD, LATER_MS) is HELD
    assert tasks.recall(JOB, FORGOTTEN, 2 * LATER_MS) is STOPPED


def test_units_do_not_answer_for_each_other_and_other_answers_pass() -> None:
    tasks = started()
    tasks.recall(JOB, DONE, SHORT_MS)
    assert tasks.recall(ResourceSpec("other", "other"), FORGOTTEN, SHORT_MS) is STOPPED
    for found in (Condition.MOVING, Condition.UNKNOWN):
        assert tasks.recall(JOB, found, LATER_MS) is found
    assert tasks.recall(JOB, FORGOTTEN, LATER_MS) is DONE
