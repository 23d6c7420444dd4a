from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_dockerci.engine.client import Engine
from whole_run.project import Project

pytestmark = pytest.mark.engine


def gc(project: Project, *arguments: str) -> str:
    """Run `dockerci gc` as the user of a project."""
    completed = subprocess.run(
        [sys.executable, "-m", "pytest_dockerci.cli", "gc", *arguments],
        env={**os.environ, "XDG_CACHE_HOME": str(project.root.parent / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return completed.stdout


def test_gc_after_a_kill(project: Project, engine: Engine) -> None:
    """`dockerci gc` removes what a killed run left, and nothing while the run goes on."""
    project.write(
        tests__test_slow_py="import time\ndef test_slow(): print('it runs', flush=True); time.sleep(100)\n"
    )
    process = project.start("-s")
    assert process.stdout is not None
    for line in process.stdout:
        if "it runs" in line:
            break
    assert "left alone" in gc(project)
    assert project.left_on_engine() != []

    process.kill()
    process.wait()
    process.stdout.close()
    left = project.left_on_engine()
    assert left != []
    planned = gc(project, "--dry-run")
    assert all(f"would remove {kind} " in planned for kind in ("container", "network", "volume"))
    assert project.left_on_engine() == left

    assert "removing container" in gc(project)
    assert project.left_on_engine() == []
    assert list(project.root.parent.glob("cache/pytest-dockerci/*/runs/*")) == []
