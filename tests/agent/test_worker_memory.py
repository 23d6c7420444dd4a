"""The memory that a worker and its supervisor share, between two real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dockerci.agent.worker_memory import MAX_ROWS, WorkerMemory, shared_descriptor

WAIT_SECONDS = 30.0


@pytest.fixture
def descriptor() -> Iterator[int]:
    """Memory to share; closed at the end, as far as a test has not done so."""
    descriptor = shared_descriptor()
    yield descriptor
    os.close(descriptor)


def in_child(descriptor: int, *lines: str) -> None:
    """Run a worker that writes; its memory is `notes`."""
    program = [
        "import os, sys",
        "from pytest_dockerci.agent.worker_memory import WorkerMemory",
        f"notes = WorkerMemory({descriptor})",
        f"os.close({descriptor})",
        *lines,
    ]
    subprocess.run(
        [sys.executable, "-c", "\n".join(program)], check=True, close_fds=False, timeout=WAIT_SECONDS
    )


@pytest.fixture
def inherited(descriptor: int) -> int:
    """The same, for child processes."""
    os.set_inheritable(descriptor, True)
    return descriptor


def test_where_a_worker_is(inherited: int) -> None:
    """What it noted last is there after its end."""
    notes = WorkerMemory(inherited)
    began = time.monotonic()
    in_child(inherited, "notes.begin(7)", "notes.enter('call')", "os._exit(0)")
    noted = notes.noted()
    assert (noted.runs, noted.test, noted.when) == (1, 7, "call")
    assert began < noted.run_began <= noted.step_began < time.monotonic()


def test_each_phase_has_its_own_time(inherited: int) -> None:
    """A test's next phase, and a next test, begin when they begin."""
    notes = WorkerMemory(inherited)
    in_child(inherited, "notes.begin(1)", "notes.enter('teardown')", "os._exit(0)")
    first = notes.noted()
    assert first.step_began > first.run_began
    in_child(inherited, "notes.begin(2)", "os._exit(0)")
    second = notes.noted()
    assert (second.runs, second.test, second.when) == (2, 2, "setup")
    assert second.run_began == second.step_began > first.step_began


def test_messages_that_the_supervisor_has_dealt_with(inherited: int) -> None:
    """The worker sees how many there were."""
    notes = WorkerMemory(inherited)
    for count in range(1, 4):
        notes.note_handled()
        in_child(inherited, f"assert notes.handled == {count}, notes.handled")


def test_a_phase_that_has_not_ended(inherited: int) -> None:
    """It goes on as if nothing had been said of the next, with the time at which it began."""
    notes = WorkerMemory(inherited)
    in_child(inherited, "notes.begin(7)", "notes.enter('call')", "os._exit(0)")
    before = notes.noted()
    in_child(inherited, "notes.enter('teardown')", "notes.go_on()", "os._exit(0)")
    assert notes.noted() == before
    # Nothing was entered: there is nothing to take back.
    in_child(inherited, "notes.go_on()", "os._exit(0)")
    assert notes.noted() == before
    in_child(inherited, "notes.enter('teardown')", "notes.go_on()", "notes.go_on()", "os._exit(0)")
    assert notes.noted() == before
    in_child(inherited, "notes.enter('call')", "notes.begin(8)", "notes.go_on()", "os._exit(0)")
    assert (notes.noted().test, notes.noted().when) == (8, "setup")
    assert notes.noted().step_began == notes.noted().run_began
    in_child(inherited, "notes.enter('teardown')", "os._exit(0)")
    assert notes.noted().when == "teardown"


def test_passed_tests(inherited: int) -> None:
    """They are taken once, in order, and the supervisor is told of the first."""
    notes = WorkerMemory(inherited)
    in_child(
        inherited,
        "told = [notes.add_passed((index, 0.5, 1.0, 2.0, 3.0)) for index in range(3)]",
        "assert told == [True, False, False], told",
    )
    assert notes.waiting == 3
    assert notes.take_passed() == [[float(index), 0.5, 1.0, 2.0, 3.0] for index in range(3)]
    assert notes.take_passed() == []
    in_child(inherited, "assert notes.add_passed((3, 0, 0, 0, 0)), 'the first that waits is news'")
    assert [row[0] for row in notes.take_passed()] == [3.0]


