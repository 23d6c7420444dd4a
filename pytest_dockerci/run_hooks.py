"""The hooks of a run that has an image under test, in the order in which pytest calls them. All else is elsewhere.

Docker's client is loaded when the run first needs an engine.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci import host_collection
from pytest_dockerci.container_configuration import leave_ini_to_container
from pytest_dockerci.debugger import keep_pdb_to_host_tests
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.items import ContainerItem
from pytest_dockerci.report_gate import FROM_CONTAINER, without_secrets
from pytest_dockerci.terminal import write_summary
from pytest_dockerci.verdict import exit_status

if TYPE_CHECKING:
    from pytest_dockerci.host_run import HostRun

HOST_RUN = "dockerci-run"


class RunHooks:
    """The hooks of a run that has an image under test."""

    def __init__(self, run: HostRun) -> None:
        self.run = run
        self._collection = host_collection.HostCollection(None)

    # Collection

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """`--fixtures` lists what the host knows."""
        if getattr(session.config.option, "showfixtures", False):
            self.run.progress.line("dockerci: these are the host's fixtures; the container's are not listed")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        """Build, start, collect in the container; then pytest collects, and finds the container's nodes there.

        Where that fails, one error stands for all tests, and pytest's own collection does not run: it
        would call what it was asked for "not found".
        """
        leave_ini_to_container(session.config)
        keep_pdb_to_host_tests(session.config)
        try:
            self.run.collect()
        except pytest.UsageError:
            session.config.hook.pytest_collection_finish(session=session)  # as pytest does
            raise
        settings = self.run.settings
        host_paths = [settings.rootdir / path for path in settings.host_suite]
        self._collection = host_collection.HostCollection(self.run.tree, host_paths)
        if self.run.failure is None:
            return None
        report = host_collection.environment_report(str(self.run.failure))
        session.config.hook.pytest_collectreport(report=report)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """A folder of the container's suite is not scanned on the host."""
        return self._collection.directory(parent, path) if self.run.suite.holds(path) else None

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
        """A file that the suite names by itself is the container's, in a folder of the host."""
        collectors = yield
        return self._collection.files(parent, file_path) if self.run.suite.holds(file_path) else collectors

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        """A collector that failed or was skipped in the container has that report here."""
        return self._collection.report(collector)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """The container's order and deselection come first; the host's plugins see the result.

        Those that shuffle do so in a wrapper of this hook (pytest-randomly), so this is one as well.
        """
        deselected = self._collection.arrange(items)
        if deselected:
            session.config.hook.pytest_deselected(items=deselected)
        return (yield)

    @pytest.hookimpl(tryfirst=True, specname="pytest_collection_modifyitems")
    def pytest_collection_modifyitems_again(self, items: list[pytest.Item]) -> None:
        """What has been shuffled in the container is not shuffled once more."""
        if self.run.has_in_container("pytest-randomly"):
            self._collection.arrange(items)

    # Running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Wait for the services before the first test; note the order in which the agent may run ahead."""
        if self.run.containers is None or not self.run.will_run_tests(session):
            return (yield)
        self.run.prepare_tests(session.items)
        self.run.plan(session.items)
        with self.run.progress.phase("tests"):
            return (yield)

    @pytest.hookimpl(tryfirst=True, specname="pytest_runtestloop")
    def pytest_runtestloop_shared(self, session: pytest.Session) -> bool | None:
        """Several containers share the suite by a loop of ours; with one, pytest's own loop runs."""
        containers = self.run.containers
        if containers is None or containers.workers == 1 or not self.run.will_run_tests(session):
            return None
        from pytest_dockerci.shared_loop import SharedLoop  # noqa: PLC0415 - most runs have one worker

        SharedLoop(session, containers).run()
        return True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A container test's report is the container's; innermost, so that every plugin sees that one."""
        report = yield
        if isinstance(item, ContainerItem):
            setattr(report, FROM_CONTAINER, True)
            for further in item.report(report):
                item.ihook.pytest_runtest_logreport(report=further)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_runtest_makereport")
    def pytest_runtest_makereport_at_last(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """The reason of an expected failure is the container's; the host's pytest words it as its version does."""
        report = yield
        reason = getattr(item, "xfail_reason", None)
        if reason is not None and hasattr(report, "wasxfail"):
            report.wasxfail = reason
        return without_secrets(report)

    # End

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Drop the stack's entries without a line number, with which pytest would fail.

        CPython has such instructions between two lines; seen with Python 3.11.7 and pytest 9.2.0.
        """
        entries = []
        for entry in excinfo.traceback:
            line: Any = entry._rawentry.tb_lineno  # noqa: SLF001 - `entry.lineno` is what fails
            if line is not None:
                entries.append(entry)
        excinfo.traceback = type(excinfo.traceback)(entries)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """End the sessions in the containers, let host fixtures end, then remove everything.

        The innermost wrapper: fixtures have ended and nothing is left when the terminal sums up.
        """
        is_interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        try:
            if not is_interrupted:
                self.run.finish_tests(is_cut_short=bool(session.shouldfail or session.shouldstop))
            if exitstatus == pytest.ExitCode.OK:
                self.run.require_proof()
            return (yield)
        finally:
            self.run.close(fast=is_interrupted)
            session.exitstatus = exit_status(
                int(session.exitstatus),
                ended_by=self.run.interruption.ended_by,
                failure=None if self.run.failure is None else int(self.run.failure.exit_status),
                has_leftovers=bool(self.run.leftovers),
            )

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Whatever happened before: nothing stays behind."""
        self.run.close(fast=True)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What became of the environment, and how long each phase took."""
        write_summary(terminalreporter, self.run)


def host_run(config: pytest.Config) -> HostRun:
    """The run of a configuration that is switched on.

    Raises:
        DockerCIError: It is switched off.
    """
    plugin = config.pluginmanager.get_plugin(HOST_RUN)
    if plugin is None:
        raise DockerCIError(
            "pytest-dockerci is switched off for this run", fix="set dockerci_service, drop --no-dockerci"
        )
    run: HostRun = plugin.run
    return run
