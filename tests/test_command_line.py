"""The host's command line, taken apart as pytest's parser would; which side each option belongs to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dockerci.arguments import PASSED_ON
from pytest_dockerci.command_line import Arity, take_apart
from pytest_dockerci.container_options import known_options
from pytest_dockerci.option_sides import CONTAINER_ONLY, PLUGIN_ON_HOST, PYTEST_ON_HOST, side_of

KNOWN: Mapping[str, Arity] = {
    "-v": 0,
    "-q": 0,
    "-k": None,
    "--tb": None,
    "--lf": 0,
    "--cache-show": "?",
    "--two": 2,
}


def words(line: str) -> list[str]:
    """Each use as one text, a question mark before what the parser does not know, a colon before plain words."""
    return [
        ("?" if not use.is_known else "" if use.name else ":") + " ".join(use.words)
        for use in take_apart(line.split(), KNOWN)
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("tests -v a.py::test_a[x]", [":tests", "-v", ":a.py::test_a[x]"]),
        ("-k name -kname --tb=short --tb long", ["-k name", "-kname", "--tb=short", "--tb long"]),
        ("-vvq -vkname -vk name", ["-vvq", "-vkname", "-vk name"]),
        ("--env=prod --env prod -E prod", ["?--env=prod", "?--env", ":prod", "?-E", ":prod"]),
        ("--tb-x=1 --l --lfx", ["?--tb-x=1", "?--l", "?--lfx"]),
        ("--cache-show -v --cache-show x*", ["--cache-show", "-v", "--cache-show x*"]),
        ("--two 1 2 3", ["--two 1 2", ":3"]),
        ("-vX", ["?-vX"]),
        ("--env -5 -1.5", ["?--env", ":-5", ":-1.5"]),
        ("- --env -- --tb x", [":-", "?--env", ":--tb", ":x"]),
        ("-k", ["-k"]),
    ],
)
def test_a_command_line(line: str, expected: list[str]) -> None:
    """Values stay with options that are known; what follows an unknown one is a word of its own."""
    assert words(line) == expected


def test_a_blank_in_a_value() -> None:
    """Argparse takes an unknown option with a blank in its value for a path; it is an option."""
    [use] = take_apart(["--env=my place"], KNOWN)
    assert (use.name, use.is_known) == ("--env", False)


TOKENS = st.sampled_from(
    [
        "-v",
        "-q",
        "-vq",
        "-k",
        "-kx",
        "--tb=short",
        "--tb",
        "--lf",
        "--new",
        "--new=1",
        "-N",
        "tests",
        "a.py",
        "-3",
    ]
)


@given(st.lists(TOKENS, max_size=8))
def test_as_argparse(args: list[str]) -> None:
    """What is unknown is what argparse leaves over, but for the plain words among it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("-v", "-q", "--lf"):
        parser.add_argument(flag, action="store_true")
    for option in ("-k", "--tb"):
        parser.add_argument(option)
    parser.add_argument("paths", nargs="*")
    try:
        namespace, left = parser.parse_known_args(args)
    except (argparse.ArgumentError, SystemExit):
        return  # an option without its value: pytest refuses it before we look
    uses = take_apart(args, KNOWN)
    assert [use.words[0] for use in uses if not use.is_known] == [
        word for word in left if word.startswith("-") and word != "-3"
    ]
    plain = sorted(use.words[0] for use in uses if not use.name)
    assert plain == sorted([*namespace.paths, *(word for word in left if word == "-3" or word[0] != "-")])


def test_every_option_of_pytest_is_classified(pytestconfig: pytest.Config) -> None:
    """A new version of pytest brings no option that nobody has thought about."""
    known = known_options(pytestconfig)
    ours = {known[name].dest for name in (*PASSED_ON, *PYTEST_ON_HOST) if name in known}
    folder = Path(pytest.__file__).parents[1] / "_pytest"
    source = "\n".join(
        file.read_text(encoding="utf-8") for file in folder.rglob("*.py") if file.name != "pytester.py"
    )
    of_pytest = [name for name in known if f'"{name}"' in source]
    assert len(of_pytest) > 90
    left = sorted(
        name for name in of_pytest if known[name].dest not in ours and side_of(name, PLUGIN_ON_HOST) is None
    )
    assert left == []


def test_no_row_is_dead(pytestconfig: pytest.Config) -> None:
    """Each row names an option that some version of pytest has; these came with one that is not everywhere."""
    newer_than_8_0 = {
        *(
            "--strict",
            "--xfail-tb",
            "--no-fold-skipped",
            "--force-short-summary",
            "--log-file-mode",
            "--sw-reset",
        ),
        *("--stepwise-reset", "--disable-plugin-autoload", "--max-warnings", "--doctest-glob"),
    }
    rows = {row.partition("=")[0] for row in (*PASSED_ON, *PYTEST_ON_HOST)}
    assert rows - set(known_options(pytestconfig)) <= newer_than_8_0


def test_no_option_stands_in_two_tables() -> None:
    """An option belongs to one side."""
    assert not set(PYTEST_ON_HOST) & {*PASSED_ON, *PLUGIN_ON_HOST, *CONTAINER_ONLY}
    assert not set(PLUGIN_ON_HOST) & set(CONTAINER_ONLY)


@pytest.mark.parametrize(
    ("name", "plugin"),
    [
        ("-n", "pytest-xdist"),
        ("--cov", "pytest-cov"),
        ("--cov-report", "pytest-cov"),
        ("--covers", None),
        ("", None),
    ],
)
def test_a_table_with_prefixes(name: str, plugin: str | None) -> None:
    """A name that ends with a dash stands for all that begin with it."""
    assert side_of(name, PLUGIN_ON_HOST) == plugin
