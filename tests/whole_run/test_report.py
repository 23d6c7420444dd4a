from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from whole_run.project import PYTHON_IMAGE, Project
from whole_run.test_ends import interrupt

pytestmark = pytest.mark.engine

SETTINGS = """\
[pytest]
dockerci_service = web
testpaths = tests
dockerci_secrets = API_KEY
dockerci_env = API_KEY=canary-4711
dockerci_artifacts =
    out/**/*.txt
    /tmp/*.log
"""
COMPOSE = f"""\
services:
  web:
    build: {{context: ., args: {{PYTHON_IMAGE: "{PYTHON_IMAGE}"}}}}
    depends_on: [db]
  db:
    image: {PYTHON_IMAGE}
    command: [python3, -uc, "import time; print('the database canary-4711 speaks'); time.sleep(600)"]
    stop_grace_period: 0s
"""
TESTS = """\
    import os
    from pathlib import Path

    def test_writes():
        Path("out/deep").mkdir(parents=True)
        Path("out/deep/result.txt").write_text("the result")
        Path("out/deep/other.bin").write_text("not wanted")
        Path("out/link.txt").symlink_to("/etc/passwd")
        Path("/tmp/app.log").write_text("a line")
        assert not os.environ.get("FAILS")

    def test_slow():
        import time
        print("it runs", flush=True)
        time.sleep(float(os.environ.get("SLEEPS", 0)))
    """


def files_of(folder: Path) -> set[str]:
    """Names of the files below a folder."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def read(file: Path) -> Any:
    """A file of JSON."""
    return json.loads(file.read_text())


EVERYTHING = {
    "phases.json",
    "logs/db.log",
    "artifacts/artifacts.json",
    "artifacts/web-test-0/srv/app/out/deep/result.txt",
    "artifacts/web-test-0/tmp/app.log",
}


@pytest.mark.soak
def test_a_red_run_and_one_that_ran_out_of_time(project: Project) -> None:
    """Logs, artifacts and phases are there, and replaced by the next run; secrets are not in the logs."""
    project.write(compose_yaml=COMPOSE, pytest_ini=SETTINGS, tests__test_any_py=TESTS)
    report = project.root / "report"
    outcome = project.run("--dockerci-report=report", "-o", "dockerci_env=FAILS=1\nAPI_KEY=canary-4711")
    assert outcome.exit_code == 1, outcome.output
    assert f"dockerci: report in {report}" in outcome.output
    assert files_of(report) == EVERYTHING
    assert (report / "artifacts/web-test-0/srv/app/out/deep/result.txt").read_text() == "the result"
    assert read(report / "artifacts/artifacts.json")["remarks"] == [
        "web-test-0: /srv/app/out/link.txt is no regular file"
    ]
    assert (
        "dockerci: report: artifacts: web-test-0: /srv/app/out/link.txt is no regular file" in outcome.output
    )
    log = (report / "logs/db.log").read_text()
    assert "the database *** speaks" in log
    assert "canary" not in log

    document = read(report / "phases.json")
    assert document["version"] == 1
    names = [phase["name"] for phase in document["phases"]]
    assert [name for name in names if "/" not in name] == [
        "build",
        "containers",
        "collect",
        "services",
        "tests",
        "clean-up",
    ]
    for phase in document["phases"]:
        assert phase["seconds"] == pytest.approx(phase["end_seconds"] - phase["start_seconds"], abs=1e-5)
        assert 0 <= phase["start_seconds"] <= phase["end_seconds"] <= document["seconds"]

    (report / "logs/stale.log").write_text("of an earlier run")
    (report / "junit.xml").write_text("of somebody else")
    outcome = project.run(
        "--dockerci-report=report", "-o", "dockerci_env=SLEEPS=100", "-o", "dockerci_test_timeout_seconds=1"
    )
    assert outcome.exit_code == 1, outcome.output
    assert files_of(report) == {*EVERYTHING, "junit.xml"}


def test_an_interrupted_run(project: Project) -> None:
    """Ctrl-C leaves a whole report as well."""
    project.write(
        compose_yaml=COMPOSE,
        pytest_ini=SETTINGS + "addopts = --dockerci-report=report\n",
        tests__test_any_py=TESTS.replace('"SLEEPS", 0', '"SLEEPS", 100'),
    )
    outcome = interrupt(project, "it runs", lambda process: os.killpg(process.pid, signal.SIGINT))
    assert outcome.exit_code == 2, outcome.output
    assert files_of(project.root / "report") == EVERYTHING


def test_a_service_that_dies(project: Project) -> None:
    """The log that explains a start that failed is in the report."""
    project.write(
        compose_yaml=COMPOSE.replace("time.sleep(600)", "exit(3)"),
        pytest_ini=SETTINGS,
        tests__test_any_py=TESTS,
    )
    outcome = project.run("--dockerci-report=report")
    assert outcome.exit_code == 6, outcome.output
    assert "speaks" in (project.root / "report/logs/db.log").read_text()
    assert read(project.root / "report/phases.json")["phases"][0]["name"] == "build"


def test_a_folder_of_somebody_else(project: Project) -> None:
    """What is not part of an earlier report is not replaced."""
    project.write(tests__test_any_py=TESTS, report__artifacts__mine_txt="mine")
    outcome = project.run("--dockerci-report=report")
    assert outcome.exit_code == 4
    artifacts = project.root / "report/artifacts"
    assert outcome.output == (
        f"ERROR: --dockerci-report: {artifacts} is not part of a report\n"
        f"  why: it would be replaced, and {artifacts.parent} has no phases.json of an earlier report\n"
        "  try: name a folder of its own\n\n"
    )
    assert (artifacts / "mine.txt").read_text() == "mine"