def test_low_descriptors_stay_free(inherited: int) -> None:
    """A test finds the same ones taken as under plain pytest, and as many open as before."""
    in_child(
        inherited,
        "from pytest_dockerci.agent.channel import FIRST_DESCRIPTOR",
        "from pytest_dockerci.agent.worker_memory import shared_descriptor",
        "before = set(os.listdir('/proc/self/fd'))  # of which one or two are for the memory that is there",
        "assert len(before) < 100, before",
        "descriptor = shared_descriptor(); again = WorkerMemory(descriptor); os.close(descriptor)",
        "more = {int(number) for number in set(os.listdir('/proc/self/fd')) - before}",
        "assert len(more) <= 1 and all(number >= FIRST_DESCRIPTOR for number in more), more",
    )


def test_a_forked_child(inherited: int) -> None:
    """It does not speak for its parent."""
    notes = WorkerMemory(inherited)
    in_child(
        inherited,
        "notes.begin(1)",
        "if os.fork() == 0:",
        "    notes.begin(2); notes.enter('teardown')",
        "    assert notes.add_passed((2, 0, 0, 0, 0)) is False",
        "    notes._before = (2, 0.0); notes.go_on(); os._exit(0)",
        "assert os.wait()[1] == 0",
    )
    noted = notes.noted()
    assert (noted.runs, noted.test, noted.when, notes.waiting) == (1, 1, "setup", 0)
    assert noted.step_began == noted.run_began


def test_more_than_it_holds(descriptor: int) -> None:
    """The worker waits until some are taken; none is lost, and half of all is news again."""
    written, read = WorkerMemory(descriptor), WorkerMemory(descriptor)
    told: list[int] = []

    def write() -> None:
        told.extend(index for index in range(1000) if written.add_passed((index, 0, 0, 0, 0)))

    thread = threading.Thread(target=write)
    thread.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while read.waiting < MAX_ROWS:
        assert time.monotonic() < deadline
    rows: list[list[float]] = []
    while len(rows) < 1000:
        assert time.monotonic() < deadline
        rows += read.take_passed()
    thread.join()
    assert [row[0] for row in rows] == list(range(1000))
    assert told[:2] == [0, MAX_ROWS // 2 - 1]


def test_without_a_supervisor(inherited: int) -> None:
    """A worker that waits for one that is gone ends."""
    in_child(
        inherited,
        f"for index in range({MAX_ROWS}): notes.add_passed((index, 0, 0, 0, 0))",
        "notes._parent = -1",
        "try: notes.add_passed((0, 0, 0, 0, 0))",
        "except EOFError: os._exit(0)",
        "os._exit(1)",
    )


@pytest.mark.parametrize("number", [-1, MAX_ROWS + 1, 1 << 62])
def test_what_a_test_wrote_there(descriptor: int, number: int) -> None:
    """A count that cannot be is an error."""
    notes = WorkerMemory(descriptor)
    notes._numbers[3] = number
    with pytest.raises(ValueError, match="it wrote into the memory of the agent"):
        notes.take_passed()


def test_a_phase_that_is_none(descriptor: int) -> None:
    """It is still called something."""
    notes = WorkerMemory(descriptor)
    notes._numbers[2] = -5
    assert notes.noted().when in ("setup", "call", "teardown")


def test_without_memfd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Python that was built for an old libc has no such memory; a file without a name does."""
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    descriptor = shared_descriptor()
    WorkerMemory(descriptor).begin(3)
    assert WorkerMemory(descriptor).noted().test == 3
    os.close(descriptor)
    assert list(tmp_path.iterdir()) == []
