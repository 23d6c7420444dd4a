"""The seam between what drives an agent and what carries its channel."""

from __future__ import annotations

from typing import Protocol


class ByteStream(Protocol):
    """Both directions of a channel. Made by `engine.exec_stream`; a local process will do as well."""

    def read(self, timeout_seconds: float) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            TimeoutError: Nothing came in this time.
        """

    def write(self, data: bytes, /) -> None:
        """Write all of it.

        Raises:
            AgentLostError: The other side is gone.
        """

    def close(self) -> None:
        """Hang up; a blocked `read` returns."""

    def trouble(self) -> str:
        """What is wrong with the other side, as far as can be seen from outside; empty when nothing is."""

    def stderr_tail(self) -> str:
        """The end of what the other side wrote to its standard error."""
