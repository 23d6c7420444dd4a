"""Which test a worker runs and in which phase: a few numbers in memory that its supervisor reads when it looks.

They change four times a test and are read when something may be wrong: as messages they were half of what a short
test cost. They stay what they were when the worker dies, or when a test closes every file descriptor.
"""

import mmap
import os
import tempfile
from contextlib import suppress
from typing import NamedTuple

from .system import System

PHASES = ("setup", "call", "teardown")
_RUNS, _STEPS, _TEST, _PHASE = range(4)
_BYTES = 4 * 8


class Noted(NamedTuple):
    """What a worker has noted.

    Attributes:
        runs: Number of test runs that have begun.
        steps: Number of phases that have begun.
        test: The test of the last one, by its position in the collection.
        when: Its phase.
    """

    runs: int
    steps: int
    test: int
    when: str


class PhaseMemory:
    """The notes of one worker, in both processes. A hostile test can write any number there.

    Args:
        descriptor: Of at least `_BYTES` bytes; may be closed afterwards.

    Raises:
        OSError: It cannot be mapped.
    """

    def __init__(self, descriptor: int) -> None:
        self._numbers = memoryview(mmap.mmap(descriptor, _BYTES)).cast("q")
        self._process = System.getpid()

    def begin(self, index: int) -> None:
        """A run of a test begins, with its set-up."""
        self._numbers[_TEST] = index
        self.enter("setup")
        if System.getpid() == self._process:
            self._numbers[_RUNS] += 1

    def enter(self, when: str) -> None:
        """A phase begins. A forked child that runs on into our code must not speak for its parent."""
        if System.getpid() == self._process:
            self._numbers[_PHASE] = PHASES.index(when)
            self._numbers[_STEPS] += 1

    def noted(self) -> Noted:
        """What the worker noted last."""
        numbers = self._numbers
        when = PHASES[numbers[_PHASE] % len(PHASES)]
        return Noted(runs=numbers[_RUNS], steps=numbers[_STEPS], test=numbers[_TEST], when=when)


def shared_descriptor() -> int:
    """Memory for a `PhaseMemory`, to be handed to a child process.

    Raises:
        OSError: There is nothing to be had.
    """
    descriptor = _anonymous_descriptor()
    os.ftruncate(descriptor, _BYTES)
    return descriptor


def _anonymous_descriptor() -> int:
    with suppress(AttributeError, OSError):  # a Python that was built for an old libc, a kernel that refuses
        return os.memfd_create("dockerci-phase")
    for folder in ("/dev/shm", None):  # noqa: S108 - the file has no name
        with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
            return os.dup(file.fileno())
    raise OSError("no memory to share with a child process")
