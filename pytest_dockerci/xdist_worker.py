"""A worker of pytest-xdist: drives one container of an environment that its controller owns."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dockerci.container_share import share_of
from pytest_dockerci.controller_link import ControllerLink, error_as_json
from pytest_dockerci.engine_environment import ENVIRONMENT_FACTORY
from pytest_dockerci.errors import DockerCIError, SettingsError
from pytest_dockerci.host_run import HostRun
from pytest_dockerci.items import ContainerItem
from pytest_dockerci.report_folder import ReportSettings
from pytest_dockerci.report_gate import FROM_CONTAINER
from pytest_dockerci.reports import with_plain_values
from pytest_dockerci.terminal import TerminalProgress, printable

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from pytest_dockerci.engine.environment import Environment
    from pytest_dockerci.last_image import LastImage
    from pytest_dockerci.settings import Settings
    from pytest_dockerci.worker_ledger import Collection


class XdistWorkerRun(HostRun):
    """The run of one worker. Nothing is started or removed here."""

    has_terminal = False  # pytest-xdist has it

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        super().__init__(config, replace(settings, workers=1, report=ReportSettings()))  # the controller's
        self._input: dict[str, Any] = config.workerinput  # type: ignore[attr-defined] # set by pytest-xdist
        self.worker = int(self._input["dockerci"]["container"])
        self.progress = _WorkerProgress(config)
        share_of(config).seed = int(self._input["dockerci"]["seed"])
        self._link = ControllerLink(self._input["dockerci"]["address"])

    @property
    def workers(self) -> int:
        """As `HostRun.workers`: the workers of pytest-xdist."""
        return int(self._input["workercount"])

    def collect(self) -> None:
        """As `HostRun.collect`; what is wrong with the command line is a failure that the controller gets."""
        try:
            super().collect()
        except pytest.UsageError as error:
            self.tree = None
            self.failure = SettingsError(str(error))

    def _make_environment(self) -> Environment:
        description = self._link.ask("attach")
        factory = self.config.stash.get(ENVIRONMENT_FACTORY, None)
        if factory is not None:
            return factory(self.config, self.settings, self.progress, self.run_id)
        from pytest_dockerci.engine.attached import AttachedEnvironment  # noqa: PLC0415 - loads Docker's client

        # It offers as much of it as a worker uses.
        return cast("Environment", AttachedEnvironment(description, os.environ, self._ask_for_service))

    def _ask_for_service(self, question: str, service: str) -> Any:
        return self._link.ask(question, worker=self.worker, service=service)

    def _note_image(self, environment: Environment, last: LastImage | None) -> None:
        """The controller does."""

    def _keep_collection(self, collection: Collection, root: PurePosixPath, paths: list[str]) -> None:
        """One worker is enough to remember what was collected."""
        if self.worker == 0:
            super()._keep_collection(collection, root, paths)

    def _tell_collected(self, environment: Environment, pytest_version: str) -> None:
        del environment
        self._link.ask("collected", pytest_version=pytest_version)

    def _worker_environ(self, worker: int) -> dict[str, str]:
        return {
            "DOCKERCI_WORKER": str(worker),
            "PYTEST_XDIST_WORKER": str(self._input["workerid"]),
            "PYTEST_XDIST_WORKER_COUNT": str(self._input["workercount"]),
            "PYTEST_XDIST_TESTRUNUID": str(self._input["testrunuid"]),
        }

    def _container_names(self) -> list[str]:
        # The same in all workers: pytest-xdist shows a collection error of several workers once.
        return ["the container"]

    def will_run_tests(self, session: pytest.Session) -> bool:
        """True even after collection errors: pytest-xdist runs the tests that there are."""
        del session
        return self.containers is not None

    def plan(self, items: Sequence[pytest.Item]) -> None:
        """The order is the controller's, and comes test by test."""

    def wait_ready(self) -> None:
        """Wait until the controller has seen every service ready."""
        if not self._is_ready:
            self._link.ask("wait_ready")
            self._is_ready = True
            threading.Thread(target=self._await_loss, name="dockerci services", daemon=True).start()

    def _await_loss(self) -> None:
        try:
            self._link.ask("await_loss")
        except DockerCIError as error:
            if self.containers is not None and not self._is_closed:
                self.containers.break_off(error)

    def close(self, *, fast: bool) -> None:
        """Hang up, and leave what went wrong to the controller."""
        del fast
        if self._is_closed:
            return
        self._is_closed = True
        if self.containers is not None:
            self.containers.close()
        if self._environment is not None:
            self._environment.close()
        output: dict[str, Any] = self.config.workeroutput  # type: ignore[attr-defined] # set by pytest-xdist
        if self.failure is not None:
            failure = error_as_json(self.failure)
            output["dockerci"] = {"failure": failure, "is_reported": self.is_failure_reported}


class _WorkerProgress(TerminalProgress):
    """pytest-xdist drops what a worker prints, but for its standard error."""

    def output(self, stream: str, text: str) -> None:
        """Show what passed pytest's capture by in the container, as far as pytest-xdist shows it."""
        if stream == "stderr":
            with self._uncaptured():
                sys.stderr.write(printable(text))
                sys.stderr.flush()


class XdistWorkerHooks:
    """What is different when the loop is pytest-xdist's."""

    def __init__(self, run: XdistWorkerRun) -> None:
        self._run = run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, object, object]:
        """A worker that could collect nothing says so: the controller waits for every worker's collection."""
        result = yield
        if self._run.failure is not None and self._run.tree is None:
            session.config.hook.pytest_collection_finish(session=session)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self, report: Any) -> Generator[None, Any, Any]:
        """pytest-xdist sends texts, and no kinds of texts, and nothing of a report's class."""
        data = yield
        if data is None:
            return None
        if getattr(report, FROM_CONTAINER, False):
            data[FROM_CONTAINER] = True
        return with_plain_values(data)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Only now is it known what follows; the agent must not run ahead of the controller."""
        if self._run.containers is not None and isinstance(item, ContainerItem):
            self._run.containers.plan_next(item, nextitem)
