"""What the containers are to measure, from the host's coverage configuration. Pure but for looking at folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_dockerci.paths import PathMap

# Options of `[run]` that decide what is measured and how. Where data lies and how it is named is ours.
_RUN_OPTIONS = (
    "branch",
    "concurrency",
    "context",
    "core",
    "cover_pylib",
    "disable_warnings",
    "dynamic_context",
    "patch",
    "plugins",
    "sigterm",
    "source_pkgs",
    "timid",
)
_PATTERN_OPTIONS = ("include", "omit")
_MAX_PACKAGES = 100


class CoveragePlan:
    """The host's configuration in the container's terms.

    Args:
        option: `Coverage.get_option`, None for what this version of coverage does not know.
        plugin_options: The section of a coverage plugin, by its name.
        paths: The map between container and host paths.
        folder: Where relative paths of the configuration start.
    """

    def __init__(
        self,
        option: Callable[[str], Any],
        plugin_options: Callable[[str], Mapping[str, Any]],
        paths: PathMap,
        folder: Path,
    ) -> None:
        self._option = option
        self._plugin_options = plugin_options
        self._paths = paths
        self._folder = folder

    def sections(self) -> dict[str, dict[str, str | list[str]]]:
        """The configuration, as ``.coveragerc`` holds it."""
        run = {name: _text(self._option(f"run:{name}")) for name in _RUN_OPTIONS}
        for name in _PATTERN_OPTIONS:
            patterns = self._option(f"run:{name}") or []
            run[name] = [mapped for pattern in patterns for mapped in self._patterns(pattern)]
        namespaces = _text(self._option("report:include_namespace_packages"))
        sections = {"run": run, "report": {"include_namespace_packages": namespaces}}
        for plugin in self._option("run:plugins") or []:
            sections[plugin] = {name: _text(value) for name, value in self._plugin_options(plugin).items()}
        return {
            section: {name: value for name, value in options.items() if value}
            for section, options in sections.items()
        }

    def sources(self) -> list[dict[str, Any]]:
        """Each source with the folders of the container that it may stand for, and the packages that it holds."""
        given = [*(self._option("run:source") or []), *(self._option("run:source_dirs") or [])]
        return [
            {"name": source, "folders": self._container_folders(source), "packages": self._packages(source)}
            for source in dict.fromkeys(given)
        ]

    def _absolute(self, path: str) -> Path:
        return Path(os.path.normpath(self._folder / path))

    def _container_folders(self, source: str) -> list[str]:
        path = self._absolute(source)
        folders = [str(container) for container in self._paths.container_paths(path)]
        folders += [str(container) for container, host in self._paths.pairs[1:] if host.is_relative_to(path)]
        return list(dict.fromkeys(folders))

    def _packages(self, source: str) -> list[str]:
        """The packages in a folder of the host, as they are imported: the image may have them installed."""
        folder = self._absolute(source)
        if not folder.is_dir():
            return []
        names: list[str] = []
        while (folder / "__init__.py").is_file():
            names.insert(0, folder.name)
            folder = folder.parent
        if names:
            return [".".join(names)]
        found = [file.parent.name for file in folder.glob("*/__init__.py")]
        found += [file.stem for file in folder.glob("*.py")]
        return sorted(found)[:_MAX_PACKAGES] if folder != self._paths.rootdir else []

    def _patterns(self, pattern: str) -> list[str]:
        """A pattern of paths, once for each tree of the container that it may be about."""
        if pattern.startswith(("*", "?", "[")):
            return [pattern]
        mapped = [str(path) for path in self._paths.container_paths(self._absolute(pattern))]
        return [*mapped, *([pattern] if pattern.startswith("/") else [])]


def _text(value: Any) -> str | list[str]:
    """A value of the configuration as the file holds it; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, set, frozenset)):
        return [str(element) for element in value]
    return str(value)
