"""What the host believes of a worker: what was due, once, in order."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.worker_ledger import WorkerLedger

CONFIGURED = wire.Configured(pytest="9", rootdir="/srv", inifile="")
SIDES = wire.Sides(plugins={"a": "1"}, markers=["m"], values=[])


def row(parent: Any = -1, kind: Any = "file", **changes: Any) -> dict[str, Any]:
    """A row of the collection tree."""
    location = {"location": ["test_a.py", 1, "test_a"]} if kind == "item" else {}
    return {
        "parent": parent,
        "kind": kind,
        "type": "Module",
        "name": "test_a",
        "path": "/srv/test_a.py",
        "nodeid": "test_a.py",
        "keywords": [],
        "markers": [],
        **location,
        **changes,
    }


def ledger(*indices: int) -> WorkerLedger:
    """One that some tests were asked of."""
    made = WorkerLedger()
    made.ask(indices)
    return made


def passed(index: float) -> wire.Passed:
    """A plain pass."""
    return wire.Passed(rows=[[index, 1.0, 0.0, 0.5, 0.0]])


def report(index: int) -> wire.Report:
    """A report of a phase."""
    return wire.Report(index=index, data={"when": "call"}, exception=["E"])


def stopped(kind: str) -> wire.Stopped:
    """The session is to end."""
    return wire.Stopped(kind=kind, reason="enough", exit_status=3)


def died(index: int) -> wire.WorkerDied:
    """The worker is gone."""
    return wire.WorkerDied(index=index, when="call", cause="killed", output="")


# Results


def test_results_in_order() -> None:
    """Each is kept, counted, and told to whoever waits."""
    it = ledger(0, 1, 2)
    assert list(it.outstanding) == [0, 1, 2]
    it.file(passed(0))
    it.file(report(1))
    assert it.record(1) is None
    assert list(it.outstanding) == [1, 2]
    it.file(wire.Done(index=1))
    it.file(wire.Passed(rows=[[2, 1.0, 0.0, 0.5, 0.0]]))
    first, second, third = (it.record(index) for index in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.passed == (0, 1.0, 0.0, 0.5, 0.0)
    assert (list(first.reports), second.reports) == ([], [({"when": "call"}, ["E"])])
    assert second.passed is None
    assert [each.order for each in (first, second, third)] == [0, 1, 2]
    assert (it.completed, it.arrived, it.waiting_after) == (3, [0, 1, 2], 1)
    assert list(it.outstanding) == []
    assert not it.has_ended


@pytest.mark.parametrize(
    "message",
    [
        passed(1),
        report(1),
        wire.Done(index=1),
        passed(7),
        passed(-1),
        report(-1),
        wire.Recorded(index=1, attributes={}, suite=[]),
        died(1),
    ],
)
def test_what_is_not_due_is_refused(message: wire.Message) -> None:
    """Another test, one that was not asked for, none."""
    with pytest.raises(wire.WireError, match=r"^a report on test -?\d, which was not due$"):
        ledger(0, 1).file(message)


@pytest.mark.parametrize("message", [passed(0), report(0), wire.Done(index=0)])
def test_a_second_result_is_refused(message: wire.Message) -> None:
    """A verdict is final; also when nothing else is due."""
    it = ledger(0)
    it.file(passed(0))
    with pytest.raises(wire.WireError, match="a report on test 0, which was not due"):
        it.file(message)


@pytest.mark.parametrize("row", [[], [0], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]])
def test_a_pass_has_five_numbers(row: list[float]) -> None:
    """Index, start, three durations."""
    with pytest.raises(wire.WireError, match=r"^a passed test has five numbers$"):
        ledger(0).file(wire.Passed(rows=[row]))


# Asking again


def test_a_test_that_is_run_again() -> None:
    """It is due next, and what came of it before is forgotten."""
    it = ledger(0, 1)
    it.file(report(0))
    it.file(wire.Done(index=0))
    assert it.waiting_after == 0
    it.ask_again(0)
    assert it.record(0) is None
    assert it.waiting_after is None
    assert list(it.outstanding) == [0, 1]
    it.file(passed(0))
    it.file(passed(1))
    again = it.record(0)
    assert again is not None
    assert not again.reports
    assert it.wrong_counts(wire.Finished(exit_status=0, received=3, reported=3)) == ""


def test_what_is_forgotten_can_be_forgotten_again() -> None:
    """It need not be there."""
    it = ledger(0)
    it.file(passed(0))
    it.forget(0)
    it.forget(0)
    assert it.record(0) is None


def test_what_is_taken_back_is_due_no_more() -> None:
    """It counts as asked for all the same."""
    it = ledger(3, 4)
    assert it.take_back() == (3, 4)
    assert it.outstanding == ()
    assert it.take_back() == ()
    assert it.is_asked_for(3)
    assert not it.is_asked_for(5)


# Its end


@pytest.mark.parametrize(
    ("received", "reported", "why"),
    [
        (3, 2, ""),
        # asked for, and cut short before it took them
        (2, 2, ""),
        (4, 2, "asked for 3, it says 4; reported 2, it says 2"),
        (3, 3, "asked for 3, it says 3; reported 2, it says 3"),
        (3, 1, "asked for 3, it says 3; reported 2, it says 1"),
    ],
)
def test_the_counts_of_the_end_frame(received: int, reported: int, why: str) -> None:
    """They have to be the host's."""
    it = ledger(0, 1)
    it.ask([2])
    it.file(passed(0))
    it.file(passed(1))
    assert it.wrong_counts(wire.Finished(exit_status=0, received=received, reported=reported)) == why


