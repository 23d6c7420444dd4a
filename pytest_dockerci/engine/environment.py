"""What a run needs on the engine: the image, its toolkit, the suite, the services, the test containers.

`Environment.start` reads as the list of steps. Importing this module costs what the ``docker`` SDK
and PyYAML cost; it is to be imported when a run needs a container, not before.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.background import Background
from pytest_dockerci.engine.build import build_images, plan_build
from pytest_dockerci.engine.cleanup import list_objects, remove_objects
from pytest_dockerci.engine.command import Commands, Completed
from pytest_dockerci.engine.compose_model import (
    ComposeModel,
    choose_started,
    closure,
    read_model,
    require_allowed,
    require_services,
)
from pytest_dockerci.engine.compose_yaml import escape_dollars
from pytest_dockerci.engine.container import TestContainer
from pytest_dockerci.engine.events import RunEvents
from pytest_dockerci.engine.exec_stream import ExecStream, open_exec
from pytest_dockerci.engine.git_facts import GitFacts, choose_tags, read_git_facts, repository_of
from pytest_dockerci.engine.image import ImageUnderTest
from pytest_dockerci.engine.image_plan import plan_images
from pytest_dockerci.engine.images import image_facts, inspect_image, pull_missing, require_image
from pytest_dockerci.engine.labels import RunIdentity, folder_name, image_name
from pytest_dockerci.engine.python_probe import PythonFacts, probe_python
from pytest_dockerci.engine.readiness import ServiceReadiness
from pytest_dockerci.engine.requirements import parse_requirements
from pytest_dockerci.engine.stack import Stack
from pytest_dockerci.engine.stack_model import (
    ImageFacts,
    StackPlan,
    TestContainerPlan,
    check_name,
    completing_services,
    plan_stack,
)
from pytest_dockerci.engine.suite import (
    SuitePaths,
    differing_files,
    lay_suite,
    require_subpath,
    sort_suite,
    suite_mounts,
)
from pytest_dockerci.engine.toolkit import Toolkit, prepare_toolkit
from pytest_dockerci.engine.waiting import Waiting, Watch
from pytest_dockerci.errors import DockerCIError, ServiceNotReadyError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.progress import Progress

_JOIN_SECONDS = 5.0
_FAST_JOIN_SECONDS = 0.2


def _leave(_: Any) -> None:
    """Change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlan:
    """What the user asked for.

    Attributes:
        run_id: Short, unique on the engine.
        nonce: Long and random.
        rootdir: The project on the host.
        state_dir: Folder for this project's run files and caches; exists.
        service: The Compose service under test.
        compose_files: Empty: what ``docker compose`` finds from rootdir.
        image_ref: An image to test as it is; None to build.
        start: Services to start; empty for what the service depends on.
        suite: Files and folders to lay over the image, relative to rootdir.
        config_file: pytest's configuration file, relative to rootdir.
        host_only: What below the suite stays on the host.
        container_root: The folder in the image that stands for rootdir; None for its WORKDIR.
        environ: The testing environment.
        requirements: What to bring, pytest included.
        host_pytest_version: Preferred where the image has no pytest.
        workers: Number of test containers.
        per_worker_stacks: Each has services of its own.
        ready_timeout_seconds: 0 for no limit.
        build_timeout_seconds: 0 for no limit.
        build_number: Of the CI system.
        allow: Names of `dockerci_allow`.
        edit_compose_files: Changes the list of Compose files in place.
        edit_build_args: Changes the build arguments of the image under test in place.
        edit_model: Changes the resolved model in place.
        edit_tags: Changes the tags in place.
        extra_services: Alias to a `testcontainers` container that is not started.
    """

    run_id: str
    nonce: str
    rootdir: Path
    state_dir: Path
    service: str
    compose_files: tuple[Path, ...] = ()
    image_ref: str | None = None
    start: tuple[str, ...] = ()
    suite: tuple[PurePosixPath, ...] = ()
    config_file: PurePosixPath | None = None
    host_only: tuple[PurePosixPath, ...] = ()
    container_root: PurePosixPath | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ("pytest",)
    host_pytest_version: str
    workers: int = 1
    per_worker_stacks: bool = False
    ready_timeout_seconds: float = 120.0
    build_timeout_seconds: float = 1800.0
    build_number: str | None = None
    allow: frozenset[str] = frozenset()
    edit_compose_files: Callable[[list[Path]], None] = _leave
    edit_build_args: Callable[[dict[str, str]], None] = _leave
    edit_model: Callable[[dict[str, Any]], None] = _leave
    edit_tags: Callable[[list[str]], None] = _leave
    extra_services: Mapping[str, Any] = field(default_factory=dict)


