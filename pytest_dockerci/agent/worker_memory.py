"""What a worker notes in memory that its supervisor reads: where it is, and the tests that simply passed.

As messages, these were half of what a short test cost. They stay what they were when the worker dies, and when a
test closes every file descriptor.

Messages and passed tests keep their order: a worker adds a test here only when its supervisor has dealt with every
message that it has sent, and the supervisor takes the tests from here before it deals with a message.
"""

import mmap
import os
import sys
import time
from contextlib import suppress
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .channel import FIRST_DESCRIPTOR
from .system import System

PHASES = ("setup", "call", "teardown")
# How many passed tests may wait for the supervisor; it is told when half of that do.
MAX_ROWS = 256
_RUNS, _TEST, _PHASE, _WRITTEN, _TAKEN, _HANDLED = range(6)
_RUN_BEGAN, _STEP_BEGAN = range(2)
_NUMBERS, _TIMES = 6, 2
_ROW_NUMBERS = 5
_BYTES = 8 * (_NUMBERS + _TIMES + MAX_ROWS * _ROW_NUMBERS)
_FULL_WAIT_SECONDS = 0.001


class Noted(NamedTuple):
    """Where a worker is.

    Attributes:
        runs: Number of test runs that have begun.
        test: The test of the last one, by its position in the collection.
        when: Its phase.
        run_began: Seconds on the clock of `time.monotonic`, which all processes of a host share.
        step_began: Of the phase, as `run_began`.
    """

    runs: int
    test: int
    when: str
    run_began: float
    step_began: float


class WorkerMemory:
    """The notes of one worker, in both processes. A hostile test can write any number there.

    Args:
        descriptor: From `shared_descriptor`; may be closed afterwards.

    Raises:
        OSError: It cannot be mapped.
    """

    def __init__(self, descriptor: int) -> None:
        memory = memoryview(_mapped(descriptor))
        self._numbers = memory[: 8 * _NUMBERS].cast("q")
        self._times = memory[8 * _NUMBERS : 8 * (_NUMBERS + _TIMES)].cast("d")
        self._rows = memory[8 * (_NUMBERS + _TIMES) :].cast("d")
        self._taken = 0
        self._before: Optional[Tuple[int, float]] = None
        self._process = System.getpid()
        self._parent = System.getppid()

    # The worker. A forked child that runs on into our code must not speak for its parent.

    def begin(self, test: int) -> None:
        """A run of a test begins, with its set-up."""
        if System.getpid() == self._process:
            self._before = None
            self._times[_RUN_BEGAN] = self._times[_STEP_BEGAN] = _now()
            self._numbers[_TEST] = test
            self._numbers[_PHASE] = 0
            self._numbers[_RUNS] += 1

    def enter(self, when: str) -> None:
        """A phase begins."""
        if System.getpid() == self._process:
            self._before = (self._numbers[_PHASE], self._times[_STEP_BEGAN])
            self._times[_STEP_BEGAN] = _now()
            self._numbers[_PHASE] = PHASES.index(when)

    def go_on(self) -> None:
        """The phase before the one that was entered last has not ended after all, and goes on with its own time."""
        if System.getpid() == self._process and self._before is not None:
            (self._numbers[_PHASE], self._times[_STEP_BEGAN]), self._before = self._before, None

    @property
    def handled(self) -> int:
        """How many of its messages the supervisor has dealt with."""
        return self._numbers[_HANDLED]

    def add_passed(self, row: Sequence[float]) -> bool:
        """Note a test that passed, as in `wire.Passed`; waits while the supervisor is far behind.

        Returns:
            True when the supervisor has to be told: it knows of none that waits, or of too few.

        Raises:
            EOFError: The supervisor is gone.
        """
        numbers = self._numbers
        if System.getpid() != self._process:
            return False
        written = numbers[_WRITTEN]
        while written - numbers[_TAKEN] >= MAX_ROWS:
            if System.getppid() != self._parent:
                raise EOFError
            System.sleep(_FULL_WAIT_SECONDS)
        begin = written % MAX_ROWS * _ROW_NUMBERS
        for position, value in enumerate(row, begin):
            self._rows[position] = value
        numbers[_WRITTEN] = written + 1  # last: who reads now finds the row whole
        return written + 1 - numbers[_TAKEN] in (1, MAX_ROWS // 2)

    # The supervisor

    def noted(self) -> Noted:
        """Where the worker is."""
        numbers, times = self._numbers, self._times
        return Noted(
            runs=numbers[_RUNS],
            test=numbers[_TEST],
            when=PHASES[numbers[_PHASE] % len(PHASES)],
            run_began=times[_RUN_BEGAN],
            step_began=times[_STEP_BEGAN],
        )

    def note_handled(self) -> None:
        """A message has been dealt with."""
        self._numbers[_HANDLED] += 1

    @property
    def waiting(self) -> int:
        """How many passed tests have not been taken.

        Raises:
            ValueError: Somebody else wrote there.
        """
        waiting = self._numbers[_WRITTEN] - self._taken
        if not 0 <= waiting <= MAX_ROWS:
            raise ValueError("it wrote into the memory of the agent")
        return waiting

    def take_passed(self) -> List[List[float]]:
        """Those tests, oldest first; errors as for `waiting`."""
        rows = []
        for number in range(self._taken, self._taken + self.waiting):
            begin = number % MAX_ROWS * _ROW_NUMBERS
            rows.append([float(value) for value in self._rows[begin : begin + _ROW_NUMBERS]])
        self._taken += len(rows)
        self._numbers[_TAKEN] = self._taken
        return rows


def _now() -> float:
    # As `time.monotonic`, which time-machine stops along with a test's clock, wherever it is called.
    return System.clock_gettime(time.CLOCK_MONOTONIC)


def _mapped(descriptor: int) -> mmap.mmap:
    """The memory, without a low descriptor that the tests would not find taken under plain pytest."""
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, _BYTES, trackfd=False)
    low: List[int] = []  # Python keeps a duplicate of the descriptor, with the lowest number that is free
    with suppress(OSError):
        while not low or low[-1] < FIRST_DESCRIPTOR:
            low.append(os.dup(descriptor))
    os.close(low.pop())
    try:
        return mmap.mmap(descriptor, _BYTES)
    finally:
        for each in low:
            os.close(each)


def shared_descriptor() -> int:
    """Memory for a `WorkerMemory`, to be handed to a child process.

    Raises:
        OSError: There is none to be had.
    """
    descriptor = _anonymous_descriptor()
    os.ftruncate(descriptor, _BYTES)
    return descriptor


def _anonymous_descriptor() -> int:
    with suppress(AttributeError, OSError):  # a Python that was built for an old libc, a kernel that refuses
        return os.memfd_create("dockerci-worker")
    import tempfile  # a Linux with that call does without

    for folder in ("/dev/shm", None):  # noqa: S108 - the file has no name
        with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
            return os.dup(file.fileno())
    raise OSError("no memory to share with a child process")