def test_it_ends_by_its_end_frame() -> None:
    """And only then."""
    it = ledger()
    finished = wire.Finished(exit_status=0, received=0, reported=0)
    it.file(finished)
    assert (it.finished, it.died, it.has_ended) == (finished, None, True)


def test_it_dies_in_a_test() -> None:
    """That one has a result, which says so; the others stay due."""
    it = ledger(0, 1)
    it.file(died(0))
    record = it.record(0)
    assert record is not None
    assert record.died == died(0)
    assert (it.died, it.has_ended, it.outstanding) == (died(0), True, (1,))


@pytest.mark.parametrize(("asked", "index"), [((), 0), ((0,), -1)])
def test_it_dies_outside_of_tests(asked: tuple[int, ...], index: int) -> None:
    """No test is blamed."""
    it = ledger(*asked)
    it.file(died(index))
    assert it.died is not None
    assert it.record(0) is None
    assert it.outstanding == asked


@pytest.mark.parametrize("kind", ["exit", "interrupt"])
def test_a_session_that_is_cut_short(kind: str) -> None:
    """The running test has a result and is not counted as reported."""
    it = ledger(0, 1)
    it.file(stopped(kind))
    record = it.record(0)
    assert record is not None
    assert (record.stopped, record.stop_request) == (stopped(kind), None)
    assert it.wrong_counts(wire.Finished(exit_status=0, received=2, reported=0)) == ""
    assert it.wrong_counts(wire.Finished(exit_status=0, received=2, reported=1)) != ""


@pytest.mark.parametrize("kind", ["shouldstop", "shouldfail"])
def test_a_wish_to_stop_after_this_test(kind: str) -> None:
    """It goes with the result, which is still to come."""
    it = ledger(0)
    it.file(stopped(kind))
    assert it.record(0) is None
    it.file(wire.Done(index=0))
    record = it.record(0)
    assert record is not None
    assert (record.stopped, record.stop_request) == (None, stopped(kind))


def test_a_stop_when_nothing_runs() -> None:
    """It is nobody's."""
    it = ledger()
    it.file(stopped("exit"))
    assert (it.completed, it.wrong_counts(wire.Finished(exit_status=0, received=0, reported=0))) == (0, "")


# What tests record


