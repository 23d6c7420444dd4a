"""Writes to a pipe or terminal whose reader may be busy, without waiting for it."""

import os
from collections import deque
from typing import Deque


class PatientWriter:
    """Keeps what a descriptor does not take yet.

    Args:
        descriptor: Made non-blocking here.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._pending: Deque[memoryview] = deque()
        os.set_blocking(descriptor, False)

    @property
    def has_pending(self) -> bool:
        """True while something is to be written; `flush` when the descriptor can be written to."""
        return bool(self._pending)

    def write(self, data: bytes) -> None:
        """Write now, or later.

        Raises:
            OSError: The reader is gone.
        """
        self._pending.append(memoryview(data))
        self.flush()

    def flush(self) -> None:
        """Write as much as is taken; errors as for `write`, after which nothing is pending."""
        try:
            while self._pending:
                written = os.write(self.descriptor, self._pending[0])
                self._pending[0] = self._pending[0][written:]
                if not self._pending[0]:
                    self._pending.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._pending.clear()
            raise
