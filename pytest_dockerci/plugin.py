"""The plugin: pytest's hooks, in the order in which pytest calls them. All else is elsewhere.

Imported in every pytest run of an environment that has the plugin installed, so it imports
little; Docker's client is loaded when a run first needs an engine.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.errors import DockerCIError, ExitStatus, SettingsError
from pytest_dockerci.settings import add_options, is_switched_on, read_settings, read_suite

if TYPE_CHECKING:
    from pytest_dockerci.host_run import HostRun

HOST_RUN = "dockerci-run"
_NOT_YET = (
    ("usepdb", "--pdb", "--no-dockerci runs the suite on the host"),
    ("trace", "--trace", "--no-dockerci runs the suite on the host"),
    ("numprocesses", "pytest-xdist's -n", "--dockerci-workers=N shares the suite between N containers"),
)
# DESIGN's precedence: an internal or usage error says more than a lost environment, that more than an
# interruption, and so on; the lowest rank wins.
_EXIT_RANKS = (3, 4, 6, 7, 2, 1, 8, 9, 5, 0)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register all settings."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks that a project may implement."""
    from pytest_dockerci import hooks  # noqa: PLC0415 - kept out of the import of the plugin

    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep the host from importing the ``conftest.py`` files that belong to the container."""
    if not is_switched_on(early_config):
        return
    from pytest_dockerci.host_collection import hide_conftests  # noqa: PLC0415 - only a run that is switched on pays

    try:
        suite, host_suite = read_suite(early_config)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    root = early_config.rootpath
    hide_conftests(early_config, [root / path for path in suite], [root / path for path in host_suite])


def pytest_configure(config: pytest.Config) -> None:
    """Check the settings; from here on `DockerCIPlugin` does the work."""
    from pytest_dockerci import fixtures  # noqa: PLC0415 - see the module's docstring

    config.addinivalue_line("markers", "dockerci: set on every test that runs inside the image under test")
    config.pluginmanager.register(fixtures, "dockerci-fixtures")
    if not is_switched_on(config):
        return
    from pytest_dockerci.host_run import HostRun  # noqa: PLC0415 - only a run that is switched on pays

    for key, option, instead in _NOT_YET:
        if config.getoption(key, default=None):
            raise pytest.UsageError(f"{option} does not work with tests in a container yet\n  try: {instead}")
    try:
        settings = read_settings(config, os.environ)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(DockerCIPlugin(HostRun(config, settings)), HOST_RUN)


class DockerCIPlugin:
    """The hooks of a run that has an image under test."""

    def __init__(self, run: HostRun) -> None:
        from pytest_dockerci import host_collection  # noqa: PLC0415 - see the module's docstring

        self.run = run
        self._host_collection = host_collection
        self._collection = host_collection.HostCollection(None)

    # Collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        """Build, start, collect in the container; then pytest collects, and finds the container's nodes there.

        Where that fails, one error stands for all tests, and pytest's own collection does not run: it
        would call what it was asked for "not found".
        """
        self.run.collect(called_with(session.config))
        settings = self.run.settings
        host_paths = [settings.rootdir / path for path in settings.host_suite]
        self._collection = self._host_collection.HostCollection(self.run.tree, host_paths)
        if self.run.failure is None:
            return None
        report = self._host_collection.environment_report(str(self.run.failure))
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

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """The container's order and deselection come first; the host's plugins see the result."""
        deselected = self._collection.arrange(items)
        if deselected:
            config.hook.pytest_deselected(items=deselected)

    # Running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Wait for the services before the first test; note the order in which the agent may run ahead."""
        option = session.config.option
        has_errors = session.testsfailed and not option.continue_on_collection_errors
        if self.run.containers is None or option.collectonly or has_errors:
            return (yield)
        self.run.prepare_tests()
        self.run.containers.plan(session.items)
        with self.run.progress.phase("tests"):
            return (yield)

    @pytest.hookimpl(tryfirst=True, specname="pytest_runtestloop")
    def pytest_runtestloop_shared(self, session: pytest.Session) -> bool | None:
        """Several containers share the suite by a loop of ours; with one, pytest's own loop runs."""
        option = session.config.option
        has_errors = session.testsfailed and not option.continue_on_collection_errors
        if (
            self.run.containers is None
            or self.run.containers.workers == 1
            or option.collectonly
            or has_errors
        ):
            return None
        from pytest_dockerci.shared_loop import SharedLoop  # noqa: PLC0415 - see the module's docstring

        SharedLoop(session, self.run.containers).run()
        return True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A container test's report is the container's; innermost, so that every plugin sees that one."""
        from pytest_dockerci.items import ContainerItem  # noqa: PLC0415 - see the module's docstring

        report = yield
        if isinstance(item, ContainerItem):
            for further in item.report(report, call):
                item.ihook.pytest_runtest_logreport(report=further)
        return report

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
                self.run.finish_tests()
            return (yield)
        finally:
            self.run.close(fast=is_interrupted)
            session.exitstatus = self._exit_status(int(session.exitstatus))

    def _exit_status(self, exitstatus: int) -> int:
        if self.run.interruption.ended_by is not None:
            return 128 + self.run.interruption.ended_by
        statuses = [exitstatus]
        if self.run.failure is not None:
            statuses.append(int(self.run.failure.exit_status))
        if self.run.leftovers:
            statuses.append(ExitStatus.CLEANUP_INCOMPLETE)
        return min(statuses, key=lambda status: _EXIT_RANKS.index(status) if status in _EXIT_RANKS else -1)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Whatever happened before: nothing stays behind."""
        self.run.close(fast=True)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What became of the environment, and how long each phase took."""
        from pytest_dockerci.terminal import write_summary  # noqa: PLC0415 - see the module's docstring

        write_summary(terminalreporter, self.run)


def called_with(config: pytest.Config) -> list[tuple[Path, str]]:
    """The files and folders that pytest was called with, and the names that follow them (``::test_one``)."""
    arguments = []
    for argument in config.args:
        path, separator, names = argument.partition("::")
        arguments.append((Path(os.path.normpath(config.invocation_params.dir / path)), separator + names))
    return arguments


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
