"""The seam between what drives the agents and those who hear what a worker says beside its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pytest_dockerci.agent import wire


class Borrower(Protocol):
    """An agent whose worker is in a debugger."""

    @property
    def is_in_debugger(self) -> bool:
        """False when it needs the terminal no more."""

    def type(self, text: str) -> None:
        """Send what was typed; empty at the end of the input."""

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal's size, in characters."""

    def show(self, is_over: Callable[[], bool], on_terminal: Callable[[bytes], None]) -> None:
        """Wait a moment for what it prints, and show that; what it prints to the terminal through a function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Those who hear it, each in pytest's own thread unless it says otherwise.

    Attributes:
        show_output: Gets ``(stream name, text)`` of what passes pytest's capture by.
        record_warning: Gets each warning.
        measured: Gets each part of the coverage, from the threads that read.
        lend_terminal: Called when a debugger asks for the terminal, with the agent and a condition; returns when the
            terminal has been given back, or the condition holds.
    """

    show_output: Callable[[str, str], None]
    record_warning: Callable[[wire.Warned], None]
    measured: Callable[[wire.Measured], None]
    lend_terminal: Callable[[Borrower, Callable[[], bool]], None]


def refuse_coverage(_measured: wire.Measured) -> None:
    """For a run that measures nothing.

    Raises:
        wire.WireError: In any case.
    """
    raise wire.WireError("coverage came that nobody asked for")
