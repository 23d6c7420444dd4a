"""The files for CI that the documentation offers: those that can run here do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from acceptance.project import Project

FILES = Path(__file__).parents[2] / "docs" / "how-to" / "ci"


def git(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run git there."""
    argv = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com", *args]
    return subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **environ}, check=False)


@pytest.mark.soak
def test_the_hook_lets_nothing_out_that_does_not_pass(project: Project, tmp_path: Path) -> None:
    """`git push` runs the tests in the image; red, or with changes beside the commit, it pushes nothing."""
    project.settings("addopts = -p local_environment -p no:hypothesispytest -p no:cacheprovider")
    project.write("tests/test_shop.py", "def test_one(): pass\n")
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(project.host, "init", "--quiet", "--initial-branch=main")
    git(project.host, "remote", "add", "origin", str(remote))
    hook = project.host / ".git" / "hooks" / "pre-push"
    shutil.copy(FILES / "pre-push", hook)
    hook.chmod(0o755)
    environ = {**project.environ, "PYTEST_ADDOPTS": "", "PATH": os.environ["PATH"]}

    def commit_and_push() -> subprocess.CompletedProcess[str]:
        git(project.host, "add", "--all")
        git(project.host, "commit", "--quiet", "--message=change")
        return git(project.host, "push", "origin", "main", **environ)

    def pushed() -> str:
        return git(remote, "rev-parse", "main").stdout.strip()

    first = commit_and_push()
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 passed" in first.stdout + first.stderr
    before = pushed()
    project.write("tests/test_shop.py", "def test_one(): assert False\n")
    assert commit_and_push().returncode != 0
    project.write("tests/test_shop.py", "def test_one(): pass\n")
    dirty = git(project.host, "push", "origin", "main", **environ)
    assert dirty.returncode != 0
    assert "the working tree differs from the commit" in dirty.stderr
    assert pushed() == before
    assert commit_and_push().returncode == 0
    assert pushed() != before


def test_the_workflows_are_whole() -> None:
    """They are YAML; each runs pytest, keeps its results, and pushes on a condition only."""
    workflow = yaml.safe_load((FILES / "github-actions.yml").read_text())
    steps = workflow["jobs"]["image"]["steps"]
    assert [step["id"] for step in steps if "pytest -v" in step.get("run", "")] == ["test"]
    assert "github.event_name == 'push'" in workflow["jobs"]["image"]["env"]["PUSH"]
    job = yaml.safe_load((FILES / "gitlab-ci.yml").read_text())["image"]
    assert job["artifacts"]["reports"]["junit"] == "junit.xml"
    for line in [*job["before_script"], *job["script"], *job["after_script"]]:
        subprocess.run(["sh", "-n", "-c", line], check=True)
    jenkins = (FILES / "Jenkinsfile").read_text()
    assert jenkins.count("{") == jenkins.count("}")
    assert "junit 'junit.xml'" in jenkins
