"""The running stacks of a run: one for all workers, or one for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.compose_model import closure
from pytest_dockerci.engine.container import TestContainer
from pytest_dockerci.engine.listening import HEALTHY_SECONDS, IMAGE_PORTS_SECONDS, Listening
from pytest_dockerci.engine.readiness import HOW_COMPLETED, ServiceReadiness
from pytest_dockerci.engine.service import Service
from pytest_dockerci.engine.service_watch import ExpectedStops, ServiceWatch
from pytest_dockerci.engine.stack_model import (
    check_name,
    completing_services,
    declared_ports,
    has_healthcheck,
)
from pytest_dockerci.engine.starting import Starting
from pytest_dockerci.engine.waiting import Waiting, Watch
from pytest_dockerci.errors import DockerCIError, ServiceNotReadyError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_dockerci.engine.background import Background
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.events import RunEvents
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.relay import PublishedPorts
    from pytest_dockerci.engine.stack import Stack
    from pytest_dockerci.engine.stack_model import ImageFacts
    from pytest_dockerci.progress import Progress

# Compose's own limit: the wait that people see ends before it, and says more.
_SPARE_SECONDS = 30.0


class Stacks:
    """Starts stacks and waits for what is in them.

    Args:
        engine: The engine.
        background: Runs Compose beside the main thread.
        events: The run's events.
        progress: Told what is waited for.
        model: The resolved model.
        plan: What the user asked for.
        python: Gives the interpreter in its image, once services are waited for; empty where nobody has looked for one.
        facts: Service to what its image says; filled as images come.
        ports: How published ports are reached.

    Attributes:
        test_containers: Worker to its container, once it runs.
    """

    def __init__(  # noqa: PLR0913 - the parts of a run, each made by somebody else
        self,
        engine: Engine,
        background: Background,
        events: RunEvents,
        progress: Progress,
        *,
        model: ComposeModel,
        plan: EnvironmentPlan,
        python: Callable[[], str],
        facts: dict[str, ImageFacts],
        ports: PublishedPorts,
    ) -> None:
        self.test_containers: dict[int, TestContainer] = {}
        self._engine = engine
        self._background = background
        self._events = events
        self._progress = progress
        self._model = model
        self._service = plan.service
        self._has_several = plan.per_worker_stacks and plan.workers > 1
        self._python = python
        self._timeout_seconds = plan.ready_timeout_seconds
        self._facts = facts
        self._ports = ports
        self._stacks: list[Stack] = []
        self._held: list[str] = []
        self._early: dict[str, dict[str, Future[None]]] = {}
        self._workers: dict[str, tuple[int, ...]] = {}
        self._starts: list[Future[None]] = []
        self._started: dict[str, dict[str, None]] = {}
        self._watches: dict[tuple[str, str], Watch] = {}
        self._started_monotonic = 0.0
        self._lock = threading.RLock()
        self._ready: Future[tuple[ServiceReadiness, ...]] | None = None
        self._is_waited_for = threading.Event()
        self._expected = ExpectedStops()

    def adopt(self, stack: Stack, workers: Sequence[int], services: Sequence[str]) -> None:
        """Look after a stack that runs already: services and the workers' test containers."""
        self._started_monotonic = self._started_monotonic or time.monotonic()
        if stack not in self._stacks:
            self._stacks.append(stack)
        self._workers[stack.project] = tuple(workers)
        self._started[stack.project] = dict.fromkeys(services)
        self._watches |= {(stack.project, name): self._watch(stack, name) for name in services}

    def forget(self, stack: Stack, name: str) -> None:
        """A service was removed; it is started anew."""
        del self._started[stack.project][name]
        del self._watches[stack.project, name]

    def start_early(self, stack: Stack, services: Sequence[str]) -> None:
        """Start services that depend on nothing; returns when they are created. `start` looks after them later.

        Raises:
            ServiceNotReadyError: Compose or the engine refuses to create them.
        """
        starting = self._starting(stack)
        starting.create(services, timeout_seconds=self._limit_seconds)
        start = self._background.submit(starting.start, timeout_seconds=self._limit_seconds)
        start.add_done_callback(lambda _: self._events.wake())
        self._early[stack.project] = dict.fromkeys(services, start)

    def start(
        self, stack: Stack, workers: Sequence[int], services: Sequence[str], held: Sequence[str] = ()
    ) -> None:
        """Have Compose start services and the workers' test containers, and create others; returns at once."""
        self._held += held
        self.adopt(stack, workers, services)
        self._start(stack, [*services, *(check_name(self._service, worker) for worker in workers)], held)

    def _start(self, stack: Stack, services: Sequence[str], held: Sequence[str] = ()) -> None:
        # One that has done its work and ended must not do it again.
        early = self._early.get(stack.project, {})
        late = [name for name in services if name not in early]
        start = self._background.submit(self._run, stack, late, held, early)
        # Its end may be what a wait is waiting for, and no container tells of it.
        start.add_done_callback(lambda _: self._events.wake())
        self._starts.append(start)

    def _run(
        self, stack: Stack, names: Sequence[str], held: Sequence[str], early: Mapping[str, Future[None]]
    ) -> None:
        starting = self._starting(stack)
        starting.create(names, timeout_seconds=self._limit_seconds, held=held, beside=early)
        starting.start(timeout_seconds=self._limit_seconds)

    def _starting(self, stack: Stack) -> Starting:
        waiting = Waiting(self._engine, self._events, self._progress, self._timeout_seconds)
        watches = {
            name: watch for (project, name), watch in self._watches.items() if project == stack.project
        }
        return Starting(self._engine, self._events, stack, waiting, watches)

    @property
    def _limit_seconds(self) -> float:
        return self._timeout_seconds + _SPARE_SECONDS if self._timeout_seconds else 0.0

    def await_test_containers(self) -> None:
        """Block until every test container runs.

        Raises:
            ServiceNotReadyError: One does not, or Compose gave up.
        """
        watches = {
            worker: Watch(
                stack=stack,
                service=check_name(self._service, worker),
                shown_name=check_name(self._service, worker),
                guess_after_seconds=0.0,
            )
            for stack in self._stacks
            for worker in self._workers[stack.project]
        }
        self._wait(list(watches.values()), self._started_monotonic, self._find_dead_service)
        for worker, watch in watches.items():
            self.test_containers[worker] = TestContainer(self._engine, watch.container_id, watch.service)

    def tested_ids(self) -> tuple[str, ...]:
        """The containers in which something is tested: those of the suite, and those held."""
        if self.test_containers:
            return tuple(container.id for container in self.test_containers.values())
        self.await_started()
        ids = {name: found for stack in self._stacks for name, found in stack.container_ids().items()}
        return tuple(each for name in self._held for each in ids.get(name, ()))

    def await_started(self) -> None:
        """Block until everything has been started that is started at once, and created what is held.

        Raises:
            DockerCIError: Compose or the engine refuses.
        """
        for start in self._starts:
            start.result()

    def watch(self) -> None:
        """Look after the services from now on, beside the main thread; `wait_ready` gives what came of it.

        So the times are those at which services became ready, not those at which somebody asked.
        """
        watches = list(self._watches.values())
        waiting = Waiting(
            self._engine, self._events, self._progress, self._timeout_seconds, self._is_waited_for.is_set
        )
        self._ready = self._background.submit(
            waiting.wait,
            watches,
            started_monotonic=self._started_monotonic,
            find_failure=self._find_failure,
        )
        self._ready.add_done_callback(lambda _: self._events.wake())

    @property
    def started_services(self) -> tuple[str, ...]:
        """Every service that was started in some stack."""
        return tuple(dict.fromkeys(name for names in self._started.values() for name in names))

    @property
    def is_ready(self) -> bool:
        """Every started service has become ready."""
        return self._ready is not None and self._ready.done() and self._ready.exception() is None

    def containers_by_service(self) -> dict[str, tuple[str, ...]]:
        """The containers of each service, in all stacks."""
        found: dict[str, tuple[str, ...]] = {}
        for stack in self._stacks:
            for name, ids in stack.container_ids().items():
                found[name] = (*found.get(name, ()), *ids)
        return found

    @property
    def completed_services(self) -> frozenset[str]:
        """Those that have done their work and ended."""
        watches = [watch for watch in self._watches.values() if watch.readiness is not None]
        return frozenset(
            watch.service for watch in watches if watch.readiness and watch.readiness.how == HOW_COMPLETED
        )

    @property
    def layout(self) -> dict[str, list[Any]]:
        """Compose's project to its workers and its services."""
        return {
            stack.project: [list(self._workers[stack.project]), list(self._started[stack.project])]
            for stack in self._stacks
        }

    def wait_ready(self) -> tuple[ServiceReadiness, ...]:
        """Block until every started service of every stack is ready.

        Raises:
            ServiceNotReadyError: One ended, or is not ready at the limit.
        """
        if self._ready is None:
            return ()
        self._is_waited_for.set()
        self._events.wake()
        return self._ready.result()

    def service(self, name: str, worker: int, prepare: Callable[[tuple[str, ...], Stack], None]) -> Service:
        """A service of a worker's stack, started and ready.

        Args:
            name: The service.
            worker: Number of the worker.
            prepare: Called with services that were never started, before Compose starts them.

        Raises:
            ServiceNotReadyError: It ended, or is not ready at the limit.
        """
        owners = [stack for stack in self._stacks if worker in self._workers[stack.project]]
        stack = owners[0] if owners else self._stacks[0]  # no suite of pytest: no workers
        with self._lock:
            if name not in self._started[stack.project]:
                self._start_late(stack, name, prepare)
        return Service(
            self._engine,
            name,
            find_container=lambda: self._container_id(stack, name),
            wait_ready=lambda: self._wait_again(stack, name),
            note_stop=lambda is_stopped: self._expected.note(stack.project, name, is_stopped=is_stopped),
            ports=self._ports,
        )

    def watch_over(self, tell: Callable[[DockerCIError], None]) -> None:
        """From now on, tell once when a service that was ready has ended by itself, from a thread."""
        watch = ServiceWatch(
            self._engine, self._events, lambda: list(self._watches.values()), self._expected, tell
        )
        self._background.submit(watch.run)

    def _start_late(self, stack: Stack, name: str, prepare: Callable[[tuple[str, ...], Stack], None]) -> None:
        started = self._started[stack.project]
        new = tuple(other for other in closure(self._model, [name]) if other not in started)
        prepare(new, stack)
        started_monotonic = time.monotonic()
        started |= dict.fromkeys(new)
        watches = {(stack.project, other): self._watch(stack, other) for other in new}
        self._watches |= watches
        self._start(stack, new)
        try:
            self._wait(list(watches.values()), started_monotonic)
        except DockerCIError:
            for other in new:
                del started[other]
                del self._watches[stack.project, other]
            self._starts.pop()
            raise

    def _wait_again(self, stack: Stack, name: str) -> None:
        self._wait([self._watch(stack, name)], time.monotonic())

    def _container_id(self, stack: Stack, name: str) -> str:
        ids = stack.container_ids().get(name)
        if not ids:
            raise ServiceNotReadyError(
                f'service "{name}" has no container',
                why="it was removed, or never created",
                fix="run again; nobody else may remove the containers of a run",
            )
        return ids[0]

    def _watch(self, stack: Stack, name: str) -> Watch:
        # The test containers stand in for the service under test, whose dependencies count for them.
        completing = completing_services(self._model.data, [*self._started[stack.project], self._service])
        shown_name = f"gw{self._stacks.index(stack)}/{name}" if self._has_several else name
        return Watch(
            stack=stack,
            service=name,
            shown_name=shown_name,
            must_complete=name in completing,
            listening=self._listening(stack, name),
        )

    def _listening(self, stack: Stack, name: str) -> Listening | None:
        """How to ask the service's ports; None when it has none."""
        definition, facts = self._model.services[name], self._facts.get(name)
        if definition.get("network_mode") or not self._python():
            return None
        declared = [number for number, protocol in declared_ports(definition) if protocol == "tcp"]
        ports = declared or [
            number for number, protocol in (facts.ports if facts else ()) if protocol == "tcp"
        ]
        if not ports:
            return None
        is_checked = has_healthcheck(definition, facts)
        limit = (self._timeout_seconds or float("inf")) if declared or is_checked else IMAGE_PORTS_SECONDS
        return Listening(
            self._engine,
            host=name,
            ports=ports,
            limit_seconds=min(limit, 24 * 3600.0),
            healthy_seconds=HEALTHY_SECONDS if declared else IMAGE_PORTS_SECONDS,
            ask_from=lambda: self._ask_from(stack),
            wake=self._events.wake,
        )

    def _ask_from(self, stack: Stack) -> tuple[str, str] | None:
        for worker in self._workers[stack.project]:
            if worker in self.test_containers:
                return self.test_containers[worker].id, self._python()
        return None

    def _wait(
        self,
        watches: Sequence[Watch],
        started_monotonic: float,
        find_failure: Callable[[], DockerCIError | None] = lambda: None,
    ) -> tuple[ServiceReadiness, ...]:
        waiting = Waiting(self._engine, self._events, self._progress, self._timeout_seconds)
        return waiting.wait(
            watches,
            started_monotonic=started_monotonic,
            find_failure=lambda: find_failure() or self._find_failure(),
        )

    def _find_dead_service(self) -> DockerCIError | None:
        error = self._ready.exception() if self._ready is not None and self._ready.done() else None
        return error if isinstance(error, DockerCIError) else None

    def _find_failure(self) -> DockerCIError | None:
        """Why a stack did not start, in Compose's words or the engine's; None while none has failed."""
        for start in self._starts:
            error = start.exception() if start.done() else None
            if isinstance(error, DockerCIError):
                return error
            if error is not None:
                raise error
        return None
