"""Starts the services of a stack: Compose creates their containers, and each is started as soon as it may.

Compose itself looks twice a second whether a dependency is ready, and takes the first healthy probe
for it; here the engine's events say when to look, and `readiness` judges.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import docker.errors

from pytest_dockerci.engine.command import Completed, mask_secrets
from pytest_dockerci.engine.stack import Stack, deadline_after
from pytest_dockerci.engine.start_order import Dependency, dependencies, is_startable, needs_compose
from pytest_dockerci.errors import ServiceNotReadyError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.events import RunEvents
    from pytest_dockerci.engine.waiting import Waiting, Watch

_PARALLEL = 8
_LONGEST_LOOK_AWAY_SECONDS = 0.5


class Starting:
    """One start of services of one stack.

    Args:
        engine: The engine.
        events: The run's events.
        stack: The stack.
        waiting: Looks at what is waited for.
        watches: Service to its watch; of every service that one of those to start may depend on.
    """

    def __init__(
        self, engine: Engine, events: RunEvents, stack: Stack, waiting: Waiting, watches: Mapping[str, Watch]
    ) -> None:
        self._engine = engine
        self._events = events
        self._stack = stack
        self._waiting = waiting
        self._watches = watches
        self._started_monotonic = time.monotonic()
        self._started: set[str] = set()
        self._settled: set[str] = set()
        self._starts: dict[str, Sequence[Future[None]]] = {}
        self._containers: Mapping[str, Sequence[str]] = {}
        self._pending: dict[str, Sequence[Dependency]] = {}

    def create(
        self,
        names: Sequence[str],
        *,
        timeout_seconds: float,
        held: Sequence[str] = (),
        beside: Mapping[str, Future[None]] | None = None,
    ) -> None:
        """Create the containers of services; `start` starts them.

        Args:
            names: The services, with all that they depend on and that does not run yet.
            held: Others whose containers are created, and started by somebody else.
            timeout_seconds: When to give up without a word: those who wait say why. 0 for no limit.
            beside: Services that are created already, and the end of their start.

        Raises:
            CommandError: Compose could not be run.
            ServiceNotReadyError: Compose or the engine refuses.
        """
        definitions = self._stack.definitions(names)
        self._starts = {name: [start] for name, start in (beside or {}).items()}
        if needs_compose(definitions.values(), self._stack.model):
            for start in (beside or {}).values():
                start.result()
            if names:
                self._require(self._stack.up(names, timeout_seconds=timeout_seconds), names)
            if held:
                self._require(self._stack.create(held, timeout_seconds=timeout_seconds), held)
            return
        created = [*names, *held]
        self._require(self._stack.create(created, timeout_seconds=timeout_seconds), created)
        self._containers = self._stack.container_ids()
        self._started = {
            name for name in self._containers if name not in definitions and name not in self._starts
        }
        self._pending = {
            name: tuple(need for need in dependencies(definition) if need.service in self._containers)
            for name, definition in definitions.items()
        }

    def start(self, *, timeout_seconds: float) -> None:
        """Start what was created; returns when each has been started, or the run is ending.

        Args:
            timeout_seconds: As for `create`.

        Raises:
            ServiceNotReadyError: The engine refuses, or a dependency has ended.
        """
        with ThreadPoolExecutor(max_workers=_PARALLEL, thread_name_prefix="dockerci start") as pool:
            self._start_in_order(pool, deadline_after(timeout_seconds))

    def _require(self, completed: Completed, names: Sequence[str]) -> None:
        if not completed.is_ok:
            raise self._stack.failed_to_start(completed, names)

    def _start_in_order(self, pool: ThreadPoolExecutor, deadline_monotonic: float) -> None:
        pending = self._pending
        while pending or self._starts:
            count = self._events.count
            self._note_started()
            self._look_at(pending)
            for name in list(pending):
                if is_startable(pending[name], frozenset(self._started), frozenset(self._settled)):
                    del pending[name]
                    ids = self._containers.get(name, ())
                    self._starts[name] = [pool.submit(self._start, name, each) for each in ids]
            if self._events.is_closed or time.monotonic() > deadline_monotonic:
                return
            self._events.wait_beyond(count, _LONGEST_LOOK_AWAY_SECONDS)

    def _note_started(self) -> None:
        for name, starts in list(self._starts.items()):
            if all(start.done() for start in starts):
                del self._starts[name]
                for start in starts:
                    start.result()
                self._started.add(name)

    def _look_at(self, pending: Mapping[str, Sequence[Dependency]]) -> None:
        """Look at the dependencies that must become ready, and note those that have."""
        wanted = [need for needs in pending.values() for need in needs if need.condition != "service_started"]
        for name in dict.fromkeys(need.service for need in wanted):
            if name in self._settled or name not in self._started:
                continue
            watch = self._watches[name]
            try:
                self._waiting.look([watch], self._started_monotonic)
            except ServiceNotReadyError:
                if any(need.is_required for need in wanted if need.service == name):
                    raise
                self._settled.add(name)
            if watch.readiness is not None:
                self._settled.add(name)

    def _start(self, name: str, container_id: str) -> None:
        try:
            self._engine.client.api.start(container_id)
        except docker.errors.APIError as error:
            raise ServiceNotReadyError(
                f'service "{name}" could not be started',
                why=mask_secrets(str(error.explanation or error)),
                fix=f'correct "{name}" in the Compose file',
            ) from error
        finally:
            self._events.wake()
