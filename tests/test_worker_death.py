"""What is said of a test in which its process died."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.paths import PathMap
from pytest_dockerci.worker_death import WorkerDiedError, phase_of_death

DUMP = """\
said before
Fatal Python error: Segmentation fault

Current thread 0x00007f13d3a93780 (most recent call first):
  File "/usr/lib/python3.13/ctypes/__init__.py", line 525 in string_at
  File "/srv/app/tests/test_crash.py", line 2 in test_segfault
  File "/.dockerci/toolkit/_pytest/python.py", line 187 in pytest_pyfunc_call
  File "/.dockerci/toolkit/pluggy/_execution.py", line 147 in _multicall
  File "<dockerci_agent.worker>", line 49 in main
  File "<string>", line 64 in <module>
"""


def test_the_stack_is_the_suites(tmp_path: Path) -> None:
    """Frames of pytest and ours are left out; files that the host has are named by its path."""
    test_file = tmp_path / "tests/test_crash.py"
    test_file.parent.mkdir()
    test_file.touch()
    paths = PathMap(((PurePosixPath("/srv/app"), tmp_path),), tmp_path)
    died = wire.WorkerDied(
        index=1, when="call", cause="the Python process was killed by SIGSEGV", output=DUMP
    )
    assert str(WorkerDiedError(died, paths)).splitlines() == [
        "the Python process was killed by SIGSEGV (in call)",
        "what it printed last:",
        "  said before",
        "  Fatal Python error: Segmentation fault",
        "  ",
        "  Current thread 0x00007f13d3a93780 (most recent call first):",
        '    File "/usr/lib/python3.13/ctypes/__init__.py", line 525 in string_at',
        f'    File "{test_file}", line 2 in test_segfault',
    ]


@pytest.mark.parametrize(
    ("when", "cause", "text", "phase"),
    [
        ("setup", "ended with exit code 3", "ended with exit code 3 (in setup)", "setup"),
        ("call", "timed out after 3 s in call", "timed out after 3 s in call", "call"),
        ("between tests", "was killed", "was killed (in between tests)", "call"),
    ],
)
def test_the_phase_is_told_once(when: str, cause: str, text: str, phase: str) -> None:
    """And is the one that is red."""
    died = wire.WorkerDied(index=1, when=when, cause=cause, output="")
    paths = PathMap(((PurePosixPath("/srv/app"), Path("/home/me/app")),), Path("/home/me/app"))
    assert str(WorkerDiedError(died, paths)) == text
    assert phase_of_death(died) == phase
