"""Which worker runs which test next. Pure.

The tests of one module stay together, in order, unless a worker would have nothing to do:
then it takes the later half of what the longest module still holds back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence

MIN_AHEAD = 2
MAX_AHEAD = 64
_AHEAD_SECONDS = 0.05


class Schedule:
    """The tests between two host tests, shared by several workers.

    Args:
        tests: ``(test, module)`` in the order of the run.
        workers: Number of workers.
    """

    def __init__(self, tests: Sequence[tuple[int, Hashable]], workers: int) -> None:
        self._groups: deque[deque[int]] = deque()
        previous: Hashable = None
        for test, module in tests:
            if not self._groups or module != previous:
                self._groups.append(deque())
            self._groups[-1].append(test)
            previous = module
        self._own: list[deque[int]] = [deque() for _ in range(workers)]

    @property
    def is_empty(self) -> bool:
        """True when every test has been handed out."""
        return not self._groups and not any(self._own)

    def take(self, worker: int, count: int) -> list[int]:
        """The next tests for a worker, at most `count`; empty when there are none for it.

        Args:
            worker: Number of the worker, from 0.
            count: How many it can take now.
        """
        taken: list[int] = []
        while len(taken) < count:
            if not self._own[worker] and not self._find_more(worker, is_idle=not taken):
                break
            taken.append(self._own[worker].popleft())
        return taken

    def give_back(self, worker: int, tests: Sequence[int]) -> None:
        """Take back tests that a worker did not run; it, or another one, gets them first."""
        self._own[worker].extendleft(reversed(tests))

    def _find_more(self, worker: int, *, is_idle: bool) -> bool:
        if self._groups:
            self._own[worker] = self._groups.popleft()
            return True
        longest = max(self._own, key=len)
        if not is_idle or len(longest) < MIN_AHEAD:
            return False
        for _ in range(len(longest) // 2):
            self._own[worker].appendleft(longest.pop())
        return True


def tests_ahead(seconds: float, tests: int) -> int:
    """How many tests a worker should hold, so that it neither waits for the host nor hoards.

    Args:
        seconds: What the tests that it has run took together.
        tests: How many those were.
    """
    if tests == 0 or seconds <= 0:
        return MIN_AHEAD
    return min(MAX_AHEAD, MIN_AHEAD + round(_AHEAD_SECONDS / (seconds / tests)))
