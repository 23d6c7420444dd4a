"""What the engine sends of a container's files, as a file for `tarfile` that ends whatever the container does."""

from __future__ import annotations

import time
from collections.abc import Iterator


class LimitReachedError(Exception):
    """A cap was reached; its text says which."""


class CappedReader:
    """A stream of chunks as a file that says no when too much has been read of it, or for too long.

    Args:
        chunks: The stream.
        max_bytes: What may be read.
        deadline_monotonic: Until when.
        too_much: What is said then.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        max_bytes: int,
        deadline_monotonic: float = float("inf"),
        too_much: str = "there is too much to read below the globs' folders",
    ) -> None:
        self._chunks = chunks
        self._left = max_bytes
        self._deadline = deadline_monotonic
        self._too_much = too_much
        self._pending = b""

    def read(self, size: int) -> bytes:
        """As a file's; short only at the end.

        Raises:
            LimitReachedError: There is more, or it takes longer.
        """
        pieces = [self._pending]
        have = len(self._pending)
        while have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._left -= len(chunk)
            if self._left < 0:
                raise LimitReachedError(self._too_much)
            if time.monotonic() > self._deadline:
                raise LimitReachedError("reading took too long")
            pieces.append(chunk)
            have += len(chunk)
        data = b"".join(pieces)
        self._pending = data[size:]
        return data[:size]
