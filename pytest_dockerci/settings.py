"""What the settings of a run come to: one frozen value, checked, that the rest reads (`setting_options`: the table).

Pure but for reading pytest's configuration; importing this costs nothing that pytest has not loaded.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.errors import SettingsError, bad_value
from pytest_dockerci.report_folder import ReportSettings, read_report

if TYPE_CHECKING:
    from pytest_dockerci.commands.settings import CommandLine


ALLOWED_NAMES = frozenset({"privileged", "docker-socket", "host-namespaces", "remote-include", "plain-tcp"})
DEFAULT_REAPER_IMAGE = "python:3.13-alpine"
MAX_WORKERS = 256
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user asked for, checked.

    Attributes:
        rootdir: pytest's rootdir on the host.
        service: Compose service whose image is under test.
        compose_files: Compose files, absolute; empty: what Compose finds.
        suite: Files and folders that run in the container, relative to rootdir.
        host_suite: What stays on the host below them, relative to rootdir.
        config_file: pytest's configuration file relative to rootdir; None when it lies outside.
        environ: The testing environment.
        secrets: Names of variables whose values are hidden.
        requirements: As written: requirement strings, ``-r file``, ``group:name``.
        commands: Suites that are not pytest.
        container_root: Folder in the image that stands for rootdir; None: its WORKDIR.
        path_pairs: Further ``(container, host)`` trees.
        start: Services to start; empty: the closure.
        workers: Number of containers that share the suite.
        per_worker_stacks: One stack for each worker instead of one for all.
        image_ref: An existing image to test instead of building one.
        reaper_image: Image of the reaper, or ``none``.
        is_strict: What is a warning otherwise ends the run.
        build_number: The CI system's build number, if there is one.
        report: What ``--dockerci-report`` is to hold.
        keep_expiry_seconds: How long after its last use the stack is kept; None where it is not.
    """

    rootdir: Path
    service: str
    compose_files: tuple[Path, ...]
    suite: tuple[PurePosixPath, ...]
    host_suite: tuple[PurePosixPath, ...]
    config_file: PurePosixPath | None
    environ: Mapping[str, str]
    secrets: tuple[str, ...]
    requirements: tuple[str, ...]
    commands: tuple[CommandLine, ...]
    container_root: PurePosixPath | None
    path_pairs: tuple[tuple[PurePosixPath, Path], ...]
    start: tuple[str, ...]
    workers: int
    per_worker_stacks: bool
    ready_timeout_seconds: float
    build_timeout_seconds: float
    test_timeout_seconds: float
    allow: frozenset[str]
    image_ref: str | None
    reaper_image: str
    is_strict: bool
    build_number: str | None
    report: ReportSettings
    keep_expiry_seconds: float | None


def read_suite(config: pytest.Config) -> tuple[tuple[PurePosixPath, ...], tuple[PurePosixPath, ...]]:
    """The paths of the container's suite and those that stay on the host, relative to rootdir.

    Raises:
        SettingsError: None are set, or a path leads out of rootdir or does not exist.
    """
    suite_setting = "dockerci_suite" if config.getini("dockerci_suite") else "testpaths"
    suite = _paths_below(config.rootpath, suite_setting, config.getini(suite_setting))
    host_suite = _paths_below(config.rootpath, "dockerci_host_suite", config.getini("dockerci_host_suite"))
    has_commands = any(line.strip() for line in config.getini("dockerci_command"))
    if has_commands:  # then all that is named may stay on the host
        suite = tuple(path for path in suite if not any(path.is_relative_to(host) for host in host_suite))
    elif not suite:
        raise SettingsError(
            "pytest-dockerci: no tests are named for the container",
            why="neither dockerci_suite nor testpaths nor dockerci_command is set",
            fix=f"add to {_config_name(config)}: dockerci_suite = tests",
        )
    return suite, host_suite


def read_settings(config: pytest.Config, environ: Mapping[str, str]) -> Settings:
    """Read and check every setting.

    Args:
        config: pytest's configuration, complete.
        environ: The host's environment.

    Raises:
        SettingsError: Names the setting, its value and what would be right.
    """
    from pytest_dockerci.ci_systems import find_build_number  # noqa: PLC0415 - only a run that is switched on pays

    suite, host_suite = read_suite(config)
    workers = config.getoption("dockerci_workers") or config.getini("dockerci_workers")
    root = str(config.getini("dockerci_container_root"))
    if root and not root.startswith("/"):
        raise bad_value("dockerci_container_root", root, "an absolute path in the image, for instance /app")
    return Settings(
        rootdir=config.rootpath,
        service=str(config.getini("dockerci_service")),
        compose_files=tuple(config.rootpath / name for name in config.getini("dockerci_compose")),
        suite=suite,
        host_suite=host_suite,
        config_file=_config_file(config),
        environ=parse_environ(config.getini("dockerci_env"), environ),
        secrets=tuple(
            _variable("dockerci_secrets", line) for line in config.getini("dockerci_secrets") if line
        ),
        requirements=tuple(line for line in config.getini("dockerci_requirements") if line),
        commands=_commands(config),
        container_root=PurePosixPath(root) if root else None,
        path_pairs=tuple(_path_pair(config.rootpath, line) for line in config.getini("dockerci_paths")),
        start=tuple(config.getini("dockerci_start")),
        workers=parse_workers(str(workers), os.cpu_count() or 1),
        per_worker_stacks=_parse_stack(str(config.getini("dockerci_stack"))),
        ready_timeout_seconds=_seconds(config, "dockerci_ready_timeout_seconds"),
        build_timeout_seconds=_seconds(config, "dockerci_build_timeout_seconds"),
        test_timeout_seconds=_seconds(config, "dockerci_test_timeout_seconds"),
        allow=_parse_allow(config.getini("dockerci_allow")),
        image_ref=config.getoption("dockerci_image"),
        reaper_image=str(
            config.getini("dockerci_reaper_image")
            or environ.get("DOCKERCI_REAPER_IMAGE")
            or DEFAULT_REAPER_IMAGE
        ),
        is_strict=bool(config.getoption("dockerci_strict")),
        build_number=find_build_number(environ),
        report=read_report(config),
        keep_expiry_seconds=(
            _seconds(config, "dockerci_keep_expiry_seconds") if config.getoption("dockerci_keep") else None
        ),
    )


