"""What came past pytest's capture: each piece waits for its place between the results."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_dockerci.worker_ledger import TestRecord

_MAX_CHARACTERS = 8 << 20
TERMINAL = "terminal"  # beside `stdout` and `stderr`: for the terminal that a debugger has


class PrintedOutput:
    """A queue of pieces, in the order in which they came. It is true while there are any.

    Args:
        changed: Held by whoever calls, but for `showing`.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._characters = 0
        self._showing = 0
        self._pieces: deque[tuple[int, str, str]] = deque()

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, stream: str, text: str, completed: int) -> None:
        """Take a piece.

        Args:
            stream: Where it was written to.
            text: The piece.
            completed: How many results had come before it.
        """
        self._pieces.append((completed, stream, text))
        self._characters += len(text)

    def take(self, up_to: TestRecord | None) -> list[tuple[str, str]]:
        """The pieces that came before a result, or all; each with its stream."""
        taken = []
        while self._pieces and (up_to is None or self._pieces[0][0] <= up_to.order):
            _, stream, text = self._pieces.popleft()
            self._characters -= len(text)
            taken.append((stream, text))
        self._changed.notify_all()
        return taken

    @property
    def is_full(self) -> bool:
        """There is more than should pile up."""
        return self._characters >= _MAX_CHARACTERS

    @contextmanager
    def showing(self) -> Iterator[None]:
        """What comes is taken meanwhile, to be shown."""
        with self._changed:
            self._showing += 1
        try:
            yield
        finally:
            with self._changed:
                self._showing -= 1
                self._changed.notify_all()

    def wait_for_room(self) -> None:
        """What comes faster than it is shown stays in the container; where nobody shows it, it has to be kept here."""
        self._changed.wait_for(lambda: not (self._showing and self.is_full))
