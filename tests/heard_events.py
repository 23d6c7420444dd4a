"""The engine's events as they come: it remembers the last 256 only, and other tests make theirs meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_WAIT_SECONDS = 30.0


@contextmanager
def heard_events(engine: Engine) -> Iterator[list[dict[str, Any]]]:
    """All events from here to its end, in a list that is whole then."""
    api = engine.client.api
    last = f"dockerci-test-last-{uuid4().hex[:8]}"
    stream = api.events(since=int(time.time()), decode=True)
    events: list[dict[str, Any]] = []

    def listen() -> None:
        for event in stream:
            if event["Actor"]["ID"] == last:
                return
            events.append(event)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield events
    finally:
        api.create_volume(last)
        listener.join(_WAIT_SECONDS)
        api.remove_volume(last)
        stream.close()
    assert not listener.is_alive(), "the engine has not told of its last event"
