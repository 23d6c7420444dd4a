"""pytest-xdist's controller: starts everything once, gives each worker a container, removes everything.

Loaded only in a run that pytest-xdist distributes. The controller collects nothing and runs no test.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.container_options import refuse_unknown
from pytest_dockerci.container_selection import paths_for_container
from pytest_dockerci.container_share import share_of
from pytest_dockerci.controller_link import ControllerServer, error_from_json
from pytest_dockerci.errors import DockerCIError, SettingsError
from pytest_dockerci.host_run import HostRun
from pytest_dockerci.terminal import describe_containers

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment import Environment
    from pytest_dockerci.settings import Settings


class XdistControllerRun(HostRun):
    """The run of a controller. Workers' questions are answered in threads of their own.

    Raises:
        SettingsError: The containers of one process are to share the suite as well.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        if settings.workers > 1:
            raise SettingsError(
                f"dockerci_workers = {settings.workers} cannot be combined with pytest-xdist's -n",
                why="under pytest-xdist each of its workers drives one container",
                fix="keep one of the two; -n 0 switches pytest-xdist off for one run",
            )
        super().__init__(config, settings)
        self.pytest_version = ""
        self._lock = threading.RLock()
        self._server: ControllerServer | None = None
        self._container_of: dict[str, int] = {}
        self._is_reported = False
        self._is_told = False
        self._started: Environment | None = None
        self._loss: DockerCIError | None = None
        self._has_to_tell = threading.Event()

    def bring_up(self, workers: int) -> bool:
        """Start what the workers need, unless they need no container as far as can be seen now.

        Args:
            workers: How many there will be.

        Returns:
            False where that failed; `failure` says why.

        Raises:
            pytest.UsageError: Only a container could know an option, and none is needed.
        """
        self.settings = replace(self.settings, workers=workers)
        self.interruption.catch()
        self._server = ControllerServer(self._answer)
        if not paths_for_container(self.config, self.suite):
            refuse_unknown(self.config)
            return True
        try:
            self.environment()
        except DockerCIError:
            self._is_reported = True
        return self.failure is None

    def collect(self) -> None:
        """Each worker collects for itself."""

    def environment(self) -> Environment:
        """As `HostRun.environment`; the first of the threads starts it, others wait."""
        with self._lock:
            self._started = super().environment()
            return self._started

    def wait_ready(self) -> None:
        """As `HostRun.wait_ready`, for all workers at once."""
        with self._lock:
            if not self._is_ready:
                super().wait_ready()
                self.environment().watch_over(self._note_loss)

    def _note_loss(self, error: DockerCIError) -> None:
        self._loss = error
        self._has_to_tell.set()

    # Workers

    def admit(self, worker: str) -> dict[str, Any]:
        """What a worker has to know; it gets a container that no other one drives."""
        assert self._server is not None  # noqa: S101 - `bring_up` comes before the first worker
        taken = set(self._container_of.values())
        number = next(number for number in range(len(taken) + 1) if number not in taken)
        self._container_of[worker] = number
        seed = share_of(self.config).seed
        return {"address": self._server.address, "container": number, "seed": seed}

    def dismiss(self, worker: str, output: dict[str, Any]) -> None:
        """A worker has ended; its container is free for the one that replaces it.

        Args:
            worker: Its name.
            output: What `XdistWorkerRun` left; empty when it died.
        """
        self._container_of.pop(worker, None)
        if output.get("failure") and self.failure is None:
            self.failure = error_from_json(output["failure"])
            self._is_reported = bool(output["is_reported"])

    def _answer(self, question: str, arguments: dict[str, Any]) -> Any:
        match question:
            case "attach":
                return self._describe()
            case "collected":
                self.pytest_version = str(arguments["pytest_version"])
            case "wait_ready":
                self.wait_ready()
            case "await_loss":
                self._has_to_tell.wait()
                if self._loss is not None:
                    raise self._loss
            case _:
                return self._answer_on_service(question, **arguments)
        return None

    def _describe(self) -> dict[str, Any]:
        with self._lock:
            # Whether its services have failed by now or not: workers that differ in that would collect different tests.
            return (self._started or self.environment()).describe()

    def _answer_on_service(self, question: str, *, worker: int, service: str) -> Any:
        from pytest_dockerci.engine.service import note_stop, wait_again  # noqa: PLC0415 - loads Docker's client

        found = self.environment().services_of(worker)[service]  # started, if it was not
        if question == "find_service":
            return found.container_id
        if question == "wait_service":
            wait_again(found)
        if question in ("stopping_service", "started_service"):
            note_stop(found, is_stopped=question == "stopping_service")
        return None

    # End

    @property
    def is_failure_reported(self) -> bool:
        """True when the failure was shown among pytest's errors."""
        return self._is_reported

    def close(self, *, fast: bool) -> None:
        """As `HostRun.close`; no question is answered any more."""
        self._has_to_tell.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        self.failure = self.failure or self._loss
        super().close(fast=fast)

    def tell_containers(self) -> None:
        """Say where the suite runs, once the first worker has collected it there."""
        if self.pytest_version and self._environment is not None and not self._is_told:
            self._is_told = True
            image = self._environment.image
            self.progress.line(describe_containers(image, self.settings.workers, self.pytest_version))


class XdistControllerHooks:
    """Between pytest-xdist's hooks and the run."""

    def __init__(self, run: XdistControllerRun) -> None:
        self._run = run

    @pytest.hookimpl(trylast=True)
    def pytest_xdist_setupnodes(self, config: pytest.Config, specs: list[Any]) -> None:
        """Start the environment; where that fails no worker is started, and collection reports why."""
        remote = [str(spec) for spec in specs if not spec.popen]
        if remote:
            raise pytest.UsageError(
                f"pytest-dockerci: pytest-xdist's worker {remote[0]} is not a process of this machine\n"
                "  why: workers drive the containers of this machine's run\n"
                "  try: -n NUMBER; DOCKER_HOST names an engine elsewhere"
            )
        if not self._run.bring_up(len(specs)):
            specs.clear()
            config.pluginmanager.unregister(name="dsession")

    def pytest_configure_node(self, node: Any) -> None:
        """Hand a worker its container; also one that replaces another."""
        node.workerinput["dockerci"] = self._run.admit(node.gateway.id)

    def pytest_xdist_node_collection_finished(self) -> None:
        """The first collection tells which pytest runs in the containers."""
        self._run.tell_containers()

    def pytest_testnodedown(self, node: Any) -> None:
        """Take the container back."""
        self._run.dismiss(node.gateway.id, getattr(node, "workeroutput", {}).get("dockerci", {}))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """pytest-xdist's loop collects and runs."""
        with self._run.progress.phase("tests"):
            return (yield)
