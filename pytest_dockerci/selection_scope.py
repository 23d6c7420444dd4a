"""Whether a command line asks for less than bare ``pytest`` with the configuration file would run. Pure.

What is not known to be harmless counts as less: an option that a project's own ``conftest.py`` adds may
select as well as any. What stands in the configuration file (``addopts``) is part of the full run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pytest_dockerci.command_line import Use
from pytest_dockerci.option_sides import HOST_TOOLS, side_of

# What an option that asks for less does to the run; by one of its names.
_NARROWS = {
    "-k": "selects tests by name",
    "-m": "selects tests by marker",
    "--deselect": "leaves tests out",
    "--ignore": "leaves files out",
    "--ignore-glob": "leaves files out",
    "--lf": "selects the tests that failed last time",
    "--sw": "begins at the test that failed last time",
    "--maxfail": "may end the run early",
    "--collect-only": "runs nothing",
    "--setup-plan": "runs no test",
    "--setup-only": "runs no test",
    "--reruns": "repeats what fails",
}
_DEFAULT_EFFECT = "may change what is run, or what passes"

# By one of their names. Each shows, writes, orders, distributes, or makes the verdict stricter.
_HARMLESS_OF_PYTEST = (
    *("-v", "-q", "--verbosity", "-s", "--capture", "--tb", "--color", "--showlocals", "--show-capture"),
    *("--full-trace", "--durations", "--durations-min", "--no-header", "--no-summary", "--no-fold-skipped"),
    *("--force-short-summary", "-r", "--disable-warnings", "--xfail-tb", "--code-highlight", "--pastebin"),
    *("--junit-xml", "--junit-prefix", "--basetemp", "--debug", "--trace-config", "--setup-show"),
    *("--log-level", "--log-format", "--log-date-format", "--log-cli-level", "--log-cli-format"),
    *("--log-cli-date-format", "--log-file", "--log-file-mode", "--log-file-level", "--log-file-format"),
    *("--log-file-date-format", "--log-disable", "--log-auto-indent"),
    *("--ff", "--nf", "--cache-clear", "--lfnf", "--sw-reset"),
    *("--strict", "--strict-markers", "--strict-config", "--runxfail", "--max-warnings"),
    *("--continue-on-collection-errors", "--keep-duplicates", "--doctest-modules", "--assert"),
)
_HARMLESS_OF_PLUGINS = {
    **dict.fromkeys(
        (
            *("-n", "--numprocesses", "--maxprocesses", "--max-worker-restart", "--dist", "--tx", "--px"),
            *("-d", "--loadscope-reorder", "--no-loadscope-reorder", "--testrunuid", "--maxschedchunk"),
        ),
        "pytest-xdist",
    ),
    **dict.fromkeys(("--cov", "--cov-", "--no-cov", "--no-cov-"), "pytest-cov"),
    **dict.fromkeys(("--html", "--self-contained-html", "--css"), "pytest-html"),
    **dict.fromkeys(("--metadata", "--metadata-"), "pytest-metadata"),
    **dict.fromkeys(("--json-report", "--json-report-"), "pytest-json-report"),
    "--report-log": "pytest-reportlog",
    **dict.fromkeys(("--alluredir", "--clean-alluredir"), "allure-pytest"),
    **dict.fromkeys(("--force-sugar", "--old-summary", "--sugar-"), "pytest-sugar"),
    "--instafail": "pytest-instafail",
    **dict.fromkeys(("--teamcity", "--no-teamcity", "--jb-"), "teamcity-messages"),
    "--exclude-warning-annotations": "pytest-github-actions-annotate-failures",
    **dict.fromkeys(("--timeout", "--timeout-", "--session-timeout"), "pytest-timeout"),
    **dict.fromkeys(
        ("--randomly-", "--random-order", "--random-order-"), "pytest-randomly, pytest-random-order"
    ),
    **dict.fromkeys(("--dockerci-push", "--dockerci-"), "pytest-dockerci"),
}
_HARMLESS_PLUGINS = HOST_TOOLS | {"no:cacheprovider", "no:randomly", "no:random_order", "no:sugar"}
_HARMLESS_INI = (
    "dockerci_push",
    "junit_",
    "log_",
    "console_",
    "cache_dir",
    "verbosity_",
    "truncation_limit_",
)
_HARMLESS_INI_ENDS = ("_timeout_seconds",)


def narrowings(uses: Sequence[Use], destinations: Mapping[str, str]) -> list[str]:
    """Why the options of a command line ask for less than everything, each as half a sentence; none for a full run.

    Args:
        uses: The command line, taken apart; its plain words are judged by `paths_left_out`.
        destinations: Of each option string of the parser, where it keeps its value: options
            with the same one are names for the same thing.
    """
    harmless = {destinations[name] for name in _HARMLESS_OF_PYTEST if name in destinations}
    effects = {destinations[name]: effect for name, effect in _NARROWS.items() if name in destinations}
    found = []
    for use in uses:
        if not use.name:
            continue
        destination = destinations.get(use.name)
        if destination in effects:
            found.append(f"{' '.join(use.words)} {effects[destination]}")
        elif not (destination in harmless or _is_harmless(use)):
            found.append(f"{' '.join(use.words)} {_DEFAULT_EFFECT}")
    return found


def paths_left_out(asked: Iterable[tuple[Path, str]], full: Iterable[Path]) -> list[Path]:
    """Which of the paths that bare ``pytest`` collects are not, or not wholly, among those asked for.

    Args:
        asked: Absolute paths, each with the names that follow it (``::test_one``).
        full: What bare ``pytest`` collects, absolute.
    """
    whole = [path for path, names in asked if not names]
    return [path for path in full if not any(path.is_relative_to(each) for each in whole)]


def _is_harmless(use: Use) -> bool:
    value = _value(use)
    match use.name:
        case "-p":
            return value.strip() in _HARMLESS_PLUGINS
        case "-W" | "--pythonwarnings":
            return value.startswith("error")
        case "-o" | "--override-ini":
            name = value.partition("=")[0].strip()
            return name.startswith(_HARMLESS_INI) or name.endswith(_HARMLESS_INI_ENDS)
        case _:
            return side_of(use.name, _HARMLESS_OF_PLUGINS) is not None


def _value(use: Use) -> str:
    """The value of an option that takes one: the next word, or the rest of its own."""
    if len(use.words) > 1:
        return use.words[1]
    word = use.words[0]
    return word.removeprefix(use.name).removeprefix("=")
