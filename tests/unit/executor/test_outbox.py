from __future__ import annotations

from everbeat.executor.effects import Publish
from everbeat.executor.outbox import KEPT_MAX, Outbox
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey
from everbeat.model.operations import Action, ClientsStopped, OperationDone, Outcome


def done(number: int) -> OperationDone:
    return OperationDone(
        id=number,
        group=GroupKey("g"),
        resource=ResourceSpec("R", "R"),
        action=Action.START,
        outcome=Outcome.DONE,
        exit_code=0,
        is_held=None,
        output="",
        served_by="/r/R",
        started_ms=0,
        ended_ms=1,
    )


def test_a_connected_manager_hears_at_once() -> None:
    outbox = Outbox()
    assert outbox.on_manager("a") == []
    assert outbox.answer(done(1), "a") == [Publish(done(1))]
    assert outbox.tell(ClientsStopped(5)) == [Publish(ClientsStopped(5))]


def test_the_same_manager_hears_on_its_return_what_it_missed() -> None:
    outbox = Outbox()
    outbox.on_manager("a")
    outbox.on_manager_gone()
    assert outbox.answer(done(1), "a") == []
    assert outbox.on_manager("a") == [Publish(done(1))]
    assert outbox.on_manager("a") == []


def test_another_manager_hears_it_under_the_negative_id() -> None:
    outbox = Outbox()
    outbox.on_manager("a")
    outbox.on_manager_gone()
    outbox.answer(done(1), "a")
    assert outbox.on_manager("b") == [Publish(done(-1))]
    assert outbox.answer(done(2), "a") == [Publish(done(-2))]


def test_what_could_not_be_sent_is_kept() -> None:
    outbox = Outbox()
    outbox.on_manager("a")
    outbox.on_unsent(done(3))
    assert outbox.answer(done(4), "a") == []
    assert outbox.on_manager("a") == [Publish(done(3)), Publish(done(4))]


def test_only_so_much_is_kept_and_the_oldest_goes_first() -> None:
    outbox = Outbox()
    for number in range(1, KEPT_MAX + 2):
        outbox.answer(done(number), "")
    assert outbox.dropped_count == 1
    published = outbox.on_manager("")
    assert len(published) == KEPT_MAX
    assert published[0] == Publish(done(2))
