"""Work beside the main thread, in daemon threads: an abandoned pull must not keep the process alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Background:
    """Runs functions, each in a thread of its own, and knows those that have not ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Start a function now.

        Returns:
            Its result to come; the caller has to ask for it, or the error is never seen.
        """
        future: Future[_R] = Future()
        future.set_running_or_notify_cancel()

        def work() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
                future.set_exception(error)

        thread = threading.Thread(target=work, name=f"dockerci {function.__name__}", daemon=True)
        with self._lock:
            thread.start()  # under the lock: `join` may be called at any time
            self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        return future

    def join(self, timeout_seconds: float) -> bool:
        """Wait until all have ended, or the time is up; True when all have."""
        deadline = time.monotonic() + timeout_seconds
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)
