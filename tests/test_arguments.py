"""The container's command line, made from the host's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_dockerci.arguments import Suite, container_arguments

ROOT = Path("/home/dev/shop")
ALWAYS = [
    "--rootdir=/srv/app",
    "-o",
    "addopts=",
    "-o",
    "required_plugins=",
    "-p",
    "no:dockerci",
    "--color=auto",
]


def suite(paths: str, host_paths: str = "") -> Suite:
    """A suite of these paths, separated by blanks."""
    return Suite(
        rootdir=ROOT,
        paths=tuple(PurePosixPath(path) for path in paths.split()),
        host_paths=tuple(PurePosixPath(path) for path in host_paths.split()),
    )


@pytest.mark.parametrize(
    ("path", "is_held"),
    [
        ("tests", True),
        ("tests/deep/test_a.py", True),
        ("checks.py", True),
        ("tests/host", False),
        ("tests/host/test_b.py", False),
        ("tests2/test_a.py", False),
        (".", False),
        ("../shop2/tests", False),
    ],
)
def test_what_the_suite_holds(path: str, *, is_held: bool) -> None:
    """Everything below its paths, but for what stays on the host."""
    assert suite("tests checks.py", "tests/host").holds(Path("/home/dev/shop", path).resolve()) is is_held


@pytest.mark.parametrize(
    ("called_with", "selected"),
    [
        ([("", "")], ["tests", "more/checks.py"]),
        ([("..", "")], ["tests", "more/checks.py"]),
        ([("tests", "")], ["tests"]),
        ([("tests/deep/test_a.py", "::TestA::test_b[1::2]")], ["tests/deep/test_a.py::TestA::test_b[1::2]"]),
        ([("more", "")], ["more/checks.py"]),
        ([("tests/b.py", ""), ("tests/a.py", ""), ("tests/b.py", "")], ["tests/b.py", "tests/a.py"]),
        ([("tests/host/test_h.py", "")], []),
        ([("elsewhere", "")], []),
        ([("../other", "")], []),
        ([], []),
    ],
)
def test_what_the_container_collects(called_with: list[tuple[str, str]], selected: list[str]) -> None:
    """The part of the suite that pytest was called with, in that order, once."""
    arguments = [(Path("/home/dev/shop", path).resolve(), names) for path, names in called_with]
    assert suite("tests more/checks.py", "tests/host").selected(arguments) == selected


def test_the_hosts_conftest_files() -> None:
    """Those above the suite and those of what stays on the host are not the container's."""
    assert suite("tests/unit", "tests/unit/host").hidden_conftests() == [
        PurePosixPath("tests/conftest.py"),
        PurePosixPath("conftest.py"),
        PurePosixPath("tests/unit/host/conftest.py"),
    ]


def test_a_root_conftest_that_is_shared() -> None:
    """Named in the suite, it is not hidden."""
    assert suite("tests conftest.py").hidden_conftests() == []


def arguments(options: dict[str, Any], **changes: Any) -> list[str]:
    """The command line for these options of the host."""
    defaults: dict[str, Any] = {
        "paths": [],
        "ignored": [],
        "container_root": PurePosixPath("/srv/app"),
        "config_file": None,
        "has_color": False,
    }
    return container_arguments(options, **{**defaults, **changes})


def test_without_options() -> None:
    """Only what makes the two sides agree."""
    assert arguments({}) == ALWAYS


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"verbose": 0}, []),
        ({"verbose": 2}, ["--verbosity=2"]),
        ({"verbose": -1}, ["--verbosity=-1"]),
        ({"keyword": "a or b"}, ["-ka or b"]),
        ({"keyword": "-x"}, ["-k-x"]),
        ({"markexpr": "not slow"}, ["-mnot slow"]),
        ({"capture": "fd", "tbstyle": "auto", "assertmode": "rewrite", "showcapture": "all"}, []),
        ({"capture": "no", "tbstyle": "native"}, ["--capture=no", "--tb=native"]),
        ({"importmode": "importlib"}, ["--import-mode=importlib"]),
        ({"doctestglob": ["a*.txt", "b*.rst"]}, ["--doctest-glob=a*.txt", "--doctest-glob=b*.rst"]),
        ({"logger_disable": ["noisy"]}, ["--log-disable=noisy"]),
        ({"showlocals": True, "runxfail": False}, ["--showlocals"]),
        ({"pythonwarnings": ["error", "ignore::UserWarning"]}, ["-W", "error", "-W", "ignore::UserWarning"]),
        ({"override_ini": ["a=b"]}, ["-o", "a=b"]),
        ({"ignore": ["tests/slow"]}, ["--ignore=tests/slow"]),
        ({"ignore_glob": ["*_old.py"]}, ["--ignore-glob=*_old.py"]),
        ({"maxfail": 1, "lf": True, "durations": 3, "exitfirst": True}, []),
        ({"xmlpath": "out.xml"}, ["--junitxml=/dev/null"]),
    ],
)
def test_an_option_of_the_host(options: dict[str, Any], expected: list[str]) -> None:
    """What decides how tests are collected and run is passed on; what decides about results is not."""
    assert arguments(options) == [*ALWAYS, *expected]


def test_the_configuration_file() -> None:
    """It is the same file at its place in the container."""
    assert arguments({}, config_file=PurePosixPath("pyproject.toml"))[1:3] == [
        "-c",
        "/srv/app/pyproject.toml",
    ]


def test_colours() -> None:
    """The container colours its tracebacks when the host's terminal shows colours."""
    assert "--color=yes" in arguments({}, has_color=True)


def test_paths_come_last() -> None:
    """What stays on the host is left out, then what to collect."""
    result = arguments({}, paths=["tests", "b.py::test_b"], ignored=[PurePosixPath("tests/host")])
    assert result == [*ALWAYS, "--ignore=/srv/app/tests/host", "tests", "b.py::test_b"]
