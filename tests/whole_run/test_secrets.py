"""Forty values that nobody may see, and everything that there is to look at while a run goes on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from whole_run.project import Project

pytestmark = pytest.mark.engine

NAMES = [f"SECRET_{number}" for number in range(40)]
CANARIES = {name: f"canary-{number:02}-{name[::-1].lower()}" for number, name in enumerate(NAMES)}
SINKS = """\
    import glob, os, pathlib, subprocess
    import docker

    def test_nothing_shows_them(dockerci_container, dockerci_image):
        client = docker.from_env()
        found = {
            "inspect": client.api.inspect_container(dockerci_container.id),
            "containers": client.api.containers(all=True),
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


def test_forty_canaries(project: Project) -> None:
    """The tests have them; nothing on the engine, no command line, no file, no output does."""
    project.write(
        pytest_ini="[pytest]\ndockerci_service = web\ndockerci_suite = tests\ntestpaths = tests host\n"
        "dockerci_secrets =\n" + "".join(f"    {name}\n" for name in NAMES),
        host__test_sinks_py=SINKS,
        tests__test_env_py=f"""\
            import os, subprocess, sys
            import pytest
            NAMES = {NAMES!r}
            @pytest.mark.parametrize("name", NAMES)
            def test_has_it(name): assert os.environ[name].startswith("canary-")
            def test_children_have_it():
                program = "import os; print(len([n for n in os.environ if n.startswith('SECRET_')]))"
                assert subprocess.check_output([sys.executable, "-c", program]) == b"40\\n"
            @pytest.mark.parametrize("name", NAMES)
            def test_prints_it(name):
                print(os.environ[name])
                assert not os.environ[name], repr(os.environ[name])
            """,
    )
    outcome = project.run("-rA", "-l", "--junitxml=report.xml", **CANARIES)
    assert outcome.counts() == {"failed": 40, "passed": 42}, outcome.output
    left = [
        path
        for path in [*project.root.rglob("*"), *(project.root.parent / "cache").rglob("*")]
        if path.is_file()
    ]
    for text in (outcome.output, *(path.read_text(errors="replace") for path in left)):
        assert not re.search("canary-[0-9]", text)
    assert "***" in outcome.output
    assert "***" in Path(project.root / "report.xml").read_text()


def test_the_service_log_and_the_build(project: Project) -> None:
    """What a service or a failing build prints is hidden as well."""
    project.write(
        pytest_ini="[pytest]\ndockerci_service = web\ntestpaths = tests\ndockerci_secrets = API_KEY\n",
        tests__test_any_py="def test_any(): pass\n",
        Dockerfile="ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nRUN echo the key is canary-7f3a91 && exit 3\n",
    )
    outcome = project.run(API_KEY="canary-7f3a91")
    assert outcome.exit_code == 6
    assert "the key is ***" in outcome.output
    assert "canary-7f3a91" not in outcome.output
