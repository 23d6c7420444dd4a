"""The plugin: what it does in every pytest run of an environment that has it installed. All else is elsewhere.

It imports little: `run_registration` begins a run that has an image under test, and `run_hooks` does its work.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_dockerci.setting_options import add_options, is_switched_on


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
    from pytest_dockerci.errors import SettingsError  # noqa: PLC0415
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
    """Register fixtures and hooks; where there is an image under test, check the settings, and begin its run."""
    from pytest_dockerci import fixtures  # noqa: PLC0415 - see the module's docstring

    config.addinivalue_line("markers", "dockerci: set on every test that runs inside the image under test")
    config.pluginmanager.register(fixtures, "dockerci-fixtures")
    if is_switched_on(config):
        from pytest_dockerci.run_registration import register_run  # noqa: PLC0415 - see the module's docstring

        register_run(config)
