"""Lends the host's terminal to a debugger in a container.

The debugger runs there, with the image's own Python; keys go to it as they are typed, and what it
shows comes back through `terminal_gate`. Where the host's input is a pipe or a file, its lines go there.
"""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pytest_dockerci.items import ContainerItem, ContainerNode
from pytest_dockerci.listener import Borrower
from pytest_dockerci.terminal_gate import TerminalGate

if TYPE_CHECKING:
    import pytest

_KEYBOARD, _SCREEN = 0, 1
_INTERRUPT_KEY = b"\x03"
# Two presses of Ctrl-C in a row end the run; one is the debugger's, which shows its prompt again.
_IN_A_ROW_SECONDS = 2.0
_READ_BYTES = 1 << 16


class HostTerminal:
    """The terminal in which pytest was started, or what stands in its place.

    Args:
        config: pytest's configuration; its capture is suspended while a debugger reads.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._has_input_ended = False

    def description(self) -> dict[str, str]:
        """What a worker is told of it, as in `wire.Start`."""
        with self._uncaptured():
            if not _is_terminal(_KEYBOARD, _SCREEN):
                return {"kind": "pipe"}
            size = os.get_terminal_size(_KEYBOARD)
        name = os.environ.get("TERM", "")
        return {
            "kind": "terminal",
            "type": name if re.fullmatch(r"[\w.+-]+", name) else "dumb",
            "rows": str(size.lines),
            "columns": str(size.columns),
        }

    def lend(self, borrower: Borrower, is_over: Callable[[], bool]) -> None:
        """Serve a debugger until it gives the terminal back, or its worker has gone on or gone.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed twice in a row.
        """
        hook = self._config.hook
        with ExitStack() as stack:
            stack.enter_context(self._uncaptured())
            # pytest-timeout stops its clock for this.
            hook.pytest_enter_pdb(config=self._config, pdb=None)
            stack.callback(hook.pytest_leave_pdb, config=self._config, pdb=None)
            has_terminal = _is_terminal(_KEYBOARD, _SCREEN)
            if has_terminal:
                stack.enter_context(_keys_unprocessed())
            keyboard = _Keyboard(borrower, has_keys=has_terminal, has_ended=self._has_input_ended)
            stack.enter_context(keyboard.reading())
            self._serve(borrower, is_over, keyboard, has_terminal=has_terminal)
        self._has_input_ended = keyboard.has_ended

    def _serve(
        self, borrower: Borrower, is_over: Callable[[], bool], keyboard: _Keyboard, *, has_terminal: bool
    ) -> None:
        gate = TerminalGate()
        size = os.get_terminal_size(_KEYBOARD) if has_terminal else os.terminal_size((0, 0))
        is_last = False
        while not is_last:
            is_last = not borrower.is_in_debugger or is_over()
            if keyboard.is_interrupted:
                raise KeyboardInterrupt
            if has_terminal and size != (size := os.get_terminal_size(_KEYBOARD)):
                borrower.resize(size.lines, size.columns)
            borrower.show(is_over, lambda data: _write_all(gate.feed(data).encode("utf-8", "replace")))

    @contextmanager
    def _uncaptured(self) -> Iterator[None]:
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        if capture is None:
            yield
            return
        # pytest's own way of this leaves the input captured, and its `resume` captures what was not captured before.
        captured_input = getattr(capture._global_capturing, "in_", None)  # noqa: SLF001 - there is no public way
        with capture.global_and_fixture_disabled(), ExitStack() as stack:
            if captured_input is not None:
                captured_input.suspend()
                stack.callback(captured_input.resume)
            yield


class _Keyboard:
    """Reads what is typed in a thread, and sends it on."""

    def __init__(self, borrower: Borrower, *, has_keys: bool, has_ended: bool) -> None:
        self._borrower = borrower
        self._has_keys = has_keys
        self.has_ended = has_ended
        self._interrupted_monotonic: float | None = None
        self.is_interrupted = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        if self.has_ended:
            self._borrower.type("")
            yield
            return
        stop_read, stop_write = os.pipe()
        thread = threading.Thread(target=self._read, args=(stop_read,), name="dockerci keyboard", daemon=True)
        thread.start()
        try:
            yield
        finally:
            os.close(stop_write)
            thread.join()
            os.close(stop_read)

    def _read(self, stop: int) -> None:
        while not self.has_ended:
            try:
                readable = select.select([_KEYBOARD, stop], [], [])[0]
                if stop in readable:
                    return
                data = os.read(_KEYBOARD, _READ_BYTES)
            except (OSError, ValueError):  # closed
                data = b""
            self.has_ended = not data
            if self._has_keys and data.endswith(_INTERRUPT_KEY):
                self._note_interrupt(data)
            elif data:
                self._interrupted_monotonic = None
            self._borrower.type(data.decode("utf-8", "surrogateescape"))

    def _note_interrupt(self, data: bytes) -> None:
        now = time.monotonic()
        before = self._interrupted_monotonic
        is_second = before is not None and data == _INTERRUPT_KEY and now - before < _IN_A_ROW_SECONDS
        self.is_interrupted = self.is_interrupted or is_second or data.endswith(_INTERRUPT_KEY * 2)
        self._interrupted_monotonic = now


class PdbForHostTests:
    """Stands for pytest's own ``--pdb``: what fails in a container has had its debugger there.

    Args:
        pdb: pytest's plugin.
    """

    def __init__(self, pdb: Any) -> None:
        self._pdb = pdb

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        """Open the debugger for a host test.

        Raises:
            KeyboardInterrupt: It came while a container's test was waited for; pytest has caught it.
        """
        from pytest_dockerci.commands.items import CaseItem, CommandItem  # noqa: PLC0415 - not every run has a debugger

        if not isinstance(node, (ContainerItem, ContainerNode, CommandItem, CaseItem)):
            self._pdb.pytest_exception_interact(node, call, report)
        elif isinstance(call.excinfo.value, KeyboardInterrupt):
            raise call.excinfo.value

    def pytest_internalerror(self, excinfo: Any) -> None:
        """As pytest's own."""
        self._pdb.pytest_internalerror(excinfo)


def opens_debugger(config: pytest.Config) -> bool:
    """True when the command line asks for a debugger."""
    return bool(getattr(config.option, "usepdb", False) or getattr(config.option, "trace", False))


def keep_pdb_to_host_tests(config: pytest.Config) -> None:
    """Put `PdbForHostTests` in the place of pytest's ``--pdb``."""
    pdb = config.pluginmanager.get_plugin("pdbinvoke")
    if pdb is not None and not isinstance(pdb, PdbForHostTests):
        config.pluginmanager.unregister(pdb)
        config.pluginmanager.register(PdbForHostTests(pdb), "pdbinvoke")


@contextmanager
def _keys_unprocessed() -> Iterator[None]:
    """Each key goes to the container as it is; what is printed here still begins at the left."""
    before = termios.tcgetattr(_KEYBOARD)
    tty.setraw(_KEYBOARD, termios.TCSADRAIN)
    raw = termios.tcgetattr(_KEYBOARD)
    raw[1] = before[1]
    termios.tcsetattr(_KEYBOARD, termios.TCSADRAIN, raw)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal was closed
            termios.tcsetattr(_KEYBOARD, termios.TCSADRAIN, before)


def _is_terminal(*descriptors: int) -> bool:
    try:
        return all(os.isatty(descriptor) for descriptor in descriptors)
    except OSError:
        return False


def _write_all(data: bytes) -> None:
    sys.stdout.flush()
    view = memoryview(data)
    while view:
        view = view[os.write(_SCREEN, view) :]
