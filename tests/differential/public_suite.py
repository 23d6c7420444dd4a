"""Suites of public projects: fetched as source distributions, laid out as a project of ours, run both ways."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from acceptance.project import Run
from differential.both_ways import BothWays, Pair
from differential.comparison import without_variable
from differential.suite_image import CONTAINER_ROOT, suite_image
from differential.terminal_text import comparable_lines

_PYTEST = "pytest==9.2.0"
# Plugins that only the host has act on marks of the suite, and a run by hand has none of them.
_HOST_OPTIONS = ("-p no:rerunfailures", "-o dockerci_service=web", "-o dockerci_env=COLUMNS=120")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")
_SECONDS = re.compile(r"\b\d+\.\d+s\b")
_INSTALLED = ("RUN pip install --no-cache-dir .",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSuite:
    """One suite.

    Attributes:
        requirement: Name and version.
        suite: What `dockerci_suite` says.
        requirements: What it needs beside pytest.
        args: The command line.
        further: Lines of the Dockerfile that install the project.
        varies: The numbers (times, addresses, ports) in what some tests show are others in each run.
        least_tests: How many tests there are at least.
    """

    requirement: str
    suite: str = "tests"
    requirements: Sequence[str] = ()
    args: Sequence[str] = ("-ra", "--junitxml={out}/junit.xml")
    further: Sequence[str] = _INSTALLED
    varies: bool = False
    least_tests: int = 1

    @property
    def name(self) -> str:
        """The project's name."""
        return self.requirement.partition("==")[0]


class PublicSuiteError(Exception):
    """The suite cannot be fetched."""


@contextmanager
def fetched(suite: PublicSuite, folder: Path) -> Iterator[BothWays]:
    """The suite on the host and in an image.

    Args:
        suite: Which one.
        folder: An empty folder of the test.

    Raises:
        PublicSuiteError: The index does not give the source distribution.
    """
    root = _unpack(_download(suite, folder / "sdist"), folder)
    options = [*_HOST_OPTIONS, f"-o 'dockerci_suite={suite.suite}'"]
    with suite_image(root, [_PYTEST, *suite.requirements], suite.further) as image:
        yield BothWays(root, image, CONTAINER_ROOT, options)


def _download(suite: PublicSuite, folder: Path) -> Path:
    folder.mkdir()
    argv = [
        find_uv_bin(),
        "tool",
        "run",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        suite.name,
        suite.requirement,
    ]
    process = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if process.returncode:
        raise PublicSuiteError(process.stderr)
    [archive] = folder.glob("*.tar.gz")
    return archive


def _unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as file:
        file.extractall(folder / "unpacked", filter="data")
    [top] = (folder / "unpacked").iterdir()
    return top.rename(folder / "suite")


def without_varying_numbers(pair: Pair, again: Run) -> Pair:
    """The pair without the numbers of those texts, and only those, that differ between two runs by hand.

    Seconds (``0.12s``) go everywhere: two runs can agree on them by chance.

    Args:
        pair: Both runs.
        again: A second run by hand.
    """
    varying = _varying(pair.plain.events, again.events)
    shown = [comparable_lines(run.text, pair.places) for run in (pair.ours, pair.plain, again)]
    lines = {_NUMBER.sub("N", line) for line in {*shown[1]} ^ {*shown[2]}}
    ours, plain = (
        replace(
            run,
            events=tuple(
                _masked(key, without_variable(event, pair.places), varying)
                for key, event in _keyed(run.events)
            ),
            text="\n".join(_masked_line(line, lines) for line in text),
        )
        for run, text in zip((pair.ours, pair.plain), shown, strict=False)
    )
    return replace(pair, ours=ours, plain=plain)


_Key = tuple[Any, ...]


def _keyed(events: Sequence[dict[str, Any]]) -> Iterator[tuple[_Key, dict[str, Any]]]:
    for event in events:
        yield (event["kind"], event.get("nodeid"), event.get("when")), event


def _varying(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]) -> set[_Key]:
    others = dict(_keyed(second))
    return {
        (*key, name)
        for key, event in _keyed(first)
        for name in ("sections", "text", "children", "properties")
        if name in event and event[name] != others.get(key, event)[name]
    }


def _masked(key: _Key, event: dict[str, Any], varying: set[_Key]) -> dict[str, Any]:
    return {
        name: _without(_NUMBER if (*key, name) in varying else _SECONDS, value)
        for name, value in event.items()
    }


def _masked_line(line: str, varying: set[str]) -> str:
    masked = _NUMBER.sub("N", line)
    return masked if masked in varying else _SECONDS.sub("Ns", line)


def _without(pattern: re.Pattern[str], value: Any) -> Any:
    if isinstance(value, str):
        return pattern.sub("N", value)
    if isinstance(value, list):
        return [_without(pattern, element) for element in value]
    if isinstance(value, dict):
        return {name: _without(pattern, element) for name, element in value.items()}
    return value