def test_properties_of_the_suite_are_counted() -> None:
    """How often each has been recorded by then."""
    it = ledger(0, 1)
    recorded = [["arch", "any"], ["arch", "any"], ["arch", "other"]]
    it.file(wire.Recorded(index=0, attributes={"a": "b"}, suite=recorded))
    it.file(wire.Done(index=0))
    it.file(wire.Recorded(index=1, attributes={}, suite=[["arch", "any"]]))
    it.file(wire.Done(index=1))
    first, second = it.record(0), it.record(1)
    assert first is not None
    assert second is not None
    assert first.recorded == wire.Recorded(index=0, attributes={"a": "b"}, suite=recorded)
    assert list(first.suite_properties) == [("arch", "any", 1), ("arch", "any", 2), ("arch", "other", 1)]
    assert list(second.suite_properties) == [("arch", "any", 3)]


@pytest.mark.parametrize("pair", [[], ["a"], ["a", "b", "c"]])
def test_a_property_has_a_name_and_a_value(pair: list[str]) -> None:
    """Anything else is refused."""
    with pytest.raises(wire.WireError, match=r"^a property of the suite has a name and a value$"):
        ledger(0).file(wire.Recorded(index=0, attributes={}, suite=[pair]))


# The collection


def collected(*items: int, deselected: tuple[int, ...] = ()) -> wire.Collected:
    """Which nodes are tests."""
    return wire.Collected(items=list(items), deselected=list(deselected), digest="d")


def test_a_collection() -> None:
    """It is complete when its end has come."""
    it = ledger()
    rows = [row(), row(0, "item"), row(0, "item")]
    failure = wire.CollectReport(node=0, data={"outcome": "failed"})
    for message in (CONFIGURED, wire.Nodes(rows=rows[:1]), wire.Nodes(rows=rows[1:]), failure, SIDES):
        assert not it.has_collected
        assert it.take_collection() is None
        it.file(message)
    it.file(collected(2, deselected=(1,)))
    assert it.has_collected
    whole = it.take_collection()
    assert whole is not None
    assert (list(whole.rows), whole.items, whole.deselected) == (rows, [2], [1])
    assert (list(whole.reports), whole.digest) == ([(0, {"outcome": "failed"})], "d")
    assert (whole.configured, whole.sides) == (CONFIGURED, SIDES)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (wire.Nodes(rows=[row(1)]), "the collection is not what it has to be: node 1.parent"),
        (
            wire.CollectReport(node=1, data={"outcome": "failed"}),
            "a collection report is on a node that was not described",
        ),
        (collected(1), "the collection names a node that it does not describe"),
    ],
)
def test_a_collection_that_is_none(message: wire.Message, why: str) -> None:
    """What comes of it is refused, whatever came before it."""
    it = ledger()
    it.file(wire.Nodes(rows=[row()]))
    with pytest.raises(wire.WireError) as caught:
        it.file(message)
    assert str(caught.value) == why


def test_a_collection_that_nobody_configured() -> None:
    """It is none."""
    it = ledger()
    it.file(collected())
    assert it.take_collection() is None


def test_what_a_container_has_not_said() -> None:
    """Its side knows nothing then."""
    it = ledger()
    it.file(CONFIGURED)
    it.file(collected())
    whole = it.take_collection()
    assert whole is not None
    assert whole.sides == wire.Sides(plugins={}, markers=[], values=[])


@pytest.mark.parametrize(
    "message",
    [wire.Start(args=[], cwd="", environ={}, toolkit="", hidden_conftests=[], known_ini=[], phase_timeout_seconds=0),
     wire.Run(indices=[], then=0), wire.Proceed(), wire.Finish(), wire.Noted()],
    ids=lambda message: type(message).__name__,
)  # fmt: skip
def test_what_is_not_for_the_host(message: wire.Message) -> None:
    """Only the container's messages are taken."""
    with pytest.raises(wire.WireError, match=f"^{type(message).__name__} is not for the host$"):
        ledger(0).file(message)
