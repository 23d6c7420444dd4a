"""The plugin: pytest's hooks, in the order in which pytest calls them. All else is elsewhere.

Imported in every pytest run of an environment that has the plugin installed, so it imports
little; Docker's client is loaded when a run first needs an engine.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.errors import DockerCIError, SettingsError
from pytest_dockerci.push_options import find_push_settings
from pytest_dockerci.setting_options import add_options, is_switched_on

if TYPE_CHECKING:
    from pytest_dockerci.host_run import HostRun
    from pytest_dockerci.push_settings import PushSettings
    from pytest_dockerci.settings import Settings

HOST_RUN = "dockerci-run"
XDIST_HOOKS = "dockerci-xdist"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register all settings; where there is a service, keep pytest from judging for the container."""
    add_options(parser)
    config: Any = pluginmanager.get_plugin("pytestconfig")
    # Before pytest has read the configuration file, no setting may be asked for: it would be kept as not set.
    if "required_plugins" in parser._inidict and config.getini("dockerci_service"):  # noqa: SLF001 - see above
        from pytest_dockerci.container_configuration import defer_required_plugins  # noqa: PLC0415 - as below

        defer_required_plugins(config)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks that a project may implement."""
    from pytest_dockerci import hooks  # noqa: PLC0415 - kept out of the import of the plugin

    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, object, object]:
    """Keep what belongs to the container from the host: ``conftest.py`` files, options, filters of warnings."""
    if not is_switched_on(early_config):
        if early_config.getini("dockerci_service"):
            from pytest_dockerci.container_configuration import check_required_plugins_here  # noqa: PLC0415 - as below

            check_required_plugins_here(early_config)
        return (yield)
    # Only a run that is switched on pays for these.
    from pytest_dockerci.container_configuration import drop_container_filters  # noqa: PLC0415
    from pytest_dockerci.container_options import take_container_options, take_unknown_options  # noqa: PLC0415
    from pytest_dockerci.host_collection import hide_conftests  # noqa: PLC0415
    from pytest_dockerci.kept_use import start_early_agents  # noqa: PLC0415
    from pytest_dockerci.settings import read_suite  # noqa: PLC0415

    start_early_agents(early_config)
    try:
        suite, host_suite = read_suite(early_config)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    root = early_config.rootpath
    hide_conftests(early_config, [root / path for path in suite], [root / path for path in host_suite])
    take_container_options(early_config, args)
    drop_container_filters(early_config)
    result = yield
    take_unknown_options(early_config, args)
    return result


def pytest_configure(config: pytest.Config) -> None:
    """Check the settings; from here on `DockerCIPlugin` does the work."""
    from pytest_dockerci import fixtures  # noqa: PLC0415 - see the module's docstring

    config.addinivalue_line("markers", "dockerci: set on every test that runs inside the image under test")
    config.pluginmanager.register(fixtures, "dockerci-fixtures")
    if not is_switched_on(config):
        return
    if getattr(config.option, "show_fixtures_per_test", False):
        raise pytest.UsageError(
            "--fixtures-per-test looks into test functions, which only the container has\n"
            "  try: --setup-plan, which shows what each test would set up there"
        )
    try:
        push = find_push_settings(config)
        settings = _settings_of_run(config)
        # What may be pushed is always built, and tested on a stack that nothing else has used.
        run = make_run(config, settings if push is None else replace(settings, keep_expiry_seconds=None))
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    # See the module's docstring.
    from pytest_dockerci.garbage import GarbageHooks  # noqa: PLC0415
    from pytest_dockerci.plain_pass import PlainPassHooks  # noqa: PLC0415
    from pytest_dockerci.report_gate import ReportGate  # noqa: PLC0415

    config.pluginmanager.register(DockerCIPlugin(run), HOST_RUN)
    config.pluginmanager.register(ReportGate(config), f"{HOST_RUN}-report-gate")
    config.pluginmanager.register(PlainPassHooks(run), f"{HOST_RUN}-plain-pass")
    config.pluginmanager.register(GarbageHooks(), f"{HOST_RUN}-garbage")
    if not hasattr(config, "workerinput"):
        register_shipping(config, run, push)
    _register_for_some(config, run)


def _settings_of_run(config: pytest.Config) -> Settings:
    """The settings, with the commands that the command line asks for.

    Raises:
        SettingsError: One cannot be meant.
    """
    from pytest_dockerci.settings import read_settings  # noqa: PLC0415 - see the module's docstring

    settings = read_settings(config, os.environ)
    if not settings.commands:
        return settings
    from pytest_dockerci.commands.selection import select_commands  # noqa: PLC0415 - only a run that has some pays

    return select_commands(config, settings)


def _register_for_some(config: pytest.Config, run: HostRun) -> None:
    """Register the hooks of which only some runs have need."""
    if run.coverage is not None:
        from pytest_dockerci.host_coverage import CoverageHooks  # noqa: PLC0415 - only a run that measures pays

        config.pluginmanager.register(CoverageHooks(run), f"{HOST_RUN}-coverage")
    if run.settings.commands:
        from pytest_dockerci.commands.hooks import CommandHooks  # noqa: PLC0415 - only a run that has some pays

        config.pluginmanager.register(CommandHooks(run), f"{HOST_RUN}-commands")
    if getattr(config.option, "setupshow", False):
        from pytest_dockerci.setup_show import SetupShowHooks  # noqa: PLC0415 - as above

        config.pluginmanager.register(SetupShowHooks(), f"{HOST_RUN}-setup-show")
    if config.pluginmanager.hasplugin("timeout"):
        from pytest_dockerci.host_timeout import TimeoutHooks  # noqa: PLC0415 - only a run with that plugin pays

        config.pluginmanager.register(TimeoutHooks(), f"{HOST_RUN}-timeout")


def register_shipping(config: pytest.Config, run: HostRun, push: PushSettings | None) -> None:
    """Register what is done with a green image, and what a CI system is told."""
    from pytest_dockerci.ci_systems import find_system  # noqa: PLC0415 - see the module's docstring

    shipping = None
    if push is not None:
        from pytest_dockerci.shipping import ShipHooks, is_question  # noqa: PLC0415 - only a run that pushes pays

        if not is_question(config):
            shipping = ShipHooks(run, push)
            config.pluginmanager.register(shipping, f"{HOST_RUN}-shipping")
    system = find_system(os.environ)
    if system is not None:
        from pytest_dockerci.ci_report import CiReport  # noqa: PLC0415 - only a run in CI pays

        config.pluginmanager.register(CiReport(run, system, shipping), f"{HOST_RUN}-ci-report")


def make_run(config: pytest.Config, settings: Settings) -> HostRun:
    """The run of this process, for the part that it has: alone, or one of pytest-xdist's.

    Raises:
        SettingsError: The settings do not suit that part.
    """
    # Only a run that is switched on pays for these, and only one that is distributed for pytest-xdist's.
    if hasattr(config, "workerinput"):
        from pytest_dockerci.xdist_worker import XdistWorkerHooks, XdistWorkerRun  # noqa: PLC0415

        worker = XdistWorkerRun(config, settings)
        config.pluginmanager.register(XdistWorkerHooks(worker), XDIST_HOOKS)
        return worker
    if is_distributed(config):
        from pytest_dockerci.xdist_controller import XdistControllerHooks, XdistControllerRun  # noqa: PLC0415

        controller = XdistControllerRun(config, settings)
        config.pluginmanager.register(XdistControllerHooks(controller), XDIST_HOOKS)
        return controller
    from pytest_dockerci.host_run import HostRun  # noqa: PLC0415

    return HostRun(config, settings)


def is_distributed(config: pytest.Config) -> bool:
    """True in pytest-xdist's controller. Source: `xdist.plugin.pytest_configure`, pytest-xdist 3.8."""
    option = config.option
    has_workers = getattr(option, "dist", "no") != "no" and bool(getattr(option, "tx", None))
    return has_workers and not option.collectonly