class Environment:
    """Everything of one run on the engine, from the Compose files to running containers.

    Args:
        engine: The engine.
        plan: What the user asked for.
        progress: Told what happens.

    Attributes:
        image: The image under test; there after `start`.
    """

    image: ImageUnderTest

    def __init__(self, engine: Engine, plan: EnvironmentPlan, progress: Progress) -> None:
        self._engine = engine
        self._plan = plan
        self._progress = progress
        self._identity = RunIdentity(run_id=plan.run_id, nonce=plan.nonce, folder=folder_name(plan.rootdir))
        self._commands = Commands(engine.child_environ)
        self._background = Background()
        self._folder = plan.state_dir / "runs" / plan.run_id
        self._cache = plan.state_dir / "cache"
        self._events: RunEvents | None = None
        self._stacks: list[Stack] = []
        self._ups: list[Future[Completed]] = []
        self._test_containers: dict[int, TestContainer] = {}
        self._built: dict[str, str] = {}
        self._images: dict[str, ImageFacts] = {}
        self._up_monotonic = 0.0
        self._is_closed = False

    # The steps

    def start(self) -> None:
        """Bring everything up, as far as the tests' collection needs it.

        Returns as soon as the test containers run; services may still be getting ready.

        Raises:
            SettingsError: A setting or a Compose file cannot be meant.
            ImageBuildError: The image could not be built.
            ImageUnusableError: It cannot run the suite.
            ToolkitError: pytest or the requirements do not fit it.
            ServiceNotReadyError: A service could not be started.
        """
        for folder in (self._folder, self._cache):
            folder.mkdir(parents=True, exist_ok=True)
        self._events = RunEvents(self._engine, self._identity)
        with self._progress.phase("build"):
            git = self._background.submit(read_git_facts, self._commands, self._plan.rootdir)
            self._read_model()
            image_data = self._bring_images(git)
        with self._progress.phase("containers"):
            self._look_into_image(image_data)
            self._bring_files()
            self._start_stacks()
            self._await_test_containers()

    def _read_model(self) -> None:
        files = list(self._plan.compose_files)
        self._plan.edit_compose_files(files)
        self._model = read_model(
            self._commands,
            self._plan.rootdir,
            files,
            project=self._identity.project,
            allow=self._plan.allow,
        )
        for warning in self._model.warnings:
            self._progress.line(f"Compose: {warning}")
        self._base = self._model.data
        self._model = self._edited(self._model)
        require_services(self._model, [self._plan.service], "dockerci_service")
        require_services(self._model, self._plan.start, "dockerci_start")
        self._started = choose_started(self._model, self._plan.service, self._plan.start)
        require_allowed(self._model, {*self._started, self._plan.service}, self._plan.allow)
        self._requirements = parse_requirements(self._plan.requirements, self._plan.rootdir)

    def _edited(self, model: ComposeModel) -> ComposeModel:
        import copy
        from dataclasses import replace

        edited = replace(model, data=copy.deepcopy(model.data))
        self._plan.edit_model(edited.data)
        build = (edited.services.get(self._plan.service) or {}).get("build")
        if build is not None and self._plan.image_ref is None:
            given = build.get("args") or {}
            args = {name: value.replace("$$", "$") for name, value in given.items() if value is not None}
            self._plan.edit_build_args(args)
            unset = {name: None for name, value in given.items() if value is None}
            build["args"] = {**unset, **{name: escape_dollars(value) for name, value in args.items()}}
        return edited

    def _bring_images(self, git: Future[GitFacts]) -> dict[str, Any]:
        plan = self._plan
        if plan.image_ref is not None:
            data = require_image(self._engine, plan.image_ref, self._progress)
            self._built[plan.service] = str(data["Id"])
            self._git = GitFacts(commit=None, is_dirty=False)
            self._tags: tuple[str, ...] = (plan.image_ref,)
        else:
            self._git = git.result()
            if self._git.problem:
                self._progress.line(f"git: {self._git.problem}")
            self._tags = self._choose_names()
        self._built_seconds, self._is_cached = self._make_images(self._started)
        image_id = self._built[plan.service]
        return require_image(self._engine, image_id, self._progress)

    def _choose_names(self) -> tuple[str, ...]:
        tags = choose_tags(self._git, self._plan.run_id, self._plan.build_number)
        self._plan.edit_tags(tags)
        definition = self._model.services[self._plan.service]
        repository = repository_of(definition.get("image") or f"{self._model.project}-{self._plan.service}")
        return tuple(f"{repository}:{tag}" for tag in dict.fromkeys(tags))

    def _make_images(self, names: Sequence[str]) -> tuple[float, bool]:
        """Build and pull what services need, at the same time."""
        plan = self._plan
        sources = plan_images(self._model, plan.service, names, is_given=plan.service in self._built)
        wanted = {name: self._model.services[name] for name in sources.pulls}
        pulling = self._background.submit(pull_missing, self._engine, wanted, self._progress)
        seconds, is_cached = 0.0, True
        if sources.builds:
            named = {name: (image_name(plan.rootdir, name),) for name in sources.builds}
            if plan.service in named:
                named[plan.service] = self._tags
            outcome = build_images(
                self._engine,
                self._commands,
                plan_build(self._model, named),
                sources.builds,
                rootdir=plan.rootdir,
                folder=self._folder,
                timeout_seconds=plan.build_timeout_seconds,
                progress=self._progress,
            )
            self._built |= outcome.image_ids
            seconds, is_cached = outcome.seconds, outcome.is_cached
        pulling.result()
        for name in sources.pulls:
            data = inspect_image(self._engine, self._model.services[name]["image"])
            if data is not None:
                self._images[name] = image_facts(data)
        if plan.service in sources.pulls:
            self._built[plan.service] = self._images[plan.service].image_id
            self._tags = (self._model.services[plan.service]["image"],)
        self._built |= {name: self._built[twin] for name, twin in sources.same.items()}
        for name, image_id in self._built.items():
            data = inspect_image(self._engine, image_id)
            if data is not None:
                self._images[name] = image_facts(data)
        return seconds, is_cached

    def _look_into_image(self, data: Mapping[str, Any]) -> None:
        plan = self._plan
        workdir = PurePosixPath((data.get("Config") or {}).get("WorkingDir") or "/")
        self._suite = sort_suite(
            plan.rootdir, plan.container_root or workdir, plan.suite, plan.config_file, plan.host_only
        )
        definition = self._model.services[plan.service]
        self._python = probe_python(
            self._engine,
            self._identity,
            str(data["Id"]),
            shown_image=self._tags[0],
            user=definition.get("user"),
            search_path=(definition.get("environment") or {}).get("PATH"),
            paths=self._suite.container_paths,
            cache=self._cache,
        )
        self._digests = tuple(data.get("RepoDigests") or ())

    def _bring_files(self) -> None:
        plan = self._plan
        toolkit_to_come = self._background.submit(self._prepare_toolkit)
        self._files = differing_files(self._suite, self._python)
        require_subpath(self._engine, self._files)
        prefixes = [self._prefix(worker) for worker in range(plan.workers)]
        lay_suite(
            self._engine,
            self._identity,
            self._built[plan.service],
            self._python,
            self._suite,
            self._files,
            prefixes,
        )
        self._toolkit = toolkit_to_come.result()
        self.image = ImageUnderTest(
            id=self._built[plan.service],
            tags=self._tags,
            commit=self._git.commit,
            is_dirty=self._git.is_dirty,
            digests=self._digests,
            python=self._python,
            container_root=self._suite.container_root,
            toolkit_path=self._toolkit.path,
            toolkit=self._toolkit.pins,
            built_seconds=self._built_seconds,
            is_cached=self._is_cached,
        )

    def _prepare_toolkit(self) -> Toolkit:
        return prepare_toolkit(
            self._engine,
            self._identity,
            self._commands,
            self._python,
            self._requirements,
            host_pytest_version=self._plan.host_pytest_version,
            cache=self._cache,
            progress=self._progress,
        )

    def _prefix(self, worker: int) -> str:
        return f"{self._identity.project}-{worker}"

    def _start_stacks(self) -> None:
        plan = self._plan
        groups = [[worker] for worker in range(plan.workers)] if plan.per_worker_stacks else [range(plan.workers)]
        self._up_monotonic = time.monotonic()
        for index, workers in enumerate(groups):
            project = self._identity.project + (f"-gw{index}" if plan.per_worker_stacks else "")
            stack = Stack(
                self._engine,
                self._commands,
                self._identity,
                project=project,
                folder=self._folder,
                rootdir=plan.rootdir,
            )
            stack.write(self._base, self._stack_model(project, workers))
            tests = [check_name(plan.service, worker) for worker in workers]
            self._stacks.append(stack)
            self._ups.append(
                self._background.submit(
                    stack.up, [*self._started, *tests], timeout_seconds=plan.ready_timeout_seconds
                )
            )

    def _stack_model(self, project: str, workers: Sequence[int]) -> dict[str, Any]:
        plan = self._plan
        toolkit_mounts: list[Mapping[str, Any]] = []
        if self._toolkit.volume:
            toolkit_mounts.append(
                {
                    "type": "volume",
                    "source": self._toolkit.volume,
                    "target": self._toolkit.path,
                    "read_only": True,
                    "volume": {},
                }
            )
        tests = tuple(
            TestContainerPlan(
                worker=worker,
                mounts=(*suite_mounts(self._suite, self._files, self._prefix(worker)), *toolkit_mounts),
            )
            for worker in workers
        )
        return plan_stack(
            self._model.data,
            StackPlan(
                identity=self._identity,
                project=project,
                service=plan.service,
                services=tuple(dict.fromkeys([*self._started, plan.service])),
                built=self._built,
                images=self._images,
                python=self._python.executable,
                environ=plan.environ,
                worker_count=plan.workers,
                tests=tests,
            ),
        )

    def _await_test_containers(self) -> None:
        names = {check_name(self._plan.service, worker): worker for worker in range(self._plan.workers)}
        watches = [
            Watch(stack=stack, service=name, shown_name=name)
            for stack, workers in zip(self._stacks, self._worker_groups(), strict=True)
            for name, worker in names.items()
            if worker in workers
        ]
        self._waiting().wait(watches, started_monotonic=self._up_monotonic, find_failure=self._find_failure)
        for watch in watches:
            worker = names[watch.service]
            self._test_containers[worker] = TestContainer(self._engine, watch.container_id, watch.service)

    def _worker_groups(self) -> list[Sequence[int]]:
        if self._plan.per_worker_stacks:
            return [[worker] for worker in range(self._plan.workers)]
        return [range(self._plan.workers)]

    def _waiting(self) -> Waiting:
        if self._events is None:
            raise ServiceNotReadyError("the environment was not started")
        return Waiting(self._engine, self._events, self._progress, self._plan.ready_timeout_seconds)

    def _find_failure(self) -> DockerCIError | None:
        """Why a stack did not start, in Compose's words; None while none has failed."""
        for stack, up in zip(self._stacks, self._ups, strict=True):
            if up.done():
                completed = up.result()
                if not completed.is_ok:
                    return stack.failed_to_start(completed, self._started)
        return None

    # What a run does with it

    def exec_python(self, worker: int, args: Sequence[str]) -> ExecStream:
        """Start the image's Python in a test container, as the image's own user, in the container's root.

        Args:
            worker: Number of the test container.
            args: What follows the interpreter's path.
        """
        return open_exec(
            self._engine,
            self._test_containers[worker].id,
            [self._python.executable, *args],
            workdir=self._suite.container_root,
        )

    def container(self, worker: int) -> TestContainer:
        """The test container of a worker."""
        return self._test_containers[worker]

    def wait_ready(self) -> tuple[ServiceReadiness, ...]:
        """Block until every started service is ready.

        Raises:
            ServiceNotReadyError: One ended, or is not ready at the limit.
        """
        completing = completing_services(self._model.data, [*self._started, self._plan.service])
        watches = [
            Watch(
                stack=stack,
                service=name,
                shown_name=name if len(self._stacks) == 1 else f"gw{index}/{name}",
                must_complete=name in completing,
            )
            for index, stack in enumerate(self._stacks)
            for name in self._started
        ]
        with self._progress.phase("services"):
            return self._waiting().wait(
                watches, started_monotonic=self._up_monotonic, find_failure=self._find_failure
            )

    def close(self, *, fast: bool = False) -> tuple[str, ...]:
        """Remove all of it from the engine. May be called again, and from a half-finished `start`.

        Args:
            fast: Do not wait for work that is under way.

        Returns:
            What could not be removed, and why; empty when nothing is left.
        """
        self._is_closed = True
        was_running = self._commands.kill_all()
        if self._events is not None:
            self._events.close()
        self._background.join(_FAST_JOIN_SECONDS if fast else _JOIN_SECONDS)
        left = remove_objects(
            self._engine, lambda: list_objects(self._engine, self._identity.filters), settle=was_running
        )
        with suppress(OSError):
            shutil.rmtree(self._folder)
        return left
