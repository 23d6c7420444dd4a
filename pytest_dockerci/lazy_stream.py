"""A channel that opens itself."""

from __future__ import annotations

from collections.abc import Callable

from pytest_dockerci.byte_stream import ByteStream


class LazyStream:
    """Opens its channel when the agent is first spoken to, so that a dead one can be replaced."""

    def __init__(self, open_stream: Callable[[int], ByteStream], worker: int) -> None:
        self._open_stream = open_stream
        self._worker = worker
        self._stream: ByteStream | None = None
        self._is_closed = False

    def read(self, timeout_seconds: float) -> bytes:
        """As `ByteStream.read`; at its end before anything was written."""
        return b"" if self._stream is None else self._stream.read(timeout_seconds)

    def write(self, data: bytes, /) -> None:
        """Open the channel if it is not open; write all of it."""
        if self._stream is None:
            self._stream = self._open_stream(self._worker)
        self._stream.write(data)

    def close(self) -> None:
        """Hang up."""
        self._is_closed = True
        if self._stream is not None:
            self._stream.close()

    def trouble(self) -> str:
        """As `ByteStream.trouble`; there is none where it was this side that hung up."""
        return "" if self._stream is None or self._is_closed else self._stream.trouble()

    def stderr_tail(self) -> str:
        """The end of what the other side wrote to its standard error."""
        return "" if self._stream is None else self._stream.stderr_tail()
