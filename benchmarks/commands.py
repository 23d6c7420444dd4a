"""Runs the commands that are measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
PYTHON_IMAGE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
POSTGRES_IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:17")
REDIS_IMAGE = os.environ.get("REDIS_IMAGE", "redis:7")

# Linux takes the peak of the process that starts another one for the other one's (`ru_maxrss`, getrusage(2)): this
# one is small, where the one that runs the benchmarks has a chart to draw.
_MEASURER = """
import os, sys
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
with open(sys.argv[1], "w") as peak:
    peak.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def seconds_of(argv: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> float:
    """Run a command to its end; how long it took.

    Raises:
        RuntimeError: It failed: what did not work is not measured.
    """
    started = time.perf_counter()
    completed = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if completed.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {completed.returncode}\n{completed.stdout[-4000:]}")
    return seconds


def peak_and_output_of(
    argv: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """Run a command to its end; the most memory that its process had resident, in MiB, and its last 4,000 bytes.

    Raises:
        RuntimeError: It failed.
    """
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile("r") as peak:
        completed = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MEASURER, peak.name, *argv],
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output.seek(max(0, output.seek(0, os.SEEK_END) - 4000))
        said = output.read().decode("utf-8", "replace")
        if completed.returncode:
            raise RuntimeError(f"{' '.join(argv)} ended with {completed.returncode}\n{said}")
        return int(peak.read()) / 1024, said


def phase_seconds(folder: Path, phase: str, *, less: str = "") -> float:
    """Run pytest in a project of ours; how long one phase took, less a part of it, as the run's report says."""
    seconds_of((*PYTEST, "-p", "no:docker", "--dockerci-report=report"), folder)
    document = json.loads((folder / "report" / "phases.json").read_text(encoding="utf-8"))
    signs = {phase: 1, less: -1}
    return sum(signs.get(each["name"], 0) * float(each["seconds"]) for each in document["phases"])


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files into a new folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
