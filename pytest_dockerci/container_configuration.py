"""Which part of the configuration file the container judges: ini keys, markers, plugins, filters of warnings."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_dockerci.container_share import share_of

_FAILED_FILTER = "Failed to import filter module"  # pytest's words, since 9.0


# While plugins are loaded


def defer_required_plugins(config: pytest.Config) -> None:
    """Keep pytest from checking ``required_plugins`` before the container's plugins are known.

    pytest checks the list when it has loaded the last plugin, before it calls any further hook.
    """
    share_of(config).required_plugins = list(config.getini("required_plugins"))
    _overrule_ini(config, "required_plugins", [])


def check_required_plugins_here(config: pytest.Config) -> None:
    """Check ``required_plugins`` as pytest does: the run turned out to be the host's alone.

    Raises:
        pytest.UsageError: One is missing.
    """
    required = share_of(config).required_plugins
    if required:
        _overrule_ini(config, "required_plugins", required)
        config._validate_plugins()  # noqa: SLF001 - what pytest has just done with an empty list


# Before the host's conftest.py files are loaded


def drop_container_filters(config: pytest.Config) -> None:
    """Drop warning filters whose class cannot be imported here; the container judges them."""
    share = share_of(config)
    lines = list(config.getini("filterwarnings"))
    typed = list(config.known_args_namespace.pythonwarnings or [])
    share.filterwarnings = lines
    with _python_path(config):
        files = {text: _file_of_category(text) for text in (*lines, *typed)}
    share.host_filters = [
        text for text, file in files.items() if file and not _is_of_the_project(config.rootpath, Path(file))
    ]
    if None not in files.values():
        return
    _overrule_ini(config, "filterwarnings", [text for text in lines if files[text] is not None])
    config.known_args_namespace.pythonwarnings = [text for text in typed if files[text] is not None]
    # pytest 9.2 has applied the filters before, while it loaded plugins, and warned.
    calls: list[Any] = getattr(config.hook.pytest_warning_recorded, "_call_history", None) or []
    calls[:] = [call for call in calls if _FAILED_FILTER not in str(call[0]["warning_message"].message)]


def _file_of_category(text: str) -> str | None:
    """The file of a filter's class; empty for a built-in one or none, None when it cannot be imported."""
    parts = text.split(":")
    category = parts[2].strip() if len(parts) > 2 else ""  # noqa: PLR2004 - action:message:category
    module, _, name = category.rpartition(".")
    if not module:
        return ""
    try:
        found = importlib.import_module(module)
        return (getattr(found, "__file__", None) or "") if hasattr(found, name) else None
    except (Exception, SystemExit):  # noqa: BLE001 - the application's own import may raise anything
        return None


def _is_of_the_project(rootdir: Path, file: Path) -> bool:
    return file.is_relative_to(rootdir) and "site-packages" not in file.parts


@contextmanager
def _python_path(config: pytest.Config) -> Iterator[None]:
    """With the setting ``pythonpath``, which pytest 8 and 9.0 apply later."""
    before = list(sys.path)
    sys.path[:0] = [str(path) for path in config.getini("pythonpath")]
    try:
        yield
    finally:
        sys.path[:] = before


# When the container's pytest is started, and when it has collected


def markers_of(config: pytest.Config) -> list[str]:
    """The lines that register markers here."""
    return [str(line) for line in config.getini("markers")]


def leave_ini_to_container(config: pytest.Config) -> None:
    """Take unknown keys of the configuration file for known: the container's pytest judges them for both."""
    unknown = config._get_unknown_ini_keys()  # noqa: SLF001 - what pytest would warn of
    share_of(config).unknown_ini.update(unknown)
    for name in unknown:
        config._parser.addini(name, "left to the container's plugins")  # noqa: SLF001 - as a plugin would


def known_ini(config: pytest.Config) -> list[str]:
    """The keys of the configuration file that pytest and the plugins of the host know."""
    known = set(config._parser._inidict)  # noqa: SLF001 - pytest has no public list of them
    return sorted(known - share_of(config).unknown_ini)


def learn_markers(config: pytest.Config, lines: Sequence[str]) -> None:
    """Register the container's markers, for ``-m`` under strict markers."""
    known = set(markers_of(config))
    for line in lines:
        if line not in known:
            config.addinivalue_line("markers", line)


def missing_plugins(config: pytest.Config, container: Mapping[str, str]) -> list[str]:
    """The required plugins that neither side has, each as it was written.

    Args:
        config: The host's configuration.
        container: Name and version of the distributions with plugins in the container.
    """
    host = _host_plugins(config)
    return [
        text
        for text in share_of(config).required_plugins
        if not _is_met(text, host) and not _is_met(text, container)
    ]


def _is_met(text: str, distributions: Mapping[str, str]) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - few projects require plugins

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return False
    version = distributions.get(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def require_plugins(config: pytest.Config, container: Mapping[str, str], place: str) -> None:
    """Check ``required_plugins`` against the plugins of both sides.

    Args:
        config: The host's configuration.
        container: Name and version of the distributions with plugins in the container.
        place: What the container is called.

    Raises:
        pytest.UsageError: Neither side has one of them.
    """
    missing = missing_plugins(config, container)
    if missing:
        raise pytest.UsageError(
            f"Missing required plugins: {', '.join(missing)}\n"
            f"  why: looked on the host ({sys.prefix}: {_list(_host_plugins(config))})"
            f" and in {place} ({_list(container)})\n"
            "  try: name it in dockerci_requirements, or install it on the host"
        )


def _list(distributions: Mapping[str, str]) -> str:
    return ", ".join(sorted(f"{name} {version}" for name, version in distributions.items())) or "no plugins"


def _host_plugins(config: pytest.Config) -> dict[str, str]:
    return {dist.project_name: dist.version for _, dist in config.pluginmanager.list_plugin_distinfo()}


def _overrule_ini(config: pytest.Config, name: str, value: object) -> None:
    config._inicache[name] = value  # noqa: SLF001 - pytest has no way to change a setting that was read
