"""Forty values that nobody may see, and everything that there is to look at while a run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_process import running_registry
from whole_run.canaries import CANARIES, LOUD_SUITE, QUIET_SUITE, shown, write_canaries
from whole_run.project import Project

pytestmark = pytest.mark.engine


def test_forty_canaries(project: Project, tmp_path: Path) -> None:
    """The tests have them; nothing on the engine, no command line, no file, no output does."""
    write_canaries(project, LOUD_SUITE)
    report = tmp_path / "report"
    outcome = project.run("-rA", "-l", "--junitxml=report.xml", f"--dockerci-report={report}", **CANARIES)
    assert outcome.counts() == {"failed": 40, "passed": 42}, outcome.output
    assert shown(outcome, project.root, project.root.parent / "cache", report) == []
    assert "***" in outcome.output
    assert "***" in Path(project.root / "report.xml").read_text()


@pytest.mark.soak
def test_what_is_pushed_has_none(project: Project, tmp_path: Path) -> None:
    """Neither the evidence nor the record of the release, nor anything in the registry."""
    project.addopts = ""  # options for one run may not be pushed with
    write_canaries(project, QUIET_SUITE)
    with running_registry(tmp_path / "registry") as address:
        outcome = project.run(f"--dockerci-push={address}/shop/web", **CANARIES)
    assert outcome.exit_code == 0, outcome.output
    assert shown(outcome, project.root.parent / "cache", tmp_path / "registry") == []


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