class DockerCIPlugin:
    """The hooks of a run that has an image under test."""

    def __init__(self, run: HostRun) -> None:
        from pytest_dockerci import host_collection  # noqa: PLC0415 - see the module's docstring

        self.run = run
        self._host_collection = host_collection
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
        from pytest_dockerci.container_configuration import leave_ini_to_container  # noqa: PLC0415 - see the module's docstring
        from pytest_dockerci.debugger import keep_pdb_to_host_tests  # noqa: PLC0415 - as above

        leave_ini_to_container(session.config)
        keep_pdb_to_host_tests(session.config)
        try:
            self.run.collect()
        except pytest.UsageError:
            session.config.hook.pytest_collection_finish(session=session)  # as pytest does
            raise
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
        from pytest_dockerci.shared_loop import SharedLoop  # noqa: PLC0415 - see the module's docstring

        SharedLoop(session, containers).run()
        return True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A container test's report is the container's; innermost, so that every plugin sees that one."""
        from pytest_dockerci.items import ContainerItem  # noqa: PLC0415 - see the module's docstring
        from pytest_dockerci.report_gate import FROM_CONTAINER  # noqa: PLC0415 - see the module's docstring

        report = yield
        if isinstance(item, ContainerItem):
            setattr(report, FROM_CONTAINER, True)
            for further in item.report(report):
                item.ihook.pytest_runtest_logreport(report=further)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_runtest_makereport")
    def pytest_runtest_makereport_at_last(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """The reason of an expected failure is the container's; the host's pytest words it as its version does."""
        from pytest_dockerci.report_gate import without_secrets  # noqa: PLC0415 - see the module's docstring

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
        from pytest_dockerci.verdict import exit_status  # noqa: PLC0415 - see the module's docstring

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
        from pytest_dockerci.terminal import write_summary  # noqa: PLC0415 - see the module's docstring

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
