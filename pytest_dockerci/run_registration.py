"""Begins a run that has an image under test: reads its settings, and registers the hooks that it needs.

Loaded only where the plugin is switched on; what only some of these runs need is imported where they do.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.ci_systems import find_system
from pytest_dockerci.errors import SettingsError
from pytest_dockerci.garbage import GarbageHooks
from pytest_dockerci.host_run import HostRun
from pytest_dockerci.plain_pass import PlainPassHooks
from pytest_dockerci.report_gate import ReportGate
from pytest_dockerci.run_hooks import HOST_RUN, RunHooks
from pytest_dockerci.settings import read_settings

if TYPE_CHECKING:
    from pytest_dockerci.push_settings import PushSettings
    from pytest_dockerci.settings import Settings

XDIST_HOOKS = "dockerci-xdist"


def register_run(config: pytest.Config) -> None:
    """Check the settings; from here on the registered hooks do the work.

    Raises:
        pytest.UsageError: A setting cannot be meant.
    """
    if getattr(config.option, "show_fixtures_per_test", False):
        raise pytest.UsageError(
            "--fixtures-per-test looks into test functions, which only the container has\n"
            "  try: --setup-plan, which shows what each test would set up there"
        )
    try:
        push = _find_push_settings(config)
        settings = _settings_of_run(config)
        # What may be pushed is always built, and tested on a stack that nothing else has used.
        run = make_run(config, settings if push is None else replace(settings, keep_expiry_seconds=None))
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(RunHooks(run), HOST_RUN)
    config.pluginmanager.register(ReportGate(config), f"{HOST_RUN}-report-gate")
    config.pluginmanager.register(PlainPassHooks(run), f"{HOST_RUN}-plain-pass")
    config.pluginmanager.register(GarbageHooks(), f"{HOST_RUN}-garbage")
    if not hasattr(config, "workerinput"):
        register_shipping(config, run, push)
    _register_for_some(config, run)


def _find_push_settings(config: pytest.Config) -> PushSettings | None:
    """What is to be pushed, as `push_settings.read_push_settings`, which only a run that asks for it loads."""
    if config.getoption("dockerci_push") is None and not config.getini("dockerci_push"):
        return None
    from pytest_dockerci.push_settings import read_push_settings  # noqa: PLC0415 - only a run that pushes pays

    return read_push_settings(config)


def _settings_of_run(config: pytest.Config) -> Settings:
    """The settings, with the commands that the command line asks for.

    Raises:
        SettingsError: One cannot be meant.
    """
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
    # Only a run that is distributed pays for these.
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
    return HostRun(config, settings)


def is_distributed(config: pytest.Config) -> bool:
    """True in pytest-xdist's controller. Source: `xdist.plugin.pytest_configure`, pytest-xdist 3.8."""
    option = config.option
    has_workers = getattr(option, "dist", "no") != "no" and bool(getattr(option, "tx", None))
    return has_workers and not option.collectonly
