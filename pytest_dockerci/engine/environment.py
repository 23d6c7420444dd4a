"""What a run needs on the engine: the image, its toolkit, the suite, the services, the test containers.

`Environment.start` reads as the list of steps. Importing this module costs what the ``docker`` SDK
and PyYAML cost; it is to be imported when a run needs a container, not before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.build_inputs import compose_files
from pytest_dockerci.engine.attached import describe_environment
from pytest_dockerci.engine.background import Background
from pytest_dockerci.engine.cleanup import list_objects, remove_objects
from pytest_dockerci.engine.command import Commands
from pytest_dockerci.engine.command_container import CommandContainer
from pytest_dockerci.engine.compose_model import (
    choose_started,
    edited_model,
    read_model,
    require_allowed,
    require_services,
)
from pytest_dockerci.engine.environment_plan import EnvironmentPlan
from pytest_dockerci.engine.events import RunEvents
from pytest_dockerci.engine.exec_stream import ExecStream, open_exec
from pytest_dockerci.engine.extra_services import ExtraServices
from pytest_dockerci.engine.git_facts import GitFacts, read_git_facts
from pytest_dockerci.engine.image_source import choose_source
from pytest_dockerci.engine.images import require_image
from pytest_dockerci.engine.labels import RunIdentity, folder_name
from pytest_dockerci.engine.nets import Nets
from pytest_dockerci.engine.project_copies import ProjectCopies
from pytest_dockerci.engine.python_suite import PythonSuite
from pytest_dockerci.engine.relay import published_ports
from pytest_dockerci.engine.requirements import parse_requirements
from pytest_dockerci.engine.service import ServiceMap
from pytest_dockerci.engine.shipper import Shipper
from pytest_dockerci.engine.stack import Stack
from pytest_dockerci.engine.stack_images import StackImages
from pytest_dockerci.engine.stack_model import (
    CommandContainerPlan,
    StackPlan,
    TestContainerPlan,
    command_name,
    plan_stack,
    secret_variable,
)
from pytest_dockerci.engine.stacks import Stacks
from pytest_dockerci.errors import DockerCIError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.container import TestContainer
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.engine.readiness import ServiceReadiness
    from pytest_dockerci.last_image import LastImage
    from pytest_dockerci.progress import Progress

__all__ = ["Environment", "EnvironmentPlan"]

_JOIN_SECONDS = 5.0
_FAST_JOIN_SECONDS = 0.2
_QUIET_SECONDS = 0.1


class Environment:
    """Everything of one run on the engine, from the Compose files to running containers.

    Args:
        engine: The engine.
        plan: What the user asked for.
        progress: Told what happens.

    Attributes:
        image: The image under test; there after `start`.
        services: Every service of the Compose files; there after `start`. Worker 0's stack.
        identity: The labels of all that belongs to the run.
        secret_environ: Variables that only the workers get.
    """

    image: ImageUnderTest
    services: ServiceMap

    def __init__(self, engine: Engine, plan: EnvironmentPlan, progress: Progress) -> None:
        self._engine = engine
        self._plan = plan
        self.secret_environ = plan.secret_environ
        self._progress = progress
        self.identity = RunIdentity(run_id=plan.run_id, nonce=plan.nonce, folder=folder_name(plan.rootdir))
        self._commands = Commands(engine.child_environ)
        self._background = Background()
        self._nets = Nets(engine, self.identity, self._background, progress)
        self._extras = ExtraServices(engine, self.identity, plan.extra_services)
        self._folder = plan.state_dir / "runs" / plan.run_id
        self._cache = plan.state_dir / "cache"
        self._copies = ProjectCopies(engine, self.identity, plan.rootdir, progress)
        self._events: RunEvents | None = None
        self._suite: PythonSuite | None = None
        self._command_stack: Stack | None = None
        self._ports = published_ports(engine, self.identity, lambda: self.image, plan.reaper_image)

    def start(self) -> None:
        """Bring everything up, as far as the tests' collection needs it.

        Returns as soon as the test containers run; services may still be getting ready.

        Raises:
            SettingsError: A setting or a Compose file cannot be meant.
            ImageBuildError: The image could not be built.
            ImageUnusableError: It cannot run the suite.
            ToolkitError: pytest or the requirements do not fit it.
            ServiceNotReadyError: A service could not be started.
            ReaperError: There is no reaper, and the run is strict.
        """
        for folder in (self._folder, self._cache):
            folder.mkdir(parents=True, exist_ok=True)
        self._nets.spread(self._commands, self._folder, self._plan.state_dir.parent, self._plan.reaper_image)
        self._events = RunEvents(self._engine, self.identity)
        with self._progress.phase("build"):
            git = self._background.submit(read_git_facts, self._commands, self._plan.rootdir)
            self._read_model()
            self._bring_images(git)
        with self._progress.phase("containers"):
            self._nets.await_reaper(is_strict=self._plan.is_strict)
            workdir = PurePosixPath((self._image_data.get("Config") or {}).get("WorkingDir") or "/")
            container_root = self._plan.container_root or workdir
            if self._plan.runs_pytest:
                self._suite = self._bring_suite(container_root)
            self._copies.bring()
            self._source.untag_last(self._engine, self._plan.last_image)
            self.image = self._source.under_test(self._image_data, self._build, self._suite, container_root)
            self._start_stacks(self._events)
            self._stacks.watch()
            self._stacks.await_test_containers()
            self._extras.start(self._stacks.tested_ids, self._background)

    # The steps of `start`, in order

    def _read_model(self) -> None:
        plan = self._plan
        files = list(plan.compose_files)
        plan.edit_compose_files(files)
        resolved = read_model(
            self._commands, plan.rootdir, files, project=self.identity.project, allow=plan.allow
        )
        for warning in resolved.warnings:
            self._progress.line(f"Compose: {warning}")
        self._resolved = resolved.data
        self._model = edited_model(
            resolved,
            edit_model=plan.edit_model,
            built=plan.service if plan.image_ref is None else "",
            edit_build_args=plan.edit_build_args,
        )
        require_services(self._model, [plan.service], "dockerci_service")
        require_services(self._model, plan.start, "dockerci_start")
        tested = list(dict.fromkeys([plan.service, *(command.service for command in plan.commands)]))
        require_services(self._model, tested, "dockerci_command")
        started = [name for each in tested for name in choose_started(self._model, each, plan.start)]
        self._started = () if plan.only_collects else tuple(dict.fromkeys(started))
        self._tested = tuple(tested)
        self._compose_files = compose_files(plan.rootdir, files)
        names = [*self._started, *tested]
        require_allowed(self._model, names, plan.allow)
        self._model = self._copies.replace_binds(self._model, names, self._compose_files)
        self._requirements = parse_requirements(plan.requirements, plan.rootdir)

    def _bring_images(self, git: Future[GitFacts]) -> None:
        plan = self._plan
        self._images = StackImages(
            self._engine,
            self._commands,
            self._background,
            self._model,
            plan=plan,
            folder=self._folder,
            progress=self._progress,
        )
        source = choose_source(self._engine, self._model, plan, self._compose_files, git.result)
        self._fingerprint = self._background.submit(source.inputs.fingerprint)
        if source.git.problem:
            self._progress.line(f"git: {source.git.problem}")
        if source.reference is not None:
            self._images.use_given(source.reference)
        self._source = source
        self._build = self._images.bring([*self._started, *self._tested[1:]], source.names)
        self._image_data = require_image(self._engine, self._images.built[plan.service], self._progress)

    def _bring_suite(self, container_root: PurePosixPath) -> PythonSuite:
        plan = self._plan
        suite = PythonSuite(
            self._engine,
            self.identity,
            self._images.built[plan.service],
            plan,
            container_root=container_root,
            cache=self._cache,
        )
        suite.look(self._model.services[plan.service], self._source.names[0])
        suite.bring(
            self._commands,
            self._background,
            self._progress,
            requirements=self._requirements,
            prefixes=[self._volume_prefix(worker) for worker in range(plan.workers)],
        )
        return suite

    @property
    def _python(self) -> str:
        """The image's interpreter; empty where no suite of pytest runs in it."""
        return "" if self._suite is None else self._suite.python.executable

    def _start_stacks(self, events: RunEvents) -> None:
        plan = self._plan
        self._stacks = Stacks(
            self._engine,
            self._background,
            events,
            self._progress,
            model=self._model,
            plan=plan,
            python=self._python,
            facts=self._images.facts,
            ports=self._ports,
        )
        self.services = self.services_of(0)
        groups = {self.identity.project: tuple(range(plan.workers if plan.runs_pytest else 0))}
        if plan.per_worker_stacks and plan.runs_pytest:
            groups = {f"{self.identity.project}-gw{worker}": (worker,) for worker in range(plan.workers)}
        self._workers = groups
        for project, workers in groups.items():
            stack = Stack(
                self._engine,
                self._commands,
                self.identity,
                project=project,
                folder=self._folder,
                rootdir=plan.rootdir,
                secret_environ={secret_variable(name): value for name, value in plan.secret_environ.items()},
            )
            stack.write(self._resolved, self._stack_model(project, self._started))
            held = [command_name(each.service, each.number) for each in self._commands_of(project)]
            self._stacks.start(stack, workers, self._started, held)
            self._command_stack = self._command_stack or stack

    def _stack_model(self, project: str, services: Sequence[str]) -> dict[str, Any]:
        plan = self._plan
        suite = self._suite
        tests = tuple(
            TestContainerPlan(
                worker=worker, mounts=suite.mounts(self._volume_prefix(worker)) if suite else ()
            )
            for worker in self._workers[project]
        )
        return plan_stack(
            self._model.data,
            StackPlan(
                identity=self.identity,
                project=project,
                service=plan.service,
                services=tuple(dict.fromkeys([*services, plan.service])),
                built=self._images.built,
                images=self._images.facts,
                python=self._python,
                environ=plan.environ,
                worker_count=plan.workers,
                tests=tests,
                commands=self._commands_of(project),
            ),
        )

    def _commands_of(self, project: str) -> tuple[CommandContainerPlan, ...]:
        """The commands that run beside the services of a stack: the first one."""
        return self._plan.commands if project == next(iter(self._workers)) else ()

    def _volume_prefix(self, worker: int) -> str:
        return f"{self.identity.project}-{worker}"

    def _prepare_late(self, new: tuple[str, ...], stack: Stack) -> None:
        """Make services ready for Compose that are first asked for while tests run."""
        require_allowed(self._model, new, self._plan.allow)
        self._model = self._copies.replace_binds(self._model, new, self._compose_files)
        self._copies.bring()
        self._images.bring(new, self._source.names)
        self._started = tuple(dict.fromkeys([*self._started, *new]))
        stack.write(self._resolved, self._stack_model(stack.project, self._started))

    # What a run does with it

    def image_record(self) -> LastImage:
        """The image under test as the next listing will want to know it."""
        return self._source.record(self.image, self._plan.service, self._fingerprint.result())

    def exec_python(self, worker: int, args: Sequence[str]) -> ExecStream:
        """Start the image's Python in a test container, as the image's own user, in the container's root.

        Args:
            worker: Number of the test container.
            args: What follows the interpreter's path.
        """
        return open_exec(
            self._engine,
            self.container(worker).id,
            [self._python, *args],
            workdir=self.image.container_root,
        )

    def container(self, worker: int) -> TestContainer:
        """The test container of a worker.

        Raises:
            DockerCIError: There is none: no suite of pytest runs in the image.
        """
        if self._suite is None:
            raise DockerCIError(
                "there is no container that runs the suite",
                why="dockerci_command is set, and neither dockerci_suite nor testpaths names tests for the container",
                fix='dockerci_services["..."] has the service in its normal form',
            )
        return self._stacks.test_containers[worker]

    def command(self, number: int) -> CommandContainer:
        """The container of a command, created and not started.

        Raises:
            DockerCIError: Compose or the engine refuses to create it.
        """
        self._stacks.await_started()
        assert self._command_stack is not None  # noqa: S101 - there is one, or the line above has failed
        service = next(each.service for each in self._plan.commands if each.number == number)
        image_id = self._images.facts[service].image_id
        return CommandContainer(self._engine, self._command_stack, command_name(service, number), image_id)

    def services_of(self, worker: int) -> ServiceMap:
        """Every service by name, in the stack of a worker."""
        return ServiceMap(
            tuple(self._model.services),
            lambda name: self._stacks.service(name, worker, self._prepare_late),
        )

    def describe(self) -> dict[str, Any]:
        """What another process of this run has to know, as plain JSON values."""
        return describe_environment(self, self._engine, self._plan.workers)

    def wait_ready(self) -> tuple[ServiceReadiness, ...]:
        """Block until every started service is ready, the extra ones too.

        Raises:
            ServiceNotReadyError: One ended, or is not ready at the limit.
        """
        with self._progress.phase("services"):
            return (*self._stacks.wait_ready(), *self._extras.result())

    @property
    def shipper(self) -> Shipper:
        """What can push the image under test."""
        return Shipper(self._engine, self._commands, self._source.git, self._plan.rootdir, self._progress)

    def watch_over(self, tell: Callable[[DockerCIError], None]) -> None:
        """From now on, tell once when a service that was ready has ended by itself, from a thread."""
        self._stacks.watch_over(tell)

    def close(self, *, fast: bool = False) -> tuple[str, ...]:
        """Remove all of it from the engine. May be called again, and from a half-finished `start`.

        Args:
            fast: Do not wait for work that is under way.

        Returns:
            What could not be removed, and why; empty when nothing is left.
        """
        was_running = self._commands.kill_all()
        if self._events is not None:
            self._events.close()
        self._ports.close()
        is_quiet = self._background.join(_FAST_JOIN_SECONDS if fast else _JOIN_SECONDS) and not was_running
        left = remove_objects(
            self._engine,
            lambda: list_objects(self._engine, self.identity.filters),
            quiet_seconds=0 if is_quiet else _QUIET_SECONDS,
        )
        self._nets.close()
        self._extras.close()
        self._engine.client.close()
        if not left:  # else `dockerci gc` and the next run have to know whose it is
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._plan.lease is not None:
            self._plan.lease.release()
        return left
