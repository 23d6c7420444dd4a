"""A test, or a service, prints more than memory should hold."""

from __future__ import annotations

import json
import resource
import sys

import pytest

from whole_run.project import PYTHON_IMAGE, Project

pytestmark = [pytest.mark.engine, pytest.mark.soak]

MIB = 1 << 20
UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
FLOODING_SERVICE = f"""\
    depends_on: [db]
  db:
    image: {PYTHON_IMAGE}
    stop_grace_period: 60s
    command:
      - python3
      - -c
      - |
        import signal
        for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
        while True: print("x" * 127)
"""


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
    assert outcome.exit_code == int(fails), outcome.output[-3000:]
    assert (after - before) * UNIT_BYTES <= 64 * MIB
    assert project.left_on_engine() == []


def test_a_service_that_floods_its_log_and_does_not_stop(project: Project) -> None:
    """The run is green, needs little memory, keeps a limited log, and does not wait for the service's end."""
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text() + FLOODING_SERVICE,
        tests__test_it_py="import time\ndef test_waits(): time.sleep(4)\n",
    )
    quiet = project.run("-q", "-o", "dockerci_start=web")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert quiet.exit_code == 0, quiet.output
    outcome = project.run("-q", "--dockerci-report=report")
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert outcome.exit_code == 0, outcome.output[-3000:]
    assert (after - before) * UNIT_BYTES <= 64 * MIB
    log = project.root / "report" / "logs" / "db.log"
    assert 1 * MIB < log.stat().st_size <= 129 * MIB
    phases = json.loads((project.root / "report" / "phases.json").read_text())["phases"]
    assert sum(each["seconds"] for each in phases if each["name"] == "clean-up") < 60
