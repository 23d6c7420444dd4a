"""Which worker gets which test: every test once, modules together, nobody idle."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dockerci import schedule as schedules
from pytest_dockerci.schedule import MAX_AHEAD, MIN_AHEAD, Schedule


def modules(*sizes: int) -> list[tuple[int, str]]:
    """Tests numbered from 0 in modules of these sizes."""
    names = [f"module {number}" for number, size in enumerate(sizes) for _ in range(size)]
    return list(enumerate(names))


def test_each_worker_gets_a_module_of_its_own() -> None:
    """The tests of a module go to one worker, in order."""
    schedule = Schedule(modules(3, 3), workers=2)
    assert schedule.take(0, 2) == [0, 1]
    assert schedule.take(1, 2) == [3, 4]
    assert schedule.take(0, 2) == [2]
    assert schedule.take(1, 5) == [5]
    assert schedule.is_empty


def test_a_worker_goes_on_with_the_next_module() -> None:
    """A request may span modules."""
    schedule = Schedule(modules(1, 1, 4), workers=1)
    assert schedule.take(0, 4) == [0, 1, 2, 3]
    assert not schedule.is_empty


def test_an_idle_worker_takes_the_later_half_of_the_longest() -> None:
    """When no module is left, one is split, and its beginning stays where it is."""
    schedule = Schedule(modules(10), workers=2)
    assert schedule.take(0, 2) == [0, 1]
    assert schedule.take(1, 3) == [6, 7, 8]
    assert schedule.take(0, 9) == [2, 3, 4, 5]
    assert schedule.take(1, 9) == [9]
    assert schedule.is_empty


def test_a_single_test_is_not_taken_from_another_worker() -> None:
    """What a worker holds back last is its own."""
    schedule = Schedule(modules(3), workers=2)
    assert schedule.take(0, 2) == [0, 1]
    assert schedule.take(1, 1) == []
    assert not schedule.is_empty


def test_a_busy_worker_does_not_split() -> None:
    """Only a worker that would have nothing at all takes from another."""
    schedule = Schedule(modules(6, 1), workers=2)
    assert schedule.take(0, 1) == [0]
    assert schedule.take(1, 3) == [6]


def test_what_is_given_back_comes_first() -> None:
    """Tests that a dead worker did not run are handed out again, in order."""
    schedule = Schedule(modules(4), workers=2)
    assert schedule.take(0, 3) == [0, 1, 2]
    schedule.give_back(0, [1, 2])
    assert schedule.take(0, 3) == [1, 2, 3]


def test_nothing_to_do() -> None:
    """No tests, no work."""
    schedule = Schedule([], workers=3)
    assert schedule.is_empty
    assert schedule.take(2, 5) == []


def test_how_far_ahead() -> None:
    """About 50 ms of work, within limits."""
    assert schedules.tests_ahead(0.0, 0) == MIN_AHEAD
    assert schedules.tests_ahead(1.0, 10) == MIN_AHEAD
    assert schedules.tests_ahead(0.05, 10) == 10 + MIN_AHEAD
    assert schedules.tests_ahead(0.5, 10) == 1 + MIN_AHEAD
    assert schedules.tests_ahead(0.0001, 10) == MAX_AHEAD
    assert schedules.tests_ahead(0.0, 10) == MIN_AHEAD


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_test_is_handed_out_exactly_once(data: st.DataObject) -> None:
    """Whoever asks, dies or gives back, in the end each test was run by one worker, and none is left."""
    sizes = data.draw(st.lists(st.integers(1, 12), max_size=6))
    workers = data.draw(st.integers(1, 4))
    tests = modules(*sizes)
    schedule = Schedule(tests, workers)
    ran: list[int] = []
    for _ in range(60):
        worker = data.draw(st.integers(0, workers - 1))
        taken = schedule.take(worker, data.draw(st.integers(1, 5)))
        kept = data.draw(st.integers(0, len(taken)))
        dies = data.draw(st.booleans())
        if dies:
            ran += taken[:kept]
            schedule.give_back(worker, taken[kept:])
        else:
            ran += taken
    while not schedule.is_empty:
        before = len(ran)
        for worker in range(workers):
            ran += schedule.take(worker, 3)
        assert len(ran) > before
    assert sorted(ran) == [test for test, _ in tests]
