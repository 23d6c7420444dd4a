"""One run as the host's pytest sees it: environment, agents and the way they end.

Joins the engine side and the suite's side; `plugin` calls it at the right moments.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci import discovery
from pytest_dockerci.agent import wire
from pytest_dockerci.agent_program import agent_arguments
from pytest_dockerci.arguments import Suite, container_arguments
from pytest_dockerci.collection_failure import ContainerPytestError
from pytest_dockerci.container_configuration import known_ini, learn_markers, markers_of, require_plugins
from pytest_dockerci.container_options import (
    default_args,
    forget_values,
    further_arguments,
    located,
    options_for_container,
    options_of_pytest,
    plugins_for_container,
    refuse_unknown,
    undecided_words,
)
from pytest_dockerci.container_run import ContainerRun
from pytest_dockerci.container_selection import paths_for_container
from pytest_dockerci.container_share import share_of
from pytest_dockerci.container_tree import ContainerTree
from pytest_dockerci.coverage_request import find_coverage
from pytest_dockerci.debugger import HostTerminal, opens_debugger
from pytest_dockerci.engine_environment import ENVIRONMENT_FACTORY, make_environment
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.host_timeout import limits_of
from pytest_dockerci.interruption import Interruption
from pytest_dockerci.last_image import last_image, listing_remarks, record_image
from pytest_dockerci.listener import Listener, refuse_coverage
from pytest_dockerci.paths import PathMap
from pytest_dockerci.reports import record_warning
from pytest_dockerci.run_report import RunReport
from pytest_dockerci.state import state_directory
from pytest_dockerci.terminal import TerminalProgress, describe_containers, describe_image, format_seconds
from pytest_dockerci.verdict import unproved

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment import Environment
    from pytest_dockerci.last_image import LastImage
    from pytest_dockerci.settings import Settings
    from pytest_dockerci.worker_ledger import Collection


class HostRun:
    """What one pytest session does with image, services and agents.

    Attributes:
        tree: The container's collection, once it is there.
        coverage: The containers' coverage; None when pytest-cov is not active.
        failure: Why there is no environment, or no run; None while all is well.
        leftovers: What is still on the engine after the end.
        interruption: The signals that ended it.
        worker: Number of the container that this process's fixtures are about.
        has_terminal: This process has what a debugger reads from: the terminal, or what stands in its place.
    """

    worker = 0
    has_terminal = True

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        if config.option.collectonly or opens_debugger(config):
            settings = replace(settings, workers=1)
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
        self.coverage = find_coverage(config)
        self._report = RunReport(settings.report, self.progress)
        self._environment: Environment | None = None
        self._is_ready = False
        self._is_closed = False

    @property
    def workers(self) -> int:
        """How many containers share the suite, those of other processes included."""
        return self.settings.workers

    @property
    def started_environment(self) -> Environment | None:
        """The environment that has come up; None where nothing needed it, or it could not be started."""
        return self._environment if self.failure is None else None

    # Start

    def environment(self) -> Environment:
        """The environment; started when it is first needed.

        Raises:
            DockerCIError: It could not be started, now or before.
        """
        if self.failure is not None:
            raise self.failure
        if self._environment is None:
            last = last_image(state_directory(os.environ, self.settings.rootdir), self.settings.service)
            try:
                self._report.open()
                self._environment = self._make_environment()
                self._environment.start()
                self.progress.line(describe_image(self._environment.image))
                self._note_image(self._environment, last)
            except DockerCIError as error:
                self.failure = error
                raise
            finally:
                self.progress.status("")
        return self._environment

    def _note_image(self, environment: Environment, last: LastImage | None) -> None:
        image = environment.image_record()
        record_image(state_directory(os.environ, self.settings.rootdir), image)
        if self.config.option.collectonly:
            for remark in listing_remarks(image, last):
                self.progress.line(remark)

    def _make_environment(self) -> Environment:
        self.interruption.catch()
        factory = self.config.stash.get(ENVIRONMENT_FACTORY, make_environment)
        return factory(self.config, self.settings, self.progress, self.run_id)

    def collect(self) -> None:
        """Build, start and collect, if anything that was asked for lies in the container's suite.

        Failures are kept in `failure`: they are reported as part of pytest's collection.

        Raises:
            pytest.UsageError: The command line or the configuration suits neither side.
        """
        paths = paths_for_container(self.config, self.suite)
        if not paths:
            refuse_unknown(self.config)
            return
        if discovery.is_asked_by_ide(self.config):
            self._list_tests()
            return
        try:
            environment = self.environment()
            self.containers = self._open_containers(environment, paths)
            with self.progress.phase("collect"):
                self.progress.passing("collecting in the container ...")
                self.containers.open()
                collection = self.containers.collect()
                keeps_duplicates = bool(self.config.option.keepduplicates)
                self.tree = ContainerTree(collection, self.containers, keeps_duplicates=keeps_duplicates)
            self._learn(collection.sides, environment.image.container_root)
            self._keep_collection(collection, environment.image.container_root, paths)
            self._tell_collected(environment, self.containers.pytest_version)
        except ContainerPytestError as error:
            self.failure = error
            if error.usage_error and self.containers is not None:
                raise pytest.UsageError(self.containers.paths.translate_text(error.usage_error)) from None
        except DockerCIError as error:
            self.failure = error
        finally:
            self.progress.status("")

    def _learn(self, sides: wire.Sides, container_root: PurePosixPath) -> None:
        learn_markers(self.config, sides.markers)
        forget_values(self.config, sides.values)
        require_plugins(self.config, sides.plugins, f"the container ({container_root})")

    def has_in_container(self, distribution: str) -> bool:
        """True when the container's pytest, which has collected, has loaded a plugin of this distribution."""
        if self.tree is None:
            return False
        from packaging.utils import canonicalize_name  # noqa: PLC0415 - not every run asks

        return any(canonicalize_name(name) == distribution for name in self.tree.sides.plugins)

    def _select(self, word: str) -> list[str]:
        return self.suite.selected(located(self.config, [word]))

    def _list_tests(self) -> None:
        state_dir = state_directory(os.environ, self.settings.rootdir)
        listing = discovery.list_tests(self.config, self.settings, state_dir)
        self.tree = listing.tree
        learn_markers(self.config, listing.tree.sides.markers)
        if listing.is_exact:
            self.progress.line(listing.note)
        else:
            self.progress.notice(listing.note)

    def _keep_collection(self, collection: Collection, root: PurePosixPath, paths: list[str]) -> None:
        discovery.keep_collection(
            self.config,
            self.settings,
            state_directory(os.environ, self.settings.rootdir),
            collection,
            root,
            paths,
        )

    def _tell_collected(self, environment: Environment, pytest_version: str) -> None:
        self.progress.line(describe_containers(environment.image, self.settings.workers, pytest_version))

    def _worker_environ(self, worker: int) -> dict[str, str]:
        """Variables that are set in one worker of the container only."""
        environ = {"DOCKERCI_WORKER": str(worker)}
        if self.settings.workers > 1:
            environ["PYTEST_XDIST_WORKER"] = f"gw{worker}"
            environ["PYTEST_XDIST_WORKER_COUNT"] = str(self.settings.workers)
        return environ

    def _container_names(self) -> list[str]:
        """What messages call the containers in which this process runs the suite."""
        return [f"container {worker}" for worker in range(self.settings.workers)]

    def _open_containers(self, environment: Environment, paths: list[str]) -> ContainerRun:
        image = environment.image
        root = PurePosixPath(image.container_root)
        invocation_dir = self.config.invocation_params.dir
        path_map = PathMap(((root, self.settings.rootdir), *self.settings.path_pairs), invocation_dir)
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        share = share_of(self.config)
        undecided = undecided_words(self.config, self._select)
        optional = options_for_container(self.config)
        arguments = container_arguments(
            options_of_pytest(self.config, root),
            paths=[path for entry in undecided for path in entry["paths"]] if undecided else paths,
            further=further_arguments(self.config, root),
            ignored=self.settings.host_suite,
            container_root=root,
            config_file=self.settings.config_file,
            has_color=bool(reporter is not None and reporter.hasmarkup),
        )
        coverage = self.coverage
        terminal = HostTerminal(self.config)
        described = terminal.description() if self.has_terminal else {}

        def start(worker: int) -> wire.Start:
            return wire.Start(
                args=arguments,
                cwd=str(root),
                environ={**environment.secret_environ, **self._worker_environ(self.worker + worker)},
                toolkit=str(image.toolkit_path or ""),
                hidden_conftests=[str(root / path) for path in self.suite.hidden_conftests()],
                known_ini=known_ini(self.config),
                phase_timeout_seconds=self.settings.test_timeout_seconds,
                plugins=plugins_for_container(self.config),
                optional=optional,
                undecided=undecided,
                default_paths=self.suite.selected(located(self.config, default_args(self.config))),
                markers=markers_of(self.config),
                filterwarnings=share.filterwarnings,
                host_filters=share.host_filters,
                coverage=coverage.wanted(worker, self.workers, path_map) if coverage else {},
                terminal=dict(described),
            )

        return ContainerRun(
            names=self._container_names(),
            open_stream=lambda worker: environment.exec_python(self.worker + worker, agent_arguments()),
            start=start,
            paths=path_map,
            listener=Listener(
                show_output=self.progress.output,
                record_warning=lambda warned: record_warning(self.config, warned, path_map),
                measured=coverage.record if coverage else refuse_coverage,
                lend_terminal=terminal.lend,
            ),
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
        if self.containers is not None:
            environment.watch_over(self.containers.break_off)
        for service in services:
            self.progress.line(
                f"dockerci: {service.name} ready in {format_seconds(service.seconds)} ({service.how})"
            )

    def will_run_tests(self, session: pytest.Session) -> bool:
        """True when pytest's loop is going to run tests of the container."""
        option = session.config.option
        has_errors = session.testsfailed and not option.continue_on_collection_errors
        return self.containers is not None and not option.collectonly and not has_errors

    def prepare_tests(self, items: Sequence[pytest.Item]) -> None:
        """Get ready for container tests; what goes wrong becomes the reason why each of them is not run."""
        if self.containers is None:
            return
        if self.config.pluginmanager.hasplugin("timeout"):
            has_own_timer = self.has_in_container("pytest-timeout")
            self.containers.limits.update(limits_of(self.config, items, has_own_timer=has_own_timer))
        try:
            self.wait_ready()
        except DockerCIError as error:
            self.containers.failure = error

    def plan(self, items: Sequence[pytest.Item]) -> None:
        """Note the order in which pytest's own loop, or ours, is going to run the tests."""
        if self.containers is not None:
            self.containers.plan(items)

    # End

    def bring_coverage(self) -> None:
        """End the sessions in the containers early, and give what they measured to pytest-cov."""
        if self.coverage is None or self.containers is None or self.tree is None:
            return
        self.finish_tests()
        remarks = [
            f"{death}; what it ran last may be missing from the report"
            for death in self.containers.gather_coverage()
        ]
        for remark in [*remarks, *self.coverage.write()]:
            self.progress.line(f"dockerci: coverage: {remark}")

    def finish_tests(self, *, is_cut_short: bool = False) -> None:
        """End the sessions in the containers; failures are kept in `failure`."""
        if self.containers is None or self.tree is None:
            return
        try:
            self.containers.finish(is_cut_short=is_cut_short)
        except DockerCIError as error:
            self.failure = self.failure or error
        self.failure = self.failure or self.containers.failure

    def require_proof(self) -> None:
        """Called where pytest says green: what is not proved is a failure, kept in `failure`."""
        if self.containers is None or self.tree is None or self.failure is not None:
            return
        environment = self.environment()
        workers = range(self.worker, self.worker + self.containers.workers)
        images = [environment.container(worker).image_id() for worker in workers]
        self.failure = unproved(self.containers.proof(images, environment.image.id))

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
        self._report.close(self.run_id)
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

    @property
    def is_failure_reported(self) -> bool:
        """True when the failure was shown among pytest's errors: it came before there was a collection."""
        return self.tree is None
