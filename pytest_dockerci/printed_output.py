"""What came past pytest's capture: each piece waits for its place between the results."""

from __future__ import annotations

from collections import deque

from pytest_dockerci.worker_ledger import TestRecord

TERMINAL = "terminal"  # beside `stdout` and `stderr`: for the terminal that a debugger has


class PrintedOutput:
    """A queue of pieces, in the order in which they came. It is true while there are any."""

    def __init__(self) -> None:
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

    def take(self, up_to: TestRecord | None) -> list[tuple[str, str]]:
        """The pieces that came before a result, or all; each with its stream."""
        taken = []
        while self._pieces and (up_to is None or self._pieces[0][0] <= up_to.order):
            taken.append(self._pieces.popleft()[1:])
        return taken
