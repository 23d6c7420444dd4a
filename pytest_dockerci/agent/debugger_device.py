"""What pytest's debugger in a worker reads from and writes to: a pseudo-terminal, or a pipe for its input only."""

import fcntl
import os
import pty
import struct
import termios
from contextlib import suppress
from typing import Any, Dict, List, Optional

from .patient_writer import PatientWriter

# The last byte that a worker writes to the terminal before it gives it back.
END_MARK = b"\0"


class DebuggerDevice:
    """The supervisor's end of it.

    Args:
        described: The host's terminal: ``kind`` (``terminal`` or ``pipe``), and of a terminal ``type`` (its TERM),
            ``rows`` and ``columns``.

    Attributes:
        worker_descriptor: The worker's end, for its start.
        read_descriptor: Gives what is shown; None for a pipe: its worker writes to its standard output.

    Raises:
        OSError: The container has no pseudo-terminals left.
    """

    def __init__(self, described: Dict[str, str]) -> None:
        self.read_descriptor: Optional[int] = None
        self._ends = False
        if described["kind"] == "terminal":
            self._descriptor, self.worker_descriptor = pty.openpty()
            self.read_descriptor = self._descriptor
            _disable_job_control(self.worker_descriptor)
        else:
            self.worker_descriptor, self._descriptor = os.pipe()
        self._open = [self._descriptor, self.worker_descriptor]
        self._typed = PatientWriter(self._descriptor)
        self.resize(*(int(described.get(name, "0")) for name in ("rows", "columns")))

    def write(self, text: str) -> None:
        """Take what was typed; empty at the end of the input."""
        self._ends = self._ends or not text
        if self._descriptor in self._open:
            self._typed.write(text.encode("utf-8", "surrogateescape"))
        self.flush()

    def flush(self) -> None:
        """Hand on as much of it as the worker's end takes."""
        if self._descriptor not in self._open:
            return
        self._typed.flush()
        if self._ends and not self._typed.has_pending and self.read_descriptor is None:
            self._close(self._descriptor)

    def resize(self, rows: int, columns: int) -> None:
        """Take the size of the host's terminal, in characters."""
        if self.read_descriptor is not None and 0 < rows < 1 << 16 and 0 < columns < 1 << 16:
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def close(self) -> None:
        """Close both ends; safe to repeat."""
        for descriptor in list(self._open):
            self._close(descriptor)
        self.read_descriptor = None

    def _close(self, descriptor: int) -> None:
        self._open.remove(descriptor)
        os.close(descriptor)


def _disable_job_control(descriptor: int) -> None:
    """Nobody could continue a worker that Ctrl-Z stops, and what quits would dump core."""
    attributes: List[Any] = termios.tcgetattr(descriptor)
    for character in (termios.VSUSP, termios.VQUIT):
        attributes[6][character] = b"\0"
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def take_terminal(descriptor: int) -> None:
    """Make a terminal the controlling one of this session, so that Ctrl-C becomes a signal.

    Only the leader of a session can; anybody else debugs without.
    """
    with suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