def _commands(config: pytest.Config) -> tuple[CommandLine, ...]:
    lines, results = config.getini("dockerci_command"), config.getini("dockerci_results")
    if not lines and not results:
        return ()
    from pytest_dockerci.commands.settings import parse_commands  # noqa: PLC0415 - only a run that has some pays

    pattern = str(config.getini("dockerci_result_pattern"))
    return parse_commands(lines, results, pattern, service=str(config.getini("dockerci_service")))


def parse_environ(lines: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The testing environment that ``KEY=VALUE`` and ``KEY`` lines describe.

    A ``KEY`` that the host's environment lacks is left out.

    Raises:
        SettingsError: A line is neither.
    """
    result: dict[str, str] = {}
    for line in lines:
        name, has_value, value = line.partition("=")
        name = name.strip()
        if not _VARIABLE.fullmatch(name):
            raise bad_value("dockerci_env", line, "KEY=VALUE, or KEY to pass the host's value through")
        if has_value:
            result[name] = value.strip()
        elif name in environ:
            result[name] = environ[name]
    return result


def _variable(setting: str, line: str) -> str:
    if not _VARIABLE.fullmatch(line.strip()):
        raise bad_value(setting, line.partition("=")[0], "the name of a variable, and nothing else")
    return line.strip()


def parse_workers(text: str, processors: int) -> int:
    """The number of workers that a number or ``auto`` asks for.

    Raises:
        SettingsError: It is neither, or out of range.
    """
    if text == "auto":
        return processors
    if not text.isdecimal() or not 1 <= int(text) <= MAX_WORKERS:
        raise bad_value("dockerci_workers", text, f"a number from 1 to {MAX_WORKERS}, or auto")
    return int(text)


def _paths_below(rootdir: Path, setting: str, values: Sequence[str]) -> tuple[PurePosixPath, ...]:
    paths = []
    for value in _expand_patterns(rootdir, values):
        path = Path(os.path.normpath(rootdir / value))
        if not path.is_relative_to(rootdir):
            raise bad_value(setting, value, f"a path below {rootdir}")
        if not path.exists():
            raise SettingsError(
                f"pytest-dockerci: {setting} names {value}, which does not exist",
                why=f"looked for {path}",
                fix=f"correct {setting}, or create it",
            )
        paths.append(PurePosixPath(path.relative_to(rootdir).as_posix()))
    return tuple(dict.fromkeys(paths))


def _expand_patterns(rootdir: Path, values: Sequence[str]) -> list[str]:
    """The paths, with patterns (``tests/*_suite``) replaced by what they match, as pytest does for testpaths.

    A pattern that matches nothing stays, and is told as a path that does not exist.
    """
    expanded: list[str] = []
    for value in values:
        matches = sorted(glob.glob(value, root_dir=rootdir, recursive=True)) if glob.has_magic(value) else []  # noqa: PTH207 - as pytest does
        expanded += matches or [value]
    return expanded


def _config_file(config: pytest.Config) -> PurePosixPath | None:
    if config.inipath is None or not config.inipath.is_relative_to(config.rootpath):
        return None
    return PurePosixPath(config.inipath.relative_to(config.rootpath).as_posix())


def _config_name(config: pytest.Config) -> str:
    return config.inipath.name if config.inipath is not None else "pytest.ini"


def _path_pair(rootdir: Path, line: str) -> tuple[PurePosixPath, Path]:
    container, separator, host = line.partition("=")
    if not separator or not container.strip().startswith("/") or not host.strip():
        raise bad_value("dockerci_paths", line, "container=host, for instance /usr/src/lib=lib")
    return PurePosixPath(container.strip()), rootdir / host.strip()


def _parse_stack(text: str) -> bool:
    if text not in ("shared", "per-worker"):
        raise bad_value("dockerci_stack", text, "shared, or per-worker")
    return text == "per-worker"


def _parse_allow(names: Sequence[str]) -> frozenset[str]:
    for name in names:
        if name not in ALLOWED_NAMES:
            raise bad_value("dockerci_allow", name, ", ".join(sorted(ALLOWED_NAMES)))
    return frozenset(names)


def _seconds(config: pytest.Config, name: str) -> float:
    text = str(config.getini(name))
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise bad_value(name, text, "a number of seconds, 0 or more")
    return seconds
