"""An environment whose stack stays for the next run, or that goes on with one that was left."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors
import requests.exceptions

from pytest_dockerci.engine.environment import Environment
from pytest_dockerci.engine.events import RunEvents
from pytest_dockerci.engine.git_facts import GitFacts
from pytest_dockerci.engine.image_source import ImageSource
from pytest_dockerci.engine.keeping import Keeping, RunningStack
from pytest_dockerci.engine.kept_facts import KeptFacts, image_from_json
from pytest_dockerci.engine.python_suite import PythonSuite
from pytest_dockerci.engine.renewal import Renewal
from pytest_dockerci.engine.seeding import Seeding
from pytest_dockerci.engine.service_state import ServiceState, reset_services, service_state
from pytest_dockerci.engine.stack_model import ImageFacts
from pytest_dockerci.engine.toolkit import Toolkit
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.kept_stack import KEPT_FILE, describe_kept, describe_left

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.nets import Nets
    from pytest_dockerci.engine.readiness import ServiceReadiness
    from pytest_dockerci.last_image import LastImage
    from pytest_dockerci.progress import Progress


class KeptEnvironment(Environment):
    """As `Environment`.

    Args:
        engine: The engine.
        plan: What the user asked for; has an expiry.
        progress: Told what happens.
        nets: As for `Environment`.
    """

    def __init__(
        self, engine: Engine, plan: EnvironmentPlan, progress: Progress, nets: Nets | None = None
    ) -> None:
        super().__init__(engine, plan, progress, nets)
        self._keeping = Keeping(engine, self.identity, plan, self._folder, progress)
        self._renewal = Renewal(engine, plan.kept, self.identity.project)
        self._is_changed = False
        self._has_state = False
        self._has_started = False
        self._service_images: dict[str, str] = {}

    # Start

    def start(self) -> None:
        """As `Environment.start`, with what is there already."""
        if self._plan.kept is not None:
            self._progress.notice(describe_kept(self._plan.kept, "its containers under test are made anew"))
        self._renewal.begin()
        super().start()
        self._has_started = True

    def _fit(self) -> None:
        self._note_images()
        if self._plan.kept is not None:
            self._is_changed = True
            self._has_state = self._keeping.fit(self._model, self._service_images)

    def _note_images(self) -> None:
        # A seed counts by what it comes from: whether its image is there yet makes no difference.
        seeds = {name: seed.reference for name, seed in self._seeding.seeds.items()}
        self._service_images = {**self._images.ids(self._started, self._plan.service), **seeds}

    def resume(
        self, resolved: ComposeModel, files: Sequence[Path], facts: KeptFacts, last: LastImage | None
    ) -> None:
        """Take over a kept stack as it runs: nothing is built, created or started.

        Args:
            resolved: The model, as Compose resolves it.
            files: The Compose files.
            facts: What is known of the stack.
            last: The image under test, where it was built.
        """
        plan = self._plan
        self._events = RunEvents(self._engine, self.identity)
        self._take_model(resolved, files)
        self.image = image_from_json(facts.image)
        self._make_stacks(self._events)
        self._images.built |= facts.built
        self._images.references |= facts.references
        self._images.facts |= {
            name: ImageFacts(**{**said, "ports": tuple((number, kind) for number, kind in said["ports"])})
            for name, said in facts.facts.items()
        }
        self._seeding = Seeding(self._engine, self._commands, self._progress, plan)
        self._seeding.find(self._model.data, self._images.ids(self._started, plan.service))
        self._note_images()
        if last is not None:
            self._source = ImageSource(
                names=self.image.tags,
                git=GitFacts(commit=self.image.commit, is_dirty=self.image.is_dirty),
                reference=self.image.id,
                inputs=last.inputs,
                known=last,
            )
        self._suite = PythonSuite(
            self._engine,
            self.identity,
            self.image.id,
            plan,
            container_root=self.image.container_root,
            cache=self._cache,
        )
        toolkit = Toolkit(**{**facts.toolkit, "pins": tuple(facts.toolkit["pins"])})
        assert self.image.python is not None  # noqa: S101 - only suites of pytest are kept
        self._suite.adopt(self.image.python, toolkit)
        self._adopt_stacks(facts)
        self._has_started = True

    def _adopt_stacks(self, facts: KeptFacts) -> None:
        self._workers = {project: tuple(workers) for project, (workers, _) in facts.started.items()}
        for project, (workers, services) in facts.started.items():
            self._started = tuple(dict.fromkeys([*self._started, *services]))
            stack = self._stack(project)
            stack.model = self._stack_model(project, services)
            self._stacks.adopt(stack, workers, services)
        self._stacks.await_test_containers()
        self._stacks.watch()

    # While it runs

    def wait_ready(self) -> tuple[ServiceReadiness, ...]:
        """As `Environment.wait_ready`; services that kept their state are reset as they want it."""
        ready = super().wait_ready()
        if self._has_state:
            self._has_state = False
            with self._progress.phase("services/reset"):
                reset_services(
                    self._engine,
                    self._stacks.containers_by_service(),
                    {name: state.reset for name in self._started if (state := self._state_of(name)).reset},
                )
        return ready

    def _state_of(self, name: str) -> ServiceState:
        return service_state(name, self._model.services[name])

    # End

    def close(self, *, fast: bool = False) -> tuple[str, ...]:
        """As `Environment.close`; a stack that has come up stays.

        Returns:
            What could not be removed, where it was to be.
        """
        if self._has_started and not fast:
            with contextlib.suppress(DockerCIError):
                self._stacks.wait_ready()
        return super().close(fast=fast)

    def _leave(self) -> bool:
        kept, suite = self._plan.kept, self._suite
        self._renewal.end()
        if kept is not None and not self._is_changed and not self._has_started:
            self._let_go()  # what failed did not touch it
            return True
        if not self._has_started or suite is None or not self._stacks.is_ready:
            return False
        try:
            new = self._keeping.hand_over(
                RunningStack(
                    model=self._model,
                    compose_files=self._compose_files,
                    images=self._images,
                    image=self.image,
                    suite=suite,
                    stacks=self._stacks,
                    service_images=self._service_images,
                    seeds=tuple(self._seeding.seeds.values()),
                )
            )
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            self._progress.notice(f"dockerci: the stack cannot be kept: {error}")
            return False
        if not self._nets.keep(new.expiry_seconds):
            (self._folder / KEPT_FILE).unlink(missing_ok=True)
            return False
        self._keeping.watch()
        self._progress.notice(describe_left(new))
        self._let_go()
        return True

    def let_go(self) -> None:
        """Look after it no more; it runs on as it is."""
        self._renewal.end()
        if self._events is not None:
            self._events.close()
        self._engine.client.close()

    def _let_go(self) -> None:
        self._extras.close()
        self._engine.client.close()
        if self._plan.lease is not None:
            self._plan.lease.release()
