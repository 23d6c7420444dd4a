"""A run's environment on a kept stack that fits it: at hand without Docker's client.

Offers what `Environment` offers. What most runs do (start the agent, wait, end) is done by single questions to
the engine; what few do (use services from the host, watch over them for longer than a moment, fetch a report)
loads the whole one, which takes over the stack as it runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.background import Background
from pytest_dockerci.engine.container import TestContainer
from pytest_dockerci.engine.exec_stream import open_exec
from pytest_dockerci.engine.keeper import ensure_keeper
from pytest_dockerci.engine.kept_facts import KeptFacts, image_as_json
from pytest_dockerci.engine.renewal import Renewal
from pytest_dockerci.engine.service_state import reset_services
from pytest_dockerci.engine.tidying import tidy
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.kept_stack import describe_kept, describe_left

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_dockerci.byte_stream import ByteStream
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.engine.kept_environment import KeptEnvironment
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.plain_engine import PlainEngine
    from pytest_dockerci.engine.readiness import ServiceReadiness
    from pytest_dockerci.engine.service import Service, ServiceMap
    from pytest_dockerci.kept_stack import KeptStack
    from pytest_dockerci.last_image import LastImage
    from pytest_dockerci.progress import Progress

# A run that is over by then was not worth the time that it takes to load what watches.
_WATCH_AFTER_SECONDS = 1.0


class WarmEnvironment:
    """As `Environment`, on a stack that was found to fit.

    Args:
        engine: The engine.
        plan: What the user asked for; holds the stack's lease.
        kept: The stack.
        facts: What is known of it.
        progress: Told what happens.
        image: The image under test.
        resolved: The model, as Compose resolves it.
        files: The Compose files.

    Attributes:
        image: The image under test.
        identity: The labels of the stack.
        secret_environ: Variables that only the workers get: the secrets, and the id of this run.
    """

    def __init__(
        self,
        engine: PlainEngine,
        plan: EnvironmentPlan,
        kept: KeptStack,
        facts: KeptFacts,
        progress: Progress,
        *,
        image: ImageUnderTest,
        resolved: ComposeModel,
        files: Sequence[Path],
    ) -> None:
        self.image = replace(image, built_seconds=0.0)
        self.identity = plan.identity
        # The container has that of the run that made it.
        self.secret_environ: Mapping[str, str] = {**plan.secret_environ, "DOCKERCI_RUN_ID": plan.run_id}
        self._engine = engine
        self._plan = plan
        self._kept = kept
        self._facts = facts
        self._progress = progress
        self._resolved = resolved
        self._files = tuple(files)
        self._background = Background()
        self._renewal = Renewal(engine, kept, self.identity.project)
        self._reset: Future[None] | None = None
        self._lock = threading.RLock()
        self._loaded: KeptEnvironment | None = None
        self._has_changed = False
        self._is_over = threading.Event()

    def start(self) -> None:
        """Say that it runs already; have its services reset as they want it."""
        state = "as the last run left it"
        if self._facts.resets:
            state = f"reset: {', '.join(self._facts.resets)}"
        self._progress.notice(describe_kept(self._kept, state))
        self._renewal.begin()
        if not self._plan.only_collects:
            self._reset = self._background.submit(
                reset_services, self._engine, self._facts.services, self._facts.resets
            )

    @property
    def services(self) -> ServiceMap:
        """Every service by name, in worker 0's stack."""
        return self.services_of(0)

    def services_of(self, worker: int) -> ServiceMap:
        """Every service by name, in the stack of a worker."""
        from pytest_dockerci.engine.service import ServiceMap  # noqa: PLC0415 - loads the SDK

        def get(name: str) -> Service:
            self._has_changed = True  # it may be started now, or stopped by a test
            return self._whole().services_of(worker)[name]

        return ServiceMap(self._facts.names, get)

    def container(self, worker: int) -> TestContainer:
        """The test container of a worker."""
        return TestContainer(self._engine, *self._facts.tests[worker])

    def exec_python(self, worker: int, args: Sequence[str]) -> ByteStream:
        """As `Environment.exec_python`; the first agent of each worker may run already."""
        container_id = self._facts.tests[worker][0]
        early = self._plan.early_agents
        stream = None if early is None else early.take(container_id)
        if stream is not None:
            return stream
        assert self.image.python is not None  # noqa: S101 - only suites of pytest are kept
        return open_exec(
            self._engine,
            container_id,
            [self.image.python.executable, *args],
            workdir=self.image.container_root,
        )

    def image_record(self) -> LastImage:
        """As `Environment.image_record`: nothing has changed about it."""
        assert self._plan.last_image is not None  # noqa: S101 - only then is a start warm
        return self._plan.last_image

    def describe(self) -> dict[str, Any]:
        """As `Environment.describe`."""
        return {
            "engine": self._facts.engine,
            "identity": asdict(self.identity),
            "image": image_as_json(self.image),
            "services": self._facts.names,
            "containers": self._facts.tests,
            "secret_environ": dict(self.secret_environ),
        }

    def wait_ready(self) -> tuple[ServiceReadiness, ...]:
        """Wait for the reset of services; they are ready.

        Raises:
            ServiceNotReadyError: One could not be reset.
        """
        if self._reset is not None:
            with self._progress.phase("services"):
                self._reset.result()
        return ()

    def watch_over(self, tell: Callable[[DockerCIError], None]) -> None:
        """As `Environment.watch_over`, from the first second on."""

        def watch() -> None:
            if self._is_over.wait(_WATCH_AFTER_SECONDS):
                return
            try:
                with self._lock:  # not between the end and what it removes
                    if not self._is_over.is_set():
                        self._whole().watch_over(tell)
            except DockerCIError as error:
                if not self._is_over.is_set():
                    tell(error)

        self._background.submit(watch)

    def _whole(self) -> KeptEnvironment:
        """All of it, with Docker's client."""
        with self._lock:
            if self._loaded is None:
                from pytest_dockerci.engine.kept_environment import KeptEnvironment  # noqa: PLC0415 - loads the SDK

                whole = KeptEnvironment(self._engine.whole, self._plan, self._progress)
                whole.resume(self._resolved, self._files, self._facts, self._plan.last_image)
                self._loaded = whole
            return self._loaded

    def close(self, *, fast: bool = False) -> tuple[str, ...]:
        """As `Environment.close`; the stack stays. May be called again."""
        if self._is_over.is_set():
            return ()
        self._is_over.set()
        if self._plan.early_agents is not None:
            self._plan.early_agents.hang_up()
        if self._plan.report is not None or self._has_changed:
            return self._whole().close(fast=fast)
        with self._lock:
            if self._loaded is not None:
                self._loaded.let_go()
        with suppress(OSError):  # the next run sees for itself what is wrong with it
            for container_id, _ in self._facts.tests:
                tidy(self._engine, container_id)
        self._renewal.end()
        self._engine.close()
        with suppress(OSError):  # the reaper, and the next run, still end it
            ensure_keeper(self._kept.folder, self._engine.child_environ)
        self._progress.line(describe_left(self._kept))
        if self._plan.lease is not None:
            self._plan.lease.release()
        return ()
