"""Keeping a stack: what is left for the next run, and what of it the next run cannot use.

`hand_over` is the end of a run with ``--dockerci-keep``; `Keeping.fit` is the start of one that finds a stack
which it cannot use as it is. One that it can is `warm_start`'s.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.cleanup import EngineObject, is_reaper, list_objects, remove_objects
from pytest_dockerci.engine.connection import ask
from pytest_dockerci.engine.image_plan import build_inputs_of
from pytest_dockerci.engine.keeper import ensure_keeper
from pytest_dockerci.engine.kept_facts import (
    KeptFacts,
    facts_as_json,
    facts_from_json,
    image_as_json,
    inputs_as_json,
    run_key,
    stack_key,
)
from pytest_dockerci.engine.labels import COMPOSE_PROJECT, COMPOSE_SERVICE, EMPTY_IMAGE, SEED_UPPER, WORKER
from pytest_dockerci.engine.seed_inputs import Seed, files_digest
from pytest_dockerci.engine.service_state import service_state
from pytest_dockerci.engine.suite_paths import suite_manifest
from pytest_dockerci.engine.tidying import tidy
from pytest_dockerci.engine.volumes import MOUNT_ROOT, create_unstarted, ensure_empty_image
from pytest_dockerci.kept_stack import KeptStack, write_kept

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.python_suite import PythonSuite
    from pytest_dockerci.engine.stack_images import StackImages
    from pytest_dockerci.engine.stacks import Stacks
    from pytest_dockerci.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """What a run has running.

    Attributes:
        model: The resolved model after the project's hooks.
        compose_files: The files that it comes from.
        images: The services' images.
        image: The image under test.
        suite: What its containers have beside it.
        stacks: The stacks.
        service_images: Service to image id, or to its seed, for the services that the run had to start.
        seeds: The seeds of services.
    """

    model: ComposeModel
    compose_files: tuple[Path, ...]
    images: StackImages
    image: ImageUnderTest
    suite: PythonSuite
    stacks: Stacks
    service_images: Mapping[str, str]
    seeds: tuple[Seed, ...] = ()


class Keeping:
    """Keeps the stack of a run, or goes on with one that is kept.

    Args:
        engine: The engine.
        identity: The labels of the stack.
        plan: What the user asked for.
        folder: The folder of the run that made it.
        progress: Told what is kept.
    """

    def __init__(
        self, engine: Engine, identity: RunIdentity, plan: EnvironmentPlan, folder: Path, progress: Progress
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._plan = plan
        self._folder = folder
        self._progress = progress

    def fit(self, model: ComposeModel, images: Mapping[str, str]) -> bool:
        """Remove of the kept stack what this run cannot use: the containers under test, or all of it.

        Args:
            model: The resolved model after the project's hooks.
            images: Service to image id, for the services that are to run.

        Returns:
            True when its services stay.
        """
        facts = None if self._plan.kept is None else facts_from_json(self._plan.kept.facts)
        fits = facts is not None and stack_key(model.data, self._plan, images) == facts.stack_key
        if not fits:
            self._progress.line("dockerci: the kept stack does not fit any more; a new one takes its place")
        remove_objects(
            self._engine,
            lambda: [
                thing
                for thing in list_objects(self._engine, self._identity.filters)
                if thing.kind != "reaper" and not (fits and self._is_of_service(thing))
            ],
            quiet_seconds=0,
        )
        if facts is not None and fits:
            self._revive(facts)
        return fits

    def _revive(self, facts: KeptFacts) -> None:
        """Start the containers of services that have ended, or were stopped, since they were ready."""
        for container_id, has_to_run in facts.containers.items():
            if has_to_run:
                for verb in ("unpause", "start"):  # refused where it is not paused, or gone
                    ask(self._engine, "POST", f"containers/{container_id}/{verb}")

    def _is_of_service(self, thing: EngineObject) -> bool:
        """True for what belongs to the services, and not to the containers under test."""
        if SEED_UPPER in thing.labels:
            return True
        if thing.kind == "volume":
            return COMPOSE_PROJECT in thing.labels
        return thing.kind == "network" or (COMPOSE_SERVICE in thing.labels and WORKER not in thing.labels)

    def hand_over(self, running: RunningStack) -> KeptStack:
        """Write down the stack for the next run."""
        for test in running.stacks.test_containers.values():
            tidy(self._engine, test.id)
        facts = self._facts(running)
        made_at = time.time() if self._plan.kept is None else self._plan.kept.made_at
        kept = KeptStack(
            folder=self._folder,
            run_id=self._identity.run_id,
            nonce=self._identity.nonce,
            engine_id=self._engine.id,
            rootdir=self._plan.rootdir,
            made_at=made_at,
            used_at=time.time(),
            expiry_seconds=self._plan.keep_expiry_seconds or 0.0,
            facts=facts_as_json(facts),
        )
        write_kept(kept)
        return kept

    def watch(self) -> None:
        """See to it that the stack goes when its time is up."""
        ensure_keeper(self._folder, self._engine.child_environ)

    def _facts(self, running: RunningStack) -> KeptFacts:
        plan, model = self._plan, running.model
        listed = self._engine.client.api.containers(all=True, filters=self._identity.filters)
        containers = {str(data["Id"]): data for data in listed if not is_reaper(data)}
        tests = [running.stacks.test_containers[worker] for worker in range(plan.workers)]
        services: dict[str, list[str]] = {}
        for container_id, data in containers.items():
            name = data["Labels"].get(COMPOSE_SERVICE)
            if name in model.services:
                services.setdefault(name, []).append(container_id)
        has_ended = {
            container_id
            for name in running.stacks.completed_services
            for container_id in services.get(name, ())
        }
        suite = running.suite.paths
        return KeptFacts(
            sys_path=list(sys.path),
            engine={
                key: list(value) if isinstance(value, tuple) else value
                for key, value in self._engine.facts.items()
            },
            url=self._engine.target.url,
            project_folder=self._identity.folder,
            stack_key=stack_key(model.data, plan, running.service_images),
            run_key=run_key(model.data, plan),
            image=image_as_json(running.image),
            references=dict(running.images.references),
            inputs=[
                inputs_as_json(inputs, inputs.fingerprint())
                for inputs in (
                    build_inputs_of(model.services[name], running.compose_files)
                    for name in running.stacks.started_services
                    if name != plan.service and model.services[name].get("build")
                )
            ],
            containers={
                **{each: each not in has_ended for of_service in services.values() for each in of_service},
                **{test.id: True for test in tests},
            },
            services=services,
            tests=[[test.id, test.name] for test in tests],
            names=list(model.services),
            started=running.stacks.layout,
            built=dict(running.images.built),
            facts={name: asdict(facts) for name, facts in running.images.facts.items()},
            toolkit=asdict(running.suite.toolkit),
            files={
                str(file): hashlib.sha256((plan.rootdir / file).read_bytes()).hexdigest()
                for file in suite.files
            },
            manifest=suite_manifest(suite),
            carrier=self._carrier(running.suite, containers),
            workers=plan.workers,
            seed_files=[[list(map(str, seed.files)), files_digest(seed.files)] for seed in running.seeds],
            resets={
                name: list(state.reset)
                for name in running.stacks.started_services
                if (state := service_state(name, model.services[name])).reset
            },
        )

    def _carrier(self, suite: PythonSuite, containers: Mapping[str, Any]) -> str:
        """The container, never started, through which the volumes of the suite are filled; one for all workers."""
        for container_id, data in containers.items():
            if data["Image"] == EMPTY_IMAGE and SEED_UPPER not in data["Labels"]:
                return container_id
        folders = range(len(suite.paths.folders))
        mounts = [
            (f"{self._identity.project}-{worker}-suite-{folder}", MOUNT_ROOT / str(worker) / str(folder))
            for worker in range(self._plan.workers)
            for folder in folders
        ]
        if not mounts:
            return ""
        ensure_empty_image(self._engine)
        return create_unstarted(self._engine, self._identity, EMPTY_IMAGE, mounts)
