"""Says, as long as a run uses a kept stack, that it does: the stack's time begins anew."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from pytest_dockerci.engine.connection import Reachable, ask
from pytest_dockerci.engine.labels import REAPER_NAME

if TYPE_CHECKING:
    from pytest_dockerci.kept_stack import KeptStack

_LONGEST_PAUSE_SECONDS = 60.0


class Renewal:
    """For one use of one stack; of none where none is kept.

    Args:
        engine: The engine.
        kept: The stack; None for a stack that this run makes.
        project: Compose's project of the stack.
    """

    def __init__(self, engine: Reachable, kept: KeptStack | None, project: str) -> None:
        self._engine = engine
        self._kept = kept
        self._project = project
        self._is_over = threading.Event()

    def begin(self) -> None:
        """From now on, from a thread."""
        if self._kept is not None:
            threading.Thread(target=self._go_on, name="dockerci renewal", daemon=True).start()

    def end(self) -> None:
        """Say it for the last time. Safe to repeat."""
        if not self._is_over.is_set():
            self._is_over.set()
            self._say()

    def _go_on(self) -> None:
        pause = _LONGEST_PAUSE_SECONDS
        if self._kept is not None:
            pause = min(pause, self._kept.expiry_seconds / 3)
        self._say()
        while not self._is_over.wait(pause):
            self._say()

    def _say(self) -> None:
        if self._kept is None:
            return
        with contextlib.suppress(OSError):
            self._kept.touch()
        with contextlib.suppress(OSError):  # there is no reaper, or no engine
            ask(self._engine, "POST", f"containers/{self._project}{REAPER_NAME}/kill?signal=USR1")
