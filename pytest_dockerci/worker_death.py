"""What is said of a test in which the container's Python process died."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_dockerci.agent import wire
from pytest_dockerci.worker_ledger import TestRecord

if TYPE_CHECKING:
    from pytest_dockerci.errors import DockerCIError
    from pytest_dockerci.paths import PathMap

_MAX_LINES = 60
_PHASES = ("setup", "call", "teardown")
# A frame of `faulthandler`'s dump. Source: Python's documentation of that module.
_FRAME = re.compile(r'  File "(?P<path>[^"]*)", line (?P<line>\d+) in (?P<name>.*)')
_NOT_THE_SUITES = re.compile(r"<dockerci_agent|<string>|.*/(_pytest|pluggy)/")


class WorkerDiedError(Exception):
    """The Python process in the container died while a test ran.

    Args:
        died: What the agent says of it.
        paths: The map between container and host paths.
    """

    def __init__(self, died: wire.WorkerDied, paths: PathMap) -> None:
        lines = [died.cause if died.when in died.cause else f"{died.cause} (in {died.when})"]
        printed = list(readable_dump(died.output.splitlines(), paths))[-_MAX_LINES:]
        if printed:
            lines += ["what it printed last:", *(f"  {line}" for line in printed)]
        super().__init__("\n".join(lines))


def lost_in(index: int, error: DockerCIError) -> TestRecord:
    """The record of the test that ran when an agent, or what it needs, was lost."""
    cause = f"{error.what}: {error.why}" if error.why else error.what
    return TestRecord(
        died=wire.WorkerDied(index=index, when="call", cause=cause, output="\n".join(error.output))
    )


def phase_of_death(died: wire.WorkerDied) -> str:
    """The phase of the test that is red for it."""
    return died.when if died.when in _PHASES else "call"


def readable_dump(lines: Sequence[str], paths: PathMap) -> Iterator[str]:
    """The lines that a dying process printed, its stacks with the host's paths and without pytest's own frames."""
    for line in lines:
        frame = _FRAME.fullmatch(line)
        if frame is None:
            yield line
        elif not _NOT_THE_SUITES.match(frame["path"]):
            yield f'  File "{paths.shown(frame["path"])}", line {frame["line"]} in {frame["name"]}'
