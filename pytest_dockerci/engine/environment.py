"""What a run needs on the engine: the image, its toolkit, the suite, the services, the test containers.

`Environment.start` reads as the list of steps. What it needs later, or never, is imported there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.cleanup import list_objects, remove_objects
from pytest_dockerci.engine.command import Commands
from pytest_dockerci.engine.early_start import EarlyStart
from pytest_dockerci.engine.events import RunEvents
from pytest_dockerci.engine.exec_stream import ExecStream, open_exec
from pytest_dockerci.engine.extra_services import ExtraServices
from pytest_dockerci.engine.git_facts import GitFacts, read_git_facts
from pytest_dockerci.engine.image_source import choose_source
from pytest_dockerci.engine.images import require_image
from pytest_dockerci.engine.keeper import dismiss_keeper
from pytest_dockerci.engine.nets import Nets
from pytest_dockerci.engine.powers import require_allowed
from pytest_dockerci.engine.project_copies import ProjectCopies
from pytest_dockerci.engine.relay import published_ports
from pytest_dockerci.engine.requirements import parse_requirements
from pytest_dockerci.engine.run_model import read_resolved, run_model
from pytest_dockerci.engine.run_stacks import command_names, model_of_stack, new_stack, volume_prefix
from pytest_dockerci.engine.seeding import Seeding
from pytest_dockerci.engine.service import ServiceMap
from pytest_dockerci.engine.stack import Stack
from pytest_dockerci.engine.stack_images import StackImages
from pytest_dockerci.engine.stack_model import command_name
from pytest_dockerci.engine.stacks import Stacks
from pytest_dockerci.errors import DockerCIError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command_container import CommandContainer
    from pytest_dockerci.engine.container import TestContainer
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.python_suite import PythonSuite
    from pytest_dockerci.engine.readiness import ServiceReadiness
    from pytest_dockerci.engine.shipper import Shipper
    from pytest_dockerci.last_image import LastImage
    from pytest_dockerci.progress import Progress

_JOIN_SECONDS = 5.0
_FAST_JOIN_SECONDS = 0.2
_QUIET_SECONDS = 0.1


class Environment:
    """Everything of one run on the engine, from the Compose files to running containers.

    Args:
        engine: The engine.
        plan: What the user asked for.
        progress: Told what happens.
        nets: Those under the run, where they have been spread already.

    Attributes:
        image: The image under test; there after `start`.
        services: Every service of the Compose files; there after `start`. Worker 0's stack.
        identity: The labels of all that belongs to the run.
        secret_environ: Variables that only the workers get.
    """

    image: ImageUnderTest
    services: ServiceMap

    def __init__(
        self, engine: Engine, plan: EnvironmentPlan, progress: Progress, nets: Nets | None = None
    ) -> None:
        self._engine = engine
        self._plan = plan
        self.secret_environ = plan.secret_environ
        self._progress = progress
        self.identity = plan.identity
        self._commands = Commands(engine.child_environ)
        self._nets = nets or Nets(self.identity, progress)
        self._background = self._nets.background
        self._extras = ExtraServices(engine, self.identity, plan.extra_services)
        self._folder = plan.run_folder
        self._cache = plan.state_dir / "cache"
        self._copies = ProjectCopies(engine, self.identity, plan.rootdir, progress)
        self._events: RunEvents | None = None
        self._suite: PythonSuite | None = None
        self._is_reported = False
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
        plan = self._plan
        self._nets.complete(self._engine, self._commands, plan)
        self._events = RunEvents(self._engine, self.identity)
        with self._progress.phase("build"):
            git = self._background.submit(read_git_facts, self._commands, plan.rootdir)
            self._take_model(*read_resolved(self._engine, self._commands, plan, self._cache))
            self._make_stacks(self._events)
            self._bring_images(git)
        with self._progress.phase("containers"):
            self._nets.await_reaper(is_strict=plan.is_strict)
            self._fit()
            workdir = PurePosixPath((self._image_data.get("Config") or {}).get("WorkingDir") or "/")
            container_root = plan.container_root or workdir
            if plan.runs_pytest:
                self._suite = self._bring_suite(container_root)
            self._copies.bring()
            self._source.untag_last(self._engine, plan.last_image)
            self.image = self._source.under_test(self._image_data, self._build, self._suite, container_root)
            self._start_stacks()
            self._stacks.watch()
            self._stacks.await_test_containers()
            self._extras.start(self._stacks.tested_ids, self._background)

    # The steps of `start`, in order

    def _take_model(self, resolved: ComposeModel, files: Sequence[Path]) -> None:
        plan = self._plan
        for warning in resolved.warnings:
            self._progress.line(f"Compose: {warning}")
        taken = run_model(plan, resolved, files)
        self._resolved, self._started, self._tested = taken.resolved, taken.started, taken.tested
        self._compose_files = taken.compose_files
        names = [*taken.started, *taken.tested]
        self._model = self._copies.replace_binds(taken.model, names, taken.compose_files)
        self._requirements = parse_requirements(plan.requirements, plan.rootdir)

    def _bring_images(self, git: Future[GitFacts]) -> None:
        plan = self._plan
        source = choose_source(self._engine, self._model, plan, self._compose_files, git.result)
        self._fingerprint = self._background.submit(source.inputs.fingerprint)
        if source.git.problem:
            self._progress.line(f"git: {source.git.problem}")
        if source.reference is not None:
            self._images.use_given(source.reference)
        self._source = source
        self._seeding = Seeding(self._engine, self._commands, self._progress, plan)
        self._early = self._make_early_start()
        if plan.runs_pytest:
            self._background.submit(import_module, "pytest_dockerci.engine.python_suite")
        self._build = self._images.bring([*self._started, *self._tested[1:]], source.names, self._early.begin)
        self._image_data = require_image(self._engine, self._images.built[plan.service], self._progress)
        self._images.built |= self._seeding.find(
            self._model.data, self._images.ids(self._started, plan.service)
        )

    def _fit(self) -> None:
        """Nothing is there to go on with: `KeptEnvironment` may have something."""

    def _bring_suite(self, container_root: PurePosixPath) -> PythonSuite:
        from pytest_dockerci.engine.python_suite import PythonSuite  # noqa: PLC0415 - during the build

        plan, image_id = self._plan, str(self._image_data["Id"])
        suite = PythonSuite(
            self._engine, self.identity, image_id, plan, container_root=container_root, cache=self._cache
        )
        suite.look(self._model.services[plan.service], self._source.names[0], self._progress)
        prefixes = [volume_prefix(plan, worker) for worker in range(plan.workers)]
        suite.bring(
            self._commands,
            self._background,
            self._progress,
            requirements=self._requirements,
            prefixes=prefixes,
        )
        return suite

    @property
    def _python(self) -> str:
        """The image's interpreter; empty where no suite of pytest runs in it."""
        return "" if self._suite is None else self._suite.python.executable

    def _make_stacks(self, events: RunEvents) -> None:
        self._images = StackImages(
            self._engine,
            self._commands,
            self._background,
            self._model,
            plan=self._plan,
            folder=self._folder,
            progress=self._progress,
        )
        self._stacks = Stacks(
            self._engine,
            self._background,
            events,
            self._progress,
            model=self._model,
            plan=self._plan,
            python=lambda: self._python,
            facts=self._images.facts,
            ports=self._ports,
        )
        self.services = self.services_of(0)
        self._workers = self._plan.workers_by_project
        self._by_project = {project: self._stack(project) for project in self._workers}

    def _make_early_start(self) -> EarlyStart:
        # A kept stack may be there already.
        may_start = self._plan.kept is None and self._engine.target.is_local
        return EarlyStart(
            plan=self._plan,
            nets=self._nets,
            background=self._background,
            stacks=self._stacks,
            by_project=self._by_project,
            images=self._images,
            seeding=self._seeding,
            resolved=self._resolved,
            model=self._model,
            wanted=[name for name in self._started if name not in self._tested] if may_start else (),
        )

    def _start_stacks(self) -> None:
        self._early.finish()
        if self._seeding.missing:
            self._make_seeds(next(iter(self._by_project.values())))
        for project, stack in self._by_project.items():
            stack.write(self._resolved, self._stack_model(project, self._started))
            held = command_names(self._plan, project)
            self._stacks.start(stack, self._workers[project], self._started, held)

    def _stack(self, project: str) -> Stack:
        return new_stack(self._engine, self._commands, self._plan, self._folder, project)

    def _make_seeds(self, stack: Stack) -> None:
        """What services come to whose seed is missing becomes the image that starts, after all, in their place."""
        wanted, self._started = self._started, ()
        stack.write(self._resolved, self._stack_model(stack.project, ()))
        workers = self._workers[stack.project]
        self._images.built |= self._seeding.make(self._stacks, stack, workers, self._prepare_late)
        self._started = wanted

    def _stack_model(self, project: str, services: Sequence[str]) -> dict[str, Any]:
        return model_of_stack(
            self._plan,
            self._model,
            self._images,
            self._suite,
            self._seeding,
            project=project,
            services=services,
        )

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
        from pytest_dockerci.engine.command_container import CommandContainer  # noqa: PLC0415 - not every run

        self._stacks.await_started()
        stack = next(iter(self._by_project.values()))
        service = next(each.service for each in self._plan.commands if each.number == number)
        image_id = self._images.facts[service].image_id
        return CommandContainer(self._engine, stack, command_name(service, number), image_id)

    def services_of(self, worker: int) -> ServiceMap:
        """Every service by name, in the stack of a worker."""
        return ServiceMap(
            tuple(self._model.services),
            lambda name: self._stacks.service(name, worker, self._prepare_late),
        )

    def describe(self) -> dict[str, Any]:
        """What another process of this run has to know, as plain JSON values."""
        from pytest_dockerci.engine.attached import describe_environment  # noqa: PLC0415 - not every run

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
        from pytest_dockerci.engine.shipper import Shipper  # noqa: PLC0415 - not every run

        return Shipper(self._engine, self._commands, self._source.git, self._plan.rootdir, self._progress)

    def watch_over(self, tell: Callable[[DockerCIError], None]) -> None:
        """From now on, tell once when a service that was ready has ended by itself, from a thread."""
        self._stacks.watch_over(tell)

    def _leave(self) -> bool:
        return False  # where the stack stays for the next run, `KeptEnvironment` says so

    def _bring_report(self, *, fast: bool) -> None:
        if self._plan.report is None or self._is_reported:
            return
        from pytest_dockerci.engine.report_files import bring_report  # noqa: PLC0415 - not every run

        self._is_reported = True
        root = self.image.container_root if hasattr(self, "image") else PurePosixPath("/")  # then no test ran
        bring_report(self._engine, self.identity, self._plan.report, root, self._progress, fast=fast)

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
        self._bring_report(fast=fast)
        if self._leave():
            return ()
        left = remove_objects(
            self._engine,
            lambda: list_objects(self._engine, self.identity.filters),
            quiet_seconds=0 if is_quiet else _QUIET_SECONDS,
        )
        self._nets.close()
        self._extras.close()
        self._engine.client.close()
        if not left:  # else `dockerci gc` and the next run have to know whose it is
            dismiss_keeper(self._folder)
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._plan.lease is not None:
            self._plan.lease.release()
        return left
