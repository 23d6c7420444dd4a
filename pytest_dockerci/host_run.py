"""One run as the host's pytest sees it: environment, agents and the way they end.

Joins the engine side and the suite's side; `plugin` calls it at the right moments.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.agent_program import agent_arguments
from pytest_dockerci.arguments import Suite, container_arguments
from pytest_dockerci.container_run import ContainerRun
from pytest_dockerci.errors import CleanupError, DockerCIError
from pytest_dockerci.interruption import Interruption
from pytest_dockerci.paths import PathMap
from pytest_dockerci.reports import record_warning
from pytest_dockerci.terminal import TerminalProgress, describe_containers, describe_image, format_seconds

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment import Environment
    from pytest_dockerci.items import ContainerTree
    from pytest_dockerci.settings import Settings

EnvironmentFactory = Callable[[pytest.Config, "Settings", TerminalProgress, str], "Environment"]

# Tests of this project put a factory here that starts the real agent as a local process.
ENVIRONMENT_FACTORY = pytest.StashKey[EnvironmentFactory]()


class HostRun:
    """What one pytest session does with image, services and agents.

    Attributes:
        tree: The container's collection, once it is there.
        failure: Why there is no environment, or no run; None while all is well.
        leftovers: What is still on the engine after the end.
        interruption: The signals that ended it.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.suite = Suite(rootdir=settings.rootdir, paths=settings.suite, host_paths=settings.host_suite)
        self.progress = TerminalProgress(config)
        self.run_id = f"{time.strftime('%m%d%H%M%S')}{secrets.token_hex(3)}"
        self.tree: ContainerTree | None = None
        self.failure: DockerCIError | None = None
        self.leftovers: tuple[str, ...] = ()
        self.interruption = Interruption(self._tell_interruption)
        self.containers: ContainerRun | None = None
        self._environment: Environment | None = None
        self._is_ready = False
        self._is_closed = False

    # Start

    def environment(self) -> Environment:
        """The environment; started when it is first needed.

        Raises:
            DockerCIError: It could not be started, now or before.
        """
        if self.failure is not None:
            raise self.failure
        if self._environment is None:
            factory = self.config.stash.get(ENVIRONMENT_FACTORY, make_environment)
            self.interruption.catch()
            try:
                self._environment = factory(self.config, self.settings, self.progress, self.run_id)
                self._environment.start()
                self.progress.line(describe_image(self._environment.image))
            except DockerCIError as error:
                self.failure = error
                raise
            finally:
                self.progress.status("")
        return self._environment

    def collect(self, arguments: list[tuple[Path, str]]) -> None:
        """Build, start and collect, if anything that was asked for lies in the container's suite.

        Failures are kept in `failure`: they are reported as part of pytest's collection.

        Args:
            arguments: What pytest was called with: files and folders, each with the names that follow it.
        """
        paths = self.suite.selected(arguments)
        if not paths:
            return
        try:
            environment = self.environment()
            self.containers = self._open_containers(environment, paths)
            with self.progress.phase("collect"):
                self.progress.passing("collecting in the container ...")
                self.containers.open()
                self.tree = self.containers.collect()
            version = self.containers.pytest_version
            self.progress.line(describe_containers(environment.image, self.settings.workers, version))
        except DockerCIError as error:
            self.failure = error
        finally:
            self.progress.status("")

    def _open_containers(self, environment: Environment, paths: list[str]) -> ContainerRun:
        image = environment.image
        root = PurePosixPath(image.container_root)
        invocation_dir = self.config.invocation_params.dir
        path_map = PathMap(((root, self.settings.rootdir), *self.settings.path_pairs), invocation_dir)
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        arguments = container_arguments(
            vars(self.config.option),
            paths=paths,
            ignored=self.settings.host_suite,
            container_root=root,
            config_file=self.settings.config_file,
            has_color=bool(reporter is not None and reporter.hasmarkup),
        )

        def start(worker: int) -> wire.Start:
            environ = {"DOCKERCI_WORKER": str(worker)}
            if self.settings.workers > 1:
                environ["PYTEST_XDIST_WORKER"] = f"gw{worker}"
                environ["PYTEST_XDIST_WORKER_COUNT"] = str(self.settings.workers)
            return wire.Start(
                args=arguments,
                cwd=str(root),
                environ=environ,
                toolkit=str(image.toolkit_path or ""),
                hidden_conftests=[str(root / path) for path in self.suite.hidden_conftests()],
                known_ini=sorted(self.config._parser._inidict),  # noqa: SLF001 - pytest has no public list of them
                phase_timeout_seconds=self.settings.test_timeout_seconds,
            )

        return ContainerRun(
            workers=self.settings.workers,
            open_stream=lambda worker: environment.exec_python(worker, agent_arguments()),
            start=start,
            paths=path_map,
            show_output=self.progress.output,
            record_warning=lambda warned: record_warning(self.config, warned, path_map),
        )

    def wait_ready(self) -> None:
        """Wait until every service is ready; needed before the first test, not for collecting.

        Raises:
            DockerCIError: One is not, and why.
        """
        environment = self.environment()
        if self._is_ready:
            return
        try:
            services = environment.wait_ready()
        except DockerCIError as error:
            self.failure = error
            raise
        finally:
            self.progress.status("")
        self._is_ready = True
        for service in services:
            self.progress.line(
                f"dockerci: {service.name} ready in {format_seconds(service.seconds)} ({service.how})"
            )

    def prepare_tests(self) -> None:
        """Get ready for container tests; what goes wrong becomes the reason why each of them is not run."""
        if self.containers is None:
            return
        try:
            self.wait_ready()
        except DockerCIError as error:
            self.containers.failure = error

    # End

    def finish_tests(self) -> None:
        """End the sessions in the containers; failures are kept in `failure`."""
        if self.containers is None or self.tree is None:
            return
        try:
            self.containers.finish()
        except DockerCIError as error:
            self.failure = self.failure or error
        self.failure = self.failure or self.containers.failure

    def close(self, *, fast: bool) -> None:
        """Hang up, and remove everything of this run from the engine; safe to repeat.

        Args:
            fast: Do not wait for anything to end by itself.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self.interruption.begin_cleanup()
        if self._environment is not None:
            with self.progress.phase("clean-up"):
                self._close_environment(self._environment, fast=fast)
        self.interruption.release()

    def _close_environment(self, environment: Environment, *, fast: bool) -> None:
        if self.containers is not None:
            self.containers.close()
        self.progress.passing("removing containers, networks and volumes ...")
        try:
            self.leftovers = environment.close(fast=fast)
        except DockerCIError as error:
            self.leftovers = (str(error),)
        self.progress.status("")

    def _tell_interruption(self) -> None:
        with suppress(Exception):  # a signal can come in the middle of a write
            self.progress.line("dockerci: ending; what this run started is being removed")

    def cleanup_error(self) -> CleanupError | None:
        """What to say when something was left behind."""
        if not self.leftovers:
            return None
        return CleanupError(
            f"{len(self.leftovers)} objects of this run are still on the engine",
            why="\n".join(self.leftovers),
            fix="dockerci gc",
        )


def make_environment(
    config: pytest.Config, settings: Settings, progress: TerminalProgress, run_id: str
) -> Environment:
    """The environment on the Docker Engine. Docker's client is first imported here."""
    import os  # noqa: PLC0415 - with the heavy imports below: only a run that needs them pays

    from pytest_dockerci.engine.client import connect_engine  # noqa: PLC0415
    from pytest_dockerci.engine.environment import Environment, EnvironmentPlan  # noqa: PLC0415
    from pytest_dockerci.state import record_owner, state_directory  # noqa: PLC0415

    hook = config.hook
    environ = dict(settings.environ)
    hook.pytest_dockerci_env(config=config, env=environ)
    extra_services: dict[str, Any] = {}
    hook.pytest_dockerci_extra_services(config=config, services=extra_services)
    engine = connect_engine(os.environ)
    nonce = secrets.token_hex(8)
    state_dir = state_directory(os.environ, settings.rootdir)
    record_owner(state_dir, run_id, nonce)
    plan = EnvironmentPlan(
        run_id=run_id,
        nonce=nonce,
        rootdir=settings.rootdir,
        state_dir=state_dir,
        service=settings.service,
        compose_files=settings.compose_files,
        image_ref=settings.image_ref,
        start=settings.start,
        suite=settings.suite,
        config_file=settings.config_file,
        host_only=settings.host_suite,
        container_root=settings.container_root,
        environ=environ,
        requirements=("pytest", *settings.requirements),
        host_pytest_version=pytest.__version__,
        workers=settings.workers,
        per_worker_stacks=settings.per_worker_stacks,
        ready_timeout_seconds=settings.ready_timeout_seconds,
        build_timeout_seconds=settings.build_timeout_seconds,
        build_number=settings.build_number,
        allow=settings.allow,
        edit_compose_files=lambda files: _call(
            hook.pytest_dockerci_compose_files, config=config, files=files
        ),
        edit_build_args=lambda args: _call(hook.pytest_dockerci_build_args, config=config, args=args),
        edit_model=lambda model: _call(hook.pytest_dockerci_compose_model, config=config, model=model),
        edit_tags=lambda tags: _call(hook.pytest_dockerci_tags, config=config, tags=tags),
        extra_services=extra_services,
    )
    return Environment(engine, plan, progress)


def _call(hook: Callable[..., object], **arguments: object) -> None:
    hook(**arguments)
