"""Forty values that nobody may see, tests that have them, and every place where they could show."""

from __future__ import annotations

import re
from pathlib import Path

from whole_run.project import Outcome, Project

NAMES = [f"SECRET_{number}" for number in range(40)]
CANARIES = {name: f"canary-{number:02}-{name[::-1].lower()}" for number, name in enumerate(NAMES)}
_CANARY = re.compile(rb"canary-[0-9]")
SETTINGS = (
    "[pytest]\ndockerci_service = web\ndockerci_suite = tests\ntestpaths = tests host\n"
    "junit_family = xunit1\ndockerci_secrets =\n" + "".join(f"    {name}\n" for name in NAMES)
)
# Looks while a run goes on: on the engine, at command lines, at the files of the run.
HOST_SUITE = """\
    import glob, os, pathlib, subprocess
    import docker

    def test_nothing_shows_them(dockerci_container, dockerci_image):
        client = docker.from_env()
        container = client.api.inspect_container(dockerci_container.id)
        found = {
            "inspect": container,
            "execs": [client.api.exec_inspect(each) for each in container["ExecIDs"] or ()],
            "exec": dockerci_container.exec(["env"]).stdout,
            "logs": client.api.logs(dockerci_container.id),
            "containers": client.api.containers(all=True),
            "networks": client.api.networks(),
            "volumes": client.api.volumes(),
            "image": client.api.inspect_image(dockerci_image.id),
            "history": client.api.history(dockerci_image.id),
            "events": subprocess.check_output(["docker", "events", "--since=5m", "--until=0s"]),
        }
        client.close()
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                found[path] = pathlib.Path(path).read_bytes()
            except OSError:
                pass  # it has ended
        for path in pathlib.Path(os.environ["XDG_CACHE_HOME"]).rglob("*"):
            if path.is_file():
                found[str(path)] = path.read_bytes()
        seen = [name for name, text in found.items() if "canary" in str(text)]
        assert seen == []
    """
QUIET_SUITE = f"""\
import os, subprocess, sys
import pytest
NAMES = {NAMES!r}
@pytest.mark.parametrize("name", NAMES)
def test_has_it(name): assert os.environ[name].startswith("canary-")
def test_children_have_it():
    program = "import os; print(len([n for n in os.environ if n.startswith('SECRET_')]))"
    assert subprocess.check_output([sys.executable, "-c", program]) == b"40\\n"
"""
LOUD_SUITE = f"""\
{QUIET_SUITE}
@pytest.mark.parametrize("name", NAMES)
def test_prints_it(name, record_property):
    print(os.environ[name])
    record_property("the value", os.environ[name])
    assert not os.environ[name], repr(os.environ[name])
"""


def write_canaries(project: Project, suite: str) -> None:
    """Make it a project whose tests have them."""
    project.write(pytest_ini=SETTINGS, host__test_sinks_py=HOST_SUITE, tests__test_env_py=suite)


def shown(outcome: Outcome, *folders: Path) -> list[str]:
    """Where one shows after a run: in its output, or in the files of some folders."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found = [str(path) for path in files if _CANARY.search(path.read_bytes())]
    return [*(["the output"] if _CANARY.search(outcome.output.encode()) else []), *found]
