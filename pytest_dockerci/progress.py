"""What a person sees while a run is being prepared: the seam between the engine side and the terminal.

Pure: no terminal is known here. `terminal.py` shows it; tests collect it in a list.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """Where the preparation of a run says what it does. May be called from any thread."""

    def line(self, text: str) -> None:
        """A line that stays."""

    def notice(self, text: str) -> None:
        """A line that nobody must miss, however quiet the run is."""

    def detail(self, text: str) -> None:
        """A line that stays under ``-v`` and only passes by otherwise (build steps)."""

    def status(self, text: str) -> None:
        """What is waited for right now; replaces the status before it. An empty text ends it."""

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Measures the named phase (``build``, ``services`` ...) while the context lasts."""
