"""A test prints more than memory should hold."""

from __future__ import annotations

import resource
import sys

import pytest

from whole_run.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.soak]

MIB = 1 << 20


@pytest.mark.parametrize(
    "act",
    [
        "[print('x' * 9999) for _ in range(50_000)]",
        "print('x' * (512 << 20))",
        "[os.write(1, bytes(range(256)) * 4096) for _ in range(512)]",
        "[os.write(sys.__stdout__.fileno(), os.urandom(1 << 20)) for _ in range(512)]",
    ],
    ids=["lines", "one line", "binary", "past capture"],
)
@pytest.mark.parametrize("fails", [False, True])
def test_half_a_gibibyte(project: Project, act: str, *, fails: bool) -> None:
    """The verdict is right, and pytest on the host needs little memory for it; its output goes nowhere here."""
    project.write(
        tests__test_it_py="import os, sys\ndef test_after(): pass\n"
        f"def test_floods():\n    {act}\n    assert not {fails}\n"
    )
    quiet = project.run("-q", "--show-capture=no", "--deselect=tests/test_it.py::test_floods")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert quiet.exit_code == 0, quiet.output
    outcome = project.run("-q", "--show-capture=no", "--tb=line")
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    assert outcome.exit_code == int(fails), outcome.output[-3000:]
    assert (after - before) * unit <= 64 * MIB
    assert project.left_on_engine() == []
