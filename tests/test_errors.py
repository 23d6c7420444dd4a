"""The layout of every error text."""

from __future__ import annotations

import pytest

from pytest_dockerci import errors
from pytest_dockerci.errors import DockerCIError


def test_the_first_line_alone() -> None:
    """What failed needs no more lines than there is to say."""
    assert str(DockerCIError('service "db" died')) == 'service "db" died'


def test_every_part() -> None:
    """What, why, what to try and the output, each in its place, further lines aligned."""
    error = DockerCIError(
        'service "db" died',
        why="exit code 1\nout of memory: no",
        fix="look at its log\nor its health check",
        output_title='log of "db"',
        output=["starting", "no space left on device"],
    )
    assert str(error) == (
        'service "db" died\n'
        "  why: exit code 1\n"
        "       out of memory: no\n"
        "  try: look at its log\n"
        "       or its health check\n"
        '  log of "db":\n'
        "    starting\n"
        "    no space left on device"
    )


def test_long_output_is_cut_at_its_beginning() -> None:
    """The last lines explain most; their number is told."""
    error = DockerCIError("failed", output=[f"line {number}" for number in range(1, 31)])
    lines = str(error).splitlines()
    assert lines[1] == "  output, last 20 of 30 lines:"
    assert lines[2] == "    line 11"
    assert lines[-1] == "    line 30"


def test_a_long_line_is_cut() -> None:
    """One line cannot fill the screen."""
    assert len(str(DockerCIError("failed", output=["x" * 10_000])).splitlines()[-1]) == 404


@pytest.mark.parametrize(
    ("error", "exit_status"),
    [
        (errors.DockerCIError, 6),
        (errors.SettingsError, 4),
        (errors.EngineUnreachableError, 6),
        (errors.CommandError, 6),
        (errors.ImageBuildError, 6),
        (errors.ImageUnusableError, 6),
        (errors.ToolkitError, 6),
        (errors.ServiceNotReadyError, 6),
        (errors.AgentLostError, 7),
        (errors.ProtocolError, 7),
        (errors.CleanupError, 9),
    ],
)
def test_the_exit_code_of_an_error(error: type[DockerCIError], exit_status: int) -> None:
    """Each kind of failure has the exit code of the contract."""
    assert error("failed").exit_status == exit_status
