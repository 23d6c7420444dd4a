"""Signals that end a run: each one leads through pytest's own end, so that everything is removed.

TERM and HUP, which pytest leaves to the system, end the run as Ctrl-C does; the exit code says
which it was. Further signals do not cut the clean-up short.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

_DEFAULT_HANDLERS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
# Two presses of Ctrl-C in a row mean one thing; later, a second one may be meant for what hangs now.
_SAME_WISH_SECONDS = 2.0


_raised = 0


def interrupts_raised() -> int:
    """How many signals have become a `KeyboardInterrupt` in this process.

    One that is raised in a finaliser, which Python may run anywhere, is only printed: whoever waits compares.
    """
    return _raised


class Interruption:
    """Catches the signals that end a run, where nobody else does.

    Args:
        tell: Called once when a signal comes while the run is ending already.

    Attributes:
        ended_by: The TERM or HUP that ended the run; None for none, or for Ctrl-C.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.ended_by: int | None = None
        self._tell = tell
        self._has_told = False
        self._first_monotonic: float | None = None
        self._is_cleaning_up = False
        self._caught: list[int] = []

    def catch(self) -> None:
        """Take over the signals that are handled by default; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, default in _DEFAULT_HANDLERS.items():
            if number not in self._caught and signal.getsignal(number) is default:
                signal.signal(number, self._handle)
                self._caught.append(number)

    def begin_cleanup(self) -> None:
        """From here on, no signal interrupts."""
        self.catch()
        self._is_cleaning_up = True

    def release(self) -> None:
        """Give the signals back."""
        while self._caught:
            number = self._caught.pop()
            signal.signal(number, _DEFAULT_HANDLERS[number])

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        now = time.monotonic()
        is_repeated = self._first_monotonic is not None and now - self._first_monotonic < _SAME_WISH_SECONDS
        if self._is_cleaning_up or is_repeated:
            if not self._has_told:
                self._has_told = True
                self._tell()
            return
        self._first_monotonic = now
        global _raised  # noqa: PLW0603 - signals are the process's
        _raised += 1
        if number != signal.SIGINT and self.ended_by is None:
            self.ended_by = number
            raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")
        raise KeyboardInterrupt
