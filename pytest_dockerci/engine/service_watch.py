"""Looks after services while tests run: one that ends is told, with its last words, within a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import docker.errors
import requests.exceptions

from pytest_dockerci.engine.readiness import Failed, Observation, judge
from pytest_dockerci.engine.stack import observe
from pytest_dockerci.errors import DockerCIError, ServiceLostError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.events import RunEvents
    from pytest_dockerci.engine.waiting import Watch

_LONGEST_LOOK_AWAY_SECONDS = 5.0
_REMOVED = "its container was removed"


class ExpectedStops:
    """The services that a test has stopped on purpose, until it starts them again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped: set[tuple[str, str]] = set()

    def note(self, project: str, service: str, *, is_stopped: bool) -> None:
        """A test is about to stop a service, or has started it again."""
        with self._lock:
            (self._stopped.add if is_stopped else self._stopped.discard)((project, service))

    def __contains__(self, key: tuple[str, str]) -> bool:
        with self._lock:
            return key in self._stopped


class ServiceWatch:
    """Watches over services that were ready.

    Args:
        engine: The engine.
        events: The run's events; they say when to look.
        watches: Asked each time for those that were waited for, by project and service.
        expected: Stops that are none of its business.
        tell: Called once, from the watch's own thread.
    """

    def __init__(
        self,
        engine: Engine,
        events: RunEvents,
        watches: Callable[[], Sequence[Watch]],
        expected: ExpectedStops,
        tell: Callable[[DockerCIError], None],
    ) -> None:
        self._engine = engine
        self._events = events
        self._watches = watches
        self._expected = expected
        self._tell = tell

    def run(self) -> None:
        """Watch until one has ended, or the run is ending."""
        while not self._events.is_closed:
            count = self._events.count
            try:
                lost = self._find_lost()
            except (docker.errors.DockerException, requests.exceptions.RequestException):
                return  # the engine's own end is told by the channels to the containers
            if lost is not None and not self._events.is_closed:
                self._tell(lost)
                return
            self._events.wait_beyond(count, _LONGEST_LOOK_AWAY_SECONDS)

    def _find_lost(self) -> ServiceLostError | None:
        watches = [watch for watch in self._watches() if watch.readiness is not None]
        ids = {stack.project: stack.container_ids() for stack in {watch.stack for watch in watches}}
        for watch in watches:
            key = (watch.stack.project, watch.service)
            if key in self._expected:
                continue
            containers = ids[watch.stack.project].get(watch.service, ())
            cause = "" if containers else _REMOVED
            for container_id in containers:
                cause = cause or loss(observe(self._engine, container_id), must_complete=watch.must_complete)
            # Stopped on purpose meanwhile: that was noted before it was done.
            if cause and key not in self._expected:
                stop = f'dockerci_services["{watch.service}"].stop()'
                return ServiceLostError(
                    f'service "{watch.shown_name}" was lost while tests ran: {cause}',
                    fix=f"its log says why; a test that means to stop it calls {stop}",
                    output_title=f'log of "{watch.service}"',
                    output=watch.stack.log_lines(containers[0]) if containers else (),
                )
        return None


def loss(seen: Observation, *, must_complete: bool) -> str:
    """Why a service that was ready is lost; empty while it is not. Pure.

    One that its restart policy starts again is not lost, and one that turns unhealthy may be busy.
    """
    verdict = judge(replace(seen, is_listening=None), must_complete=must_complete, guess_after_seconds=0.0)
    if not isinstance(verdict, Failed):
        return ""
    return f"{verdict.cause}: {verdict.why}" if verdict.why else verdict.cause
