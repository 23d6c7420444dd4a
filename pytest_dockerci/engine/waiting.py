"""Waiting for containers: looks when the engine's events say so, judges, and tells what is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_dockerci.engine.command import mask_secrets
from pytest_dockerci.engine.readiness import (
    GUESS_AFTER_SECONDS,
    HOW_HEALTHY,
    Failed,
    NotReady,
    Observation,
    Ready,
    ServiceReadiness,
    judge,
)
from pytest_dockerci.engine.stack import Stack, deadline_after, observe
from pytest_dockerci.errors import DockerCIError, ServiceNotReadyError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.events import RunEvents
    from pytest_dockerci.progress import Progress

_LONGEST_LOOK_AWAY_SECONDS = 0.5
_SHORTEST_PAUSE_SECONDS = 0.02
# Where there is no terminal, what is told right after another line is left out: then it is due once more.
_TELL_AGAIN_SECONDS = 5.0
_SETTING = "dockerci_ready_timeout_seconds"


@dataclass(slots=True, kw_only=True)
class Watch:
    """One service of one stack that is waited for.

    Attributes:
        stack: The stack.
        service: The service.
        shown_name: How people call it.
        must_complete: Another service waits for it to complete.
        guess_after_seconds: How long it must have been running where nothing else tells.
        listening: Says whether one of its ports takes connections; None when that cannot be asked.
        readiness: Once it is ready.
        reason: Why it was not ready when it was last looked at.
        container_id: The engine's id of its (last) container.
        running_since: Container to when it was first seen running.
    """

    stack: Stack
    service: str
    shown_name: str
    must_complete: bool = False
    guess_after_seconds: float = GUESS_AFTER_SECONDS
    listening: Callable[[Observation], bool | None] | None = None
    readiness: ServiceReadiness | None = None
    reason: str = "not created yet"
    container_id: str = ""
    running_since: dict[str, float] = field(default_factory=dict)

    def running_seconds(self, container_id: str, seen: Observation) -> float:
        """How long a container has been seen running, as of now."""
        if seen.state != "running":
            self.running_since.pop(container_id, None)
            return 0.0
        now = time.monotonic()
        return now - self.running_since.setdefault(container_id, now)


class Waiting:
    """Waits for services.

    Args:
        engine: The engine.
        events: The run's events.
        progress: Told what is waited for.
        timeout_seconds: The limit; 0 for none.
        is_shown: Asked each time whether somebody waits for this wait.
    """

    def __init__(
        self,
        engine: Engine,
        events: RunEvents,
        progress: Progress,
        timeout_seconds: float,
        is_shown: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_shown = is_shown
        self._engine = engine
        self._events = events
        self._progress = progress
        self._timeout_seconds = timeout_seconds

    def wait(
        self,
        watches: Sequence[Watch],
        *,
        started_monotonic: float,
        find_failure: Callable[[], DockerCIError | None],
    ) -> tuple[ServiceReadiness, ...]:
        """Block until every service is ready.

        Args:
            watches: What is waited for.
            started_monotonic: When it was started.
            find_failure: Asked each time for a reason to give up that no container shows.

        Raises:
            ServiceNotReadyError: One ended, or is not ready at the limit.
        """
        deadline = deadline_after(self._timeout_seconds)
        shown = ""
        shown_monotonic = 0.0
        while True:
            count = self._events.count
            self.look(watches, started_monotonic)
            waited_for = [watch for watch in watches if watch.readiness is None]
            if not waited_for:
                if shown:
                    self._progress.status("")
                return tuple(watch.readiness for watch in watches if watch.readiness is not None)
            if self._events.is_closed:
                raise ServiceNotReadyError("the run ended while services were starting")
            failure = find_failure()
            if failure is not None:
                self.look(watches, started_monotonic)
                raise failure
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._late(waited_for[0])
            names = ", ".join(f"{watch.shown_name} ({watch.reason})" for watch in waited_for)
            now = time.monotonic()
            is_due = names != shown or now - shown_monotonic > _TELL_AGAIN_SECONDS
            if is_due and self._is_shown():
                self._progress.status(f"waiting for {names}")
                shown, shown_monotonic = names, now
            time.sleep(_SHORTEST_PAUSE_SECONDS)
            self._events.wait_beyond(count, min(left, _LONGEST_LOOK_AWAY_SECONDS))

    def look(self, watches: Sequence[Watch], started_monotonic: float) -> None:
        """Look once at services; each one's watch then knows whether it is ready.

        Args:
            watches: The services.
            started_monotonic: When they were started.

        Raises:
            ServiceNotReadyError: One ended.
        """
        ids = {stack.project: stack.container_ids() for stack in {watch.stack for watch in watches}}
        for watch in watches:
            for container_id in ids[watch.stack.project].get(watch.service, ()):
                watch.container_id = container_id
                if not self._judge(watch, container_id, started_monotonic):
                    break

    def _judge(self, watch: Watch, container_id: str, started_monotonic: float) -> bool:
        """Look at one container; True when it is ready, which the watch then remembers."""
        seen = observe(self._engine, container_id)
        if watch.listening is not None and seen.state == "running":
            seen = replace(seen, is_listening=watch.listening(seen))
        seen = replace(seen, running_seconds=watch.running_seconds(container_id, seen))
        match judge(seen, must_complete=watch.must_complete, guess_after_seconds=watch.guess_after_seconds):
            case Ready(how=how):
                if watch.readiness is None:
                    began = self._events.started_monotonic.get(container_id, started_monotonic)
                    # It may have become so while nobody looked: services start beside the build.
                    ended = self._events.healthy_monotonic.get(container_id) if how == HOW_HEALTHY else None
                    seconds = (ended or time.monotonic()) - began
                    watch.readiness = ServiceReadiness(name=watch.shown_name, seconds=seconds, how=how)
                return True
            case NotReady(reason=reason):
                # Healthy once is ready: what comes later is the tests' business.
                watch.reason = reason
                return watch.readiness is not None
            case Failed(cause=cause, why=why):
                raise ServiceNotReadyError(
                    f'service "{watch.shown_name}" {cause}',
                    why=mask_secrets(why),
                    fix=f'correct "{watch.service}"'
                    + (" in the Compose file" if why else "; its log says why"),
                    output_title=f'log of "{watch.service}"',
                    output=watch.stack.log_lines(container_id),
                )

    def _late(self, watch: Watch) -> ServiceNotReadyError:
        limit = f"{self._timeout_seconds:g}"
        return ServiceNotReadyError(
            f'service "{watch.shown_name}" not ready after {limit} s ({_SETTING} = {limit})',
            why=f"last seen: {watch.reason}",
            fix=f'raise {_SETTING}, or correct "{watch.service}" or its health check',
            output_title=f'log of "{watch.service}"',
            output=watch.stack.log_lines(watch.container_id) if watch.container_id else (),
        )
