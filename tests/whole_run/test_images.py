"""Images of all kinds: the suite runs in each, as its own user, with nothing installed into it."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from pytest_dockerci.engine.client import Engine
from variants import soak_after
from whole_run.project import Project

pytestmark = pytest.mark.engine

SUITE = """\
    import os, subprocess, sys
    import app

    def test_app():
        assert app.ANSWER == 42

    def test_output(capfd):
        print("seen")
        assert capfd.readouterr().out == "seen\\n"

    def test_files(tmp_path):
        (tmp_path / "a").write_text("b")

    def test_user():
        print("user", os.getuid(), "python", "%d.%d" % sys.version_info[:2], "prefix", sys.prefix)
    """


def run(project: Project, dockerfile: str, compose: str = "") -> str:
    """The suite's output in an image; every test has passed."""
    project.write(
        Dockerfile=f"ARG PYTHON_IMAGE\nFROM ${{PYTHON_IMAGE}}\n{dockerfile}\nCOPY app.py /srv/app/\n"
    )
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text() + compose,
        tests__test_image_py=SUITE,
        tests__data__value_txt="1",
    )
    outcome = project.run("-v", "-rP")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 4}
    return outcome.output


@pytest.mark.parametrize("version", soak_after(1, ["3_9", "3_11", "3_14"]))
def test_python_versions(project: Project, version: str) -> None:
    """Every Python that Debian carries (3.13 is in all other tests)."""
    image = os.environ.get(f"PYTHON_{version}_IMAGE", f"python:{version.replace('_', '.')}-slim")
    compose = project.root / "compose.yaml"
    compose.write_text(compose.read_text().replace(os.environ.get("PYTHON_IMAGE", "python:3.13-slim"), image))
    assert f"python {version.replace('_', '.')} " in run(project, "WORKDIR /srv/app")


def test_non_root(project: Project) -> None:
    """The image's user runs the tests."""
    assert "user 4711 " in run(project, "WORKDIR /srv/app\nUSER 4711:4711")


def test_read_only(project: Project) -> None:
    """A read-only root file system, with a tmpfs for temporary files as Compose gives it, and no capability."""
    run(
        project,
        "WORKDIR /srv/app\nUSER 4711",
        "    read_only: true\n    tmpfs: [/tmp]\n    cap_drop: [ALL]\n    security_opt: ['no-new-privileges:true']\n",
    )


@pytest.mark.soak
def test_read_only_without_temporary_folder(project: Project) -> None:
    """Where nothing at all is writable, the tests get a folder for temporary files."""
    run(project, "WORKDIR /srv/app\nUSER 4711", "    read_only: true\n")


def test_no_shell(project: Project) -> None:
    """No shell is needed, nor anything else beside Python."""
    run(
        project,
        "WORKDIR /srv/app\nRUN rm -f /bin/sh /bin/bash /bin/dash /usr/bin/sh /usr/bin/bash /usr/bin/dash",
    )


def test_virtual_environment(project: Project) -> None:
    """A virtual environment on PATH is the one whose Python and libraries are used."""
    output = run(
        project,
        "RUN python3 -m venv --without-pip /opt/venv\nENV PATH=/opt/venv/bin:$PATH\nWORKDIR /srv/app\n"
        "ENTRYPOINT ['/nowhere']\nHEALTHCHECK CMD false",
    )
    assert "prefix /opt/venv" in output


@pytest.mark.soak
def test_own_pytest(project: Project) -> None:
    """An image that has a pytest keeps it: its own libraries win."""
    output = run(
        project, "RUN python3 -m pip install --no-cache-dir --quiet 'pytest==8.4.2'\nWORKDIR /srv/app"
    )
    assert "and pytest 8.4.2" in output


def test_requirements(project: Project) -> None:
    """Requirements come into the container beside pytest, and only there; the image's own versions stay."""
    project.write(
        pytest_ini="""\
            [pytest]
            dockerci_service = web
            testpaths = tests
            dockerci_requirements =
                dirty-equals
                group:test
                -r more.txt
            """,
        pyproject_toml="""\
            [dependency-groups]
            test = ["iniconfig", {include-group = "shared"}]
            shared = ["sortedcontainers"]
            """,
        more_txt="toolz\n",
        Dockerfile="""\
            ARG PYTHON_IMAGE
            FROM ${PYTHON_IMAGE}
            WORKDIR /srv/app
            RUN python3 -m pip install --no-cache-dir --quiet sortedcontainers==2.3.0
            """,
        tests__test_requirements_py="""\
            import dirty_equals, iniconfig, sortedcontainers, toolz

            def test_versions():
                assert sortedcontainers.__version__ == "2.3.0"
                assert "/.dockerci/" not in sortedcontainers.__file__
                assert "/.dockerci/" in toolz.__file__
            """,
    )
    outcome = project.run()
    assert outcome.exit_code == 0, outcome.output


def test_no_python(project: Project) -> None:
    """An image without Python is refused with what was looked for."""
    project.write(
        Dockerfile="FROM scratch\nCOPY app.py /\n",
        tests__test_any_py="def test_any(): pass\n",
    )
    outcome = project.run()
    assert outcome.exit_code == 6, outcome.output
    assert "Python" in outcome.output
    assert "Traceback" not in outcome.output


def test_unchanged_tree_gives_the_same_image(project: Project) -> None:
    """Two runs of one tree test the same image id, which carries no label of ours, under the commit's tag."""
    project.write(tests__test_any_py="def test_any(): pass\n", _gitignore="cache\n")
    git = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        subprocess.run([*git, *arguments], cwd=project.root, check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=project.root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()

    first, second = (project.run(BUILD_NUMBER="1234") for _ in range(2))
    lines = [
        next(line for line in outcome.output.splitlines() if line.startswith("dockerci: image")).split(", ")[
            0:2
        ]
        for outcome in (first, second)
    ]
    assert f":{commit}" in lines[0][0]
    assert lines[0][1].startswith("also ")
    assert ":1234" in lines[0][1]
    ids = [outcome.output.split("(sha256:")[1][:12] for outcome in (first, second)]
    assert ids[0] == ids[1]

    project.write(app_py="ANSWER = 43\n")
    assert f":{commit}-dirty" in project.run().output


def test_without_git(project: Project, engine: Engine) -> None:
    """The tag is the run's, and goes when the next run has built: images do not pile up."""
    project.write(tests__test_any_py="def test_any(): pass\n")
    tags = []
    for answer in (42, 43, 43):
        project.write(app_py=f"ANSWER = {answer}\n")
        outcome = project.run()
        assert outcome.exit_code == 0, outcome.output
        [tag] = re.findall(rf"dockerci: image ({re.escape(project.root.name)}-web:run-\w+)", outcome.output)
        tags.append(tag)
    named = {name for image in engine.client.api.images() for name in image["RepoTags"] or ()}
    assert [tag in named for tag in tags] == [False, False, True]
