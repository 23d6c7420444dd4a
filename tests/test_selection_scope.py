"""Which command lines ask for less than bare ``pytest``, as tables over pytest's own parser."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dockerci.command_line import take_apart
from pytest_dockerci.container_options import known_options
from pytest_dockerci.selection_scope import _HARMLESS_OF_PYTEST, _NARROWS, narrowings, paths_left_out


def judge(pytestconfig: pytest.Config, *words: str) -> list[str]:
    """What is said of a command line."""
    actions = known_options(pytestconfig)
    uses = take_apart(words, {name: action.nargs for name, action in actions.items()})
    return narrowings(uses, {name: str(action.dest) for name, action in actions.items()})


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-v",
        "-vvq",
        "-s",
        "-ra",
        "--tb=short",
        "--junitxml=r.xml",
        "--junit-xml r.xml",
        "--durations 5",
        "--color=yes",
        "-n 4 --dist worksteal",
        "--cov=app --cov-report term --no-cov-on-fail",
        "-p no:cacheprovider",
        "-pno:randomly",
        "--dockerci-push=localhost:5000/web",
        "--dockerci-workers=2 --dockerci-strict",
        "-o dockerci_ready_timeout_seconds=300",
        "-o junit_family=xunit1",
        "-W error",
        "--ff",
        "--runxfail",
        "--log-level=DEBUG",
        "tests -v",
    ],
)
def test_harmless_lines(pytestconfig: pytest.Config, line: str) -> None:
    """They show, write, order, distribute, or judge more strictly."""
    assert judge(pytestconfig, *line.split()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-k one", "-k one selects tests by name"),
        ("-kone", "-kone selects tests by name"),
        ("-m slow", "-m slow selects tests by marker"),
        ("--lf", "--lf selects the tests that failed last time"),
        ("--last-failed", "--last-failed selects the tests that failed last time"),
        ("--sw", "--sw begins at the test that failed last time"),
        ("-x", "-x may end the run early"),
        ("--maxfail=3", "--maxfail=3 may end the run early"),
        ("--exitfirst", "--exitfirst may end the run early"),
        ("--deselect a::b", "--deselect a::b leaves tests out"),
        ("--ignore=x", "--ignore=x leaves files out"),
        ("--ignore-glob=x*", "--ignore-glob=x* leaves files out"),
        ("--collect-only", "--collect-only runs nothing"),
        ("--co", "--co runs nothing"),
        ("--setup-plan", "--setup-plan runs no test"),
        ("--setup-only", "--setup-only runs no test"),
        ("--reruns 2", "--reruns 2 repeats what fails"),
        ("-c other.ini", "-c other.ini may change what is run, or what passes"),
        ("--rootdir=/x", "--rootdir=/x may change what is run, or what passes"),
        ("-o addopts=-x", "-o addopts=-x may change what is run, or what passes"),
        ("-o testpaths=a", "-o testpaths=a may change what is run, or what passes"),
        ("-W ignore", "-W ignore may change what is run, or what passes"),
        ("-p mine", "-p mine may change what is run, or what passes"),
        ("-p no:python", "-p no:python may change what is run, or what passes"),
        ("--noconftest", "--noconftest may change what is run, or what passes"),
        ("--unheard-of=1", "--unheard-of=1 may change what is run, or what passes"),
        ("--hypothesis-profile=ci", "--hypothesis-profile=ci may change what is run, or what passes"),
    ],
)
def test_lines_that_ask_for_less(pytestconfig: pytest.Config, line: str, said: str) -> None:
    """Each is named as it was written; what nobody knows counts as less."""
    assert judge(pytestconfig, "-v", *line.split()) == [said]


def test_the_tables_name_what_exists(pytestconfig: pytest.Config) -> None:
    """A name that pytest does not have would judge nothing; the newest are not in every version."""
    known = known_options(pytestconfig)
    newer = {"--strict", "--max-warnings", "--no-fold-skipped", "--force-short-summary", "--xfail-tb"}
    newer |= {"--sw-reset", "--log-disable"}
    assert {name for name in (*_HARMLESS_OF_PYTEST, *_NARROWS) if name not in known} <= newer
    destinations = {name: action.dest for name, action in known.items()}
    both = {destinations.get(name) for name in _HARMLESS_OF_PYTEST} & {
        destinations.get(name) for name in _NARROWS
    }
    assert both <= {None}


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ([("/p", "")], []),
        ([("/p/tests", ""), ("/p/more", "")], []),
        ([("/p/tests", "")], ["/p/more"]),
        ([("/p/tests/unit", ""), ("/p/more", "")], ["/p/tests"]),
        ([("/p/tests", "::test_one"), ("/p/more", "")], ["/p/tests"]),
        ([("/", "")], []),
        ([], ["/p/tests", "/p/more"]),
    ],
)
def test_paths_that_are_left_out(asked: list[tuple[str, str]], left: list[str]) -> None:
    """A path is asked for when it, or a folder above it, is named whole."""
    full = [Path("/p/tests"), Path("/p/more")]
    assert paths_left_out([(Path(path), names) for path, names in asked], full) == [
        Path(path) for path in left
    ]
