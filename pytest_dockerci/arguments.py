"""The command line of the container's pytest, made from the host's. Pure.

The container's pytest gets what decides how tests are collected and run. What decides which
results are kept, shown or written belongs to the host: ``-x``, ``--lf``, ``--junitxml`` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

# Options that mean something in the container: the name on the command line, and where pytest keeps its value.
_VALUE_OPTIONS = (
    ("-k", "keyword"),
    ("-m", "markexpr"),
    ("--capture", "capture"),
    ("--tb", "tbstyle"),
    ("--assert", "assertmode"),
    ("--import-mode", "importmode"),
    ("--show-capture", "showcapture"),
    ("--doctest-glob", "doctestglob"),
    ("--doctest-report", "doctestreport"),
    ("--log-level", "log_level"),
    ("--log-format", "log_format"),
    ("--log-date-format", "log_date_format"),
    ("--log-disable", "logger_disable"),
    ("--log-auto-indent", "log_auto_indent"),
    ("--max-warnings", "max_warnings"),
)
_FLAG_OPTIONS = (
    ("--collect-only", "collectonly"),
    ("--showlocals", "showlocals"),
    ("--strict-config", "strict_config"),
    ("--strict-markers", "strict_markers"),
    ("--strict", "strict"),
    ("--runxfail", "runxfail"),
    ("--doctest-modules", "doctestmodules"),
    ("--doctest-ignore-import-errors", "doctest_ignore_import_errors"),
    ("--doctest-continue-on-failure", "doctest_continue_on_failure"),
    ("--continue-on-collection-errors", "continue_on_collection_errors"),
    ("--noconftest", "noconftest"),
    ("--keep-duplicates", "keepduplicates"),
    ("--collect-in-virtualenv", "collect_in_virtualenv"),
    ("--full-trace", "fulltrace"),
    ("--pdb", "usepdb"),
    ("--trace", "trace"),
    # A plan must not set anything up.
    ("--setup-plan", "setupplan"),
    ("--setup-only", "setuponly"),
    ("--setup-show", "setupshow"),
    # The host writes the file; in the container it only switches on what tests record for it.
    ("--junitxml=/dev/null", "xmlpath"),
)
_LIST_OPTIONS = (("-W", "pythonwarnings"), ("-o", "override_ini"))
_PATH_LIST_OPTIONS = (("--ignore", "ignore"), ("--ignore-glob", "ignore_glob"))
# Settings that the host has seen to; `-o` for one of them must not set it in the container.
_INI_OF_HOST = ("addopts", "required_plugins", "cache_dir")
_DEFAULTS = {"capture": "fd", "tbstyle": "auto", "assertmode": "rewrite", "showcapture": "all"}
# Every option of pytest that reaches the container in one way or another, by one of its names.
PASSED_ON = (
    *(name for name, _ in (*_VALUE_OPTIONS, *_FLAG_OPTIONS, *_LIST_OPTIONS, *_PATH_LIST_OPTIONS)),
    *("-p", "-v", "-q", "-s", "--verbosity", "--color", "--no-showlocals", "--confcutdir"),
    *("--disable-plugin-autoload", "--pdbcls"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Where the container's suite lies on the host.

    Attributes:
        rootdir: pytest's rootdir.
        paths: Files and folders of the suite, relative to it.
        host_paths: What stays on the host below them.
    """

    rootdir: Path
    paths: tuple[PurePosixPath, ...]
    host_paths: tuple[PurePosixPath, ...]

    def holds(self, path: Path) -> bool:
        """True when a host path belongs to the container's suite."""
        relative = self._relative(path)
        return (
            relative is not None
            and _is_below(relative, self.paths)
            and not _is_below(relative, self.host_paths)
        )

    def selected(self, arguments: Sequence[tuple[Path, str]]) -> list[str]:
        """What the container has to collect for what the host was called with, relative to the root.

        Args:
            arguments: Absolute files and folders, each with the names that follow it (``::test_one``).
        """
        selected: list[str] = []
        for path, names in arguments:
            relative = self._relative(path)
            if relative is None:
                if self.rootdir.is_relative_to(path):
                    selected += map(str, self.paths)
            elif _is_below(relative, self.paths):
                selected += [f"{relative}{names}"] if not _is_below(relative, self.host_paths) else []
            else:
                selected += [str(suite) for suite in self.paths if suite.is_relative_to(relative)]
        return list(dict.fromkeys(selected))

    def hidden_conftests(self) -> list[PurePosixPath]:
        """The ``conftest.py`` files above the suite: the host's, never loaded in the container."""
        hidden: dict[PurePosixPath, None] = {}
        for path in self.paths:
            for parent in path.parents:
                conftest = parent / "conftest.py"
                if conftest not in self.paths:
                    hidden[conftest] = None
        for path in self.host_paths:
            hidden[path / "conftest.py"] = None
        return list(hidden)

    def _relative(self, path: Path) -> PurePosixPath | None:
        if not path.is_relative_to(self.rootdir):
            return None
        return PurePosixPath(path.relative_to(self.rootdir).as_posix())


def container_arguments(
    options: Mapping[str, Any],
    *,
    paths: Sequence[str],
    ignored: Sequence[PurePosixPath],
    container_root: PurePosixPath,
    config_file: PurePosixPath | None,
    has_color: bool,
    further: Sequence[str] = (),
) -> list[str]:
    """The command line of the container's pytest.

    Args:
        options: The host's options (`config.option` as a mapping), ``addopts`` included.
        paths: What to collect: files, folders and ids, relative to the root.
        ignored: Folders within it that stay on the host.
        container_root: What stands for rootdir.
        config_file: The configuration file, relative to the root.
        has_color: True when the host's terminal shows colours.
        further: Options that only the container may know.
    """
    arguments = [f"--rootdir={container_root}"]
    if config_file is not None:
        arguments += ["-c", str(container_root / config_file)]
    # The host has merged addopts into its options already, and checks required_plugins for both sides.
    arguments += ["-o", "addopts=", "-o", "required_plugins=", "-p", "no:dockerci"]
    # Not just "no": pytest formats log records by another class then, which shows in tracebacks.
    arguments.append(f"--color={'yes' if has_color else options.get('color') or 'auto'}")
    verbosity = int(options.get("verbose") or 0)
    if verbosity:
        arguments.append(f"--verbosity={verbosity}")
    for name, key in _VALUE_OPTIONS:
        value = options.get(key)
        for element in value if isinstance(value, list) else [value]:
            if element not in (None, "", _DEFAULTS.get(key)):
                arguments.append(f"{name}={element}" if name.startswith("--") else f"{name}{element}")
    arguments += [name for name, key in _FLAG_OPTIONS if options.get(key)]
    if options.get("usepdb_cls"):
        arguments.append("--pdbcls=" + ":".join(options["usepdb_cls"]))
    arguments += _list_options(options)
    arguments += [f"--ignore={container_root / path}" for path in ignored]
    return [*arguments, *further, *paths]


def _list_options(options: Mapping[str, Any]) -> list[str]:
    of_host = tuple(f"{setting}=" for setting in _INI_OF_HOST)
    arguments: list[str] = []
    for name, key in _LIST_OPTIONS:
        for value in options.get(key) or []:
            if not str(value).startswith(of_host):
                arguments += [name, str(value)]
    for name, key in _PATH_LIST_OPTIONS:
        arguments += [f"{name}={value}" for value in options.get(key) or []]
    return arguments


def _is_below(path: PurePosixPath, trees: Sequence[PurePosixPath]) -> bool:
    return any(path.is_relative_to(tree) for tree in trees)
