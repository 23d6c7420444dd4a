"""Plugins of the host only, all at once, on the tests of a real container."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from host_venv import make_host_venv
from whole_run.project import Project

pytestmark = pytest.mark.engine

PLUGINS = (
    *("pytest-timeout", "pytest-html", "allure-pytest", "pytest-sugar", "pytest-randomly", "pytest-cov"),
    *("pytest-github-actions-annotate-failures", "pytest-rerunfailures", "pytest-xdist", "teamcity-messages"),
)
SUITE = """
    import time, warnings
    from pathlib import Path
    import app
    def test_pass(): print("hello", app.ANSWER)
    def test_fail(): assert app.ANSWER == 43
    def test_flaky():
        seen = Path("/tmp/seen")
        is_first = not seen.exists()
        seen.touch()
        assert not is_first
    def test_hangs(): time.sleep(90)
    def test_warn(): warnings.warn("careful")
    """


@pytest.fixture(scope="module")
def host_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all the plugins."""
    return make_host_venv(tmp_path_factory.mktemp("plugins") / "venv", *PLUGINS)


@pytest.mark.soak
@pytest.mark.parametrize(
    "is_shared", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["alone", "xdist"]
)
def test_all_at_once(project: Project, host_python: str, *, is_shared: bool) -> None:
    """Each one does its work: limits, reruns, order, reports, annotations, coverage."""
    project.python = host_python
    project.addopts = ""
    project.write(tests__test_a_py=SUITE)
    options = ["--timeout=4", "--reruns=1", "--randomly-seed=3", "--cov=app", "--cov-report=term"]
    options += ["--html=report.html", "--self-contained-html", "--alluredir=allure"]
    # teamcity-messages asks for `-vv`, with which pytest-sugar 1.1 fails under pytest 9.2, by hand as well.
    environ = {} if is_shared else {"TEAMCITY_VERSION": "2026.1"}
    run = project.run(
        *options,
        *(["-n2", "--force-sugar"] if is_shared else ["-p", "no:sugar"]),
        GITHUB_ACTIONS="true",
        GITHUB_WORKSPACE=str(project.root.parent),
        **environ,
    )
    output = run.output
    assert run.exit_code == 1, output
    # pytest-sugar, pytest-rerunfailures, pytest-timeout, pytest-randomly
    if is_shared:
        for line in ("3 passed", "2 failed", "3 rerun"):
            assert line in output.split("Results (")[1], output
    else:
        assert run.counts() == {"passed": 3, "failed": 2, "rerun": 3, "warning": 1}
        assert "Using --randomly-seed=3" in output
    assert "Timeout (>4s) from pytest-timeout, in call" in output
    assert f'File "{project.root}/tests/test_a.py", line 12 in test_hangs' in output
    # pytest-github-actions-annotate-failures
    assert f"::error file={project.root.name}/tests/test_a.py,line=6::test_fail" in output
    assert f"::warning file={project.root.name}/tests/test_a.py,line=13::careful" in output
    # teamcity-messages
    failed = re.search(r"##teamcity\[testFailed .*name='tests.test_a.test_fail'", output)
    assert (failed is None) == is_shared, output
    # pytest-cov
    assert re.search(r"app\.py +1 +0 +100%", output) is not None, output
    _check_html(project.root / "report.html")
    _check_allure(project.root / "allure")


def _check_html(path: Path) -> None:
    found = re.search(r'data-jsonblob="([^"]*)"', path.read_text())
    assert found is not None
    tests = json.loads(html.unescape(found[1]))["tests"]
    outcomes = {
        nodeid.partition("::")[2]: sorted({result["result"] for result in results})
        for nodeid, results in tests.items()
    }
    assert outcomes == {
        "test_pass": ["Passed"],
        "test_fail": ["Failed", "Rerun"],
        "test_flaky": ["Passed", "Rerun"],
        "test_hangs": ["Failed", "Rerun"],
        "test_warn": ["Passed"],
    }
    assert "hello 42" in tests["tests/test_a.py::test_pass"][0]["log"]


def _check_allure(folder: Path) -> None:
    results = [json.loads(path.read_text()) for path in folder.glob("*-result.json")]
    assert sorted((result["name"], result["status"]) for result in results) == [
        ("test_fail", "failed"),
        ("test_fail", "failed"),
        ("test_flaky", "failed"),
        ("test_flaky", "passed"),
        ("test_hangs", "broken"),
        ("test_hangs", "broken"),
        ("test_pass", "passed"),
        ("test_warn", "passed"),
    ]
