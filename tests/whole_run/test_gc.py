from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from pytest_dockerci.engine.client import Engine
from pytest_dockerci.engine.labels import NONCE, RUN
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
    """`dockerci gc` removes what is left where no other net was there, and nothing while the run goes on."""
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

    # Without its watchdog; these tests have no reaper.
    subprocess.run(["pkill", "-9", "-f", f"dockerci-{project.root.name}-"], check=True)
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

    # What the killed run had asked a busy engine for may still come: whose it is stays known, and nothing else.
    [owner] = project.root.parent.glob("cache/pytest-dockerci/*/runs/*/*")
    labels = {RUN: owner.parent.name, NONCE: json.loads(owner.read_text())["nonce"]}
    engine.client.networks.create(f"dockerci-{project.root.name}-late", labels=labels)
    assert "removing network" in gc(project)
    assert project.left_on_engine() == []
    os.utime(owner, (0, 0))
    assert "nothing to remove" in gc(project)
    assert not owner.parent.exists()


@pytest.mark.soak
def test_gc_after_an_incomplete_end(project: Project, engine: Engine) -> None:
    """What could not be removed is named, exit 9; later `gc` still knows whose it is."""
    foreign = engine.client.containers.run(
        os.environ.get("PYTHON_IMAGE", "python:3.13-slim"), ["sleep", "600"], detach=True, init=True
    )
    try:
        project.write(
            pytest_ini="[pytest]\ndockerci_service = web\ndockerci_suite = tests\ntestpaths = tests host\n",
            tests__test_any_py="def test_any(): pass\n",
            host__test_joins_py=f"""\
                import docker
                def test_joins(dockerci_container):
                    client = docker.from_env()
                    data = client.api.inspect_container(dockerci_container.id)
                    [network] = data["NetworkSettings"]["Networks"]
                    client.networks.get(network).connect("{foreign.id}")
                    client.close()
                """,
        )
        outcome = project.run()
        assert outcome.exit_code == 9, outcome.output
        [network] = project.left_on_engine()
        assert f"network {network}: " in outcome.output
        assert "has active endpoints" in outcome.output
        assert "try: `dockerci gc` removes it" in outcome.output
    finally:
        foreign.remove(force=True)
    assert f"removing network {network}" in gc(project)
    assert project.left_on_engine() == []
