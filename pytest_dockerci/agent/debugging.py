"""Lends the host's terminal to pytest's debugger in the worker, for as long as it asks for input."""

import fcntl
import os
import sys
from contextlib import suppress
from typing import Any, Dict, List, Tuple

import pytest

from . import wire
from .channel import Channel
from .debugger_device import END_MARK, take_terminal
from .system import System, identity_of

_SAVED_FROM_DESCRIPTOR = 900


class Debugging:
    """A plugin that follows pytest's own: ``--pdb``, ``--trace``, ``breakpoint()`` and ``pytest.set_trace()``.

    Args:
        channel: To the host.
        terminal: As in `wire.Start`.
        descriptor: The worker's end of the device.
        quiet: The stream of the quiet terminal reporter.
    """

    def __init__(self, channel: Channel, terminal: Dict[str, str], descriptor: int, quiet: Any) -> None:
        self._channel = channel
        self._terminal = terminal
        self._descriptor = descriptor
        self._quiet = quiet
        self._saved: List[Tuple[int, int]] = []
        self._streams: List[Any] = []
        self._saved_type = os.environ.get("TERM")
        self._is_lent = False
        self._was_used = False

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_exception_interact(self, node: Any) -> Any:
        """What pytest shows before it enters the debugger goes through the terminal reporter."""
        self._quiet.is_shown = bool(node.config.getoption("usepdb", False))
        yield
        self._quiet.is_shown = False

    @pytest.hookimpl(trylast=True)
    def pytest_enter_pdb(self) -> None:
        """Put the host's terminal in place of the worker's standard streams, which pytest has given back by now."""
        if self._is_lent:
            return
        self._is_lent = self._was_used = True
        self._streams = [sys.stdout, sys.stderr]
        self._flush()
        self._channel.send(wire.Debugger(state="entered"))
        has_terminal = self._terminal["kind"] == "terminal"
        for number in (0, 1, 2) if has_terminal else (0,):
            self._saved.append((number, _duplicate(number)))
            System.dup2(self._descriptor, number)
        if has_terminal:
            take_terminal(self._descriptor)
            os.environ["TERM"] = self._terminal["type"]  # for readline

    @pytest.hookimpl(tryfirst=True)
    def pytest_leave_pdb(self) -> None:
        """The test goes on."""
        self._give_back()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Any:
        """A debugger that was quit, or left at the end of its input, does not say so."""
        yield
        if sys.gettrace() is None:
            self._give_back()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """So does one in the collection."""
        self._give_back()

    def was_used(self) -> bool:
        """True when a debugger had the terminal since this was asked last."""
        used, self._was_used = self._was_used, False
        return used

    def _give_back(self) -> None:
        if not self._is_lent:
            return
        self._is_lent = False
        self._flush()
        while self._saved:
            number, saved = self._saved.pop()
            with suppress(OSError):  # the test has closed it
                if identity_of(number) == identity_of(self._descriptor):  # else pytest's capture has it again
                    System.dup2(saved, number)
                System.close(saved)
        if self._saved_type is None:
            os.environ.pop("TERM", None)
        else:
            os.environ["TERM"] = self._saved_type
        if self._terminal["kind"] == "terminal":
            System.write(self._descriptor, END_MARK)
        self._channel.send(wire.Debugger(state="left"))

    def _flush(self) -> None:
        for stream in self._streams:
            with suppress(Exception):  # a test can have put anything there
                stream.flush()


def _duplicate(number: int) -> int:
    try:
        return System.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _SAVED_FROM_DESCRIPTOR)
    except OSError:
        return System.dup(number)
