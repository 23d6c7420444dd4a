"""The engine's event stream of one run: it says that something changed, and the engine is then asked what.

Opened before the first container is created, so that nothing can change unseen.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions
import urllib3.exceptions

from pytest_dockerci.engine.labels import RUN, RunIdentity

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine


class RunEvents:
    """Wakes those who wait for containers of the run, and knows when those started and became healthy.

    Args:
        engine: The engine.
        identity: The run.

    Attributes:
        started_monotonic: Container to when it started last.
        healthy_monotonic: Container to when it became healthy, since then for the first time.
    """

    def __init__(self, engine: Engine, identity: RunIdentity) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._is_closed = False
        self.started_monotonic: dict[str, float] = {}
        self.healthy_monotonic: dict[str, float] = {}
        filters = {"type": ["container"], "label": [f"{RUN}={identity.run_id}"]}
        self._stream: Any = engine.client.api.events(filters=filters, decode=True)
        self._thread = threading.Thread(target=self._read, name="dockerci events", daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """How many changes there were; to be read before looking, and given to `wait_beyond`."""
        return self._count

    def wait_beyond(self, count: int, timeout_seconds: float) -> None:
        """Return at the next change after the given count, or at the time limit."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self._count <= count and not self._is_closed:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def wake(self) -> None:
        """Count a change that the engine does not know."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """The run is ending: there is nothing to wait for any more."""
        return self._is_closed

    def close(self) -> None:
        """End the stream and wake everybody."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._stream.close()

    def _note(self, action: str, container_id: str) -> None:
        if action == "start":
            self.started_monotonic[container_id] = time.monotonic()
            self.healthy_monotonic.pop(container_id, None)
        elif action == "health_status: healthy":
            self.healthy_monotonic.setdefault(container_id, time.monotonic())

    def _read(self) -> None:
        try:
            for event in self._stream:
                action = str(event.get("Action", ""))
                # Health checks are commands: without this, every probe would wake everybody three times.
                if not action.startswith("exec_"):
                    self._note(action, str(event.get("id", "")))
                    self.wake()
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError):
            pass
        except (urllib3.exceptions.HTTPError, AttributeError):
            # What the SDK's generator raises when its connection is closed under it.
            pass
