"""Suites that nobody would write by hand, made by hypothesis: both ways the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from acceptance.project import Project, Run
from differential.both_ways import BothWays
from differential.comparison import differences
from differential.generated_suite import Suite, suites
from differential.junit_cases import junit_events
from differential.suite_image import CONTAINER_ROOT, suite_image
from differential.terminal_text import comparable_lines, has_unencodable_text, text_differences

# Said of a suite that fails, and would hide what differs.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

# A run takes seconds: nothing is tried twice, and what differs names its test.
FEW = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=2,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_SUMMARY = re.compile(r"^=+ .*\d+ \w+.* in \d[\d.]*s.* =+$", re.MULTILINE)
OPTIONS = ["-rA", "-p", "no:cacheprovider", "-p", "no:rerunfailures", "-W", "default"]


def expect_equal(folder: Path, suite: Suite) -> None:
    """Run a suite by the agent as a local process, and by hand; nothing may differ."""
    project = Project(folder)
    project.settings("markers = odd: has odd arguments")
    for path, source in suite.items():
        project.write(path, source)
    ours = _with_junit(folder / "ours.xml", project.run(*OPTIONS, f"--junitxml={folder}/ours.xml"))
    plain = _with_junit(folder / "plain.xml", project.run_plainly(*OPTIONS, f"--junitxml={folder}/plain.xml"))
    places = [str(project.host), str(project.image), "ours.xml", "plain.xml"]
    if not _SUMMARY.search(plain.text):
        # pytest itself came to its end in a fixture's teardown, and summed up nothing (differences.md).
        assert "container 0 did not end its session in good order" in ours.text
        assert differences(ours, plain, places=places) == ["exit code: 7 here, 1 by hand"]
        return
    assert "\n".join(differences(ours, plain, places=places)) == ""
    if not has_unencodable_text(plain.text):
        texts = (comparable_lines(run.text, places) for run in (ours, plain))
        assert "\n".join(text_differences(*texts)) == ""


def _with_junit(file: Path, run: Run) -> Run:
    return replace(run, events=(*run.events, *junit_events(file.read_text("utf-8"))))


@FEW
@given(suite=suites())
def test_few(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A handful, always the same ones."""
    expect_equal(tmp_path_factory.mktemp("generated"), suite)


def test_what_ends_a_line(tmp_path: Path) -> None:
    """In a warning, pytest begins a new line after each character that Python takes for the end of one."""
    endings = "a\\x0bb\\x0cc\\x1cd\\x1de\\x1ef\\x85g\\u2028h\\u2029i\\r\\nj\\rk\\nl"
    source = f"import warnings\ndef test_warns(): warnings.warn('{endings}')\n"
    expect_equal(tmp_path, {"tests/test_lines.py": source})


@pytest.mark.soak
@settings(FEW, max_examples=60)
@given(suite=suites())
def test_many(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> None:
    """More of them."""
    expect_equal(tmp_path_factory.mktemp("generated"), suite)


@pytest.mark.engine
@pytest.mark.soak
@settings(FEW, max_examples=4)
@given(suite=suites())
def test_in_an_image(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Some of them on the engine."""
    root = tmp_path_factory.mktemp("generated") / "suite"
    for path, source in {**suite, "pytest.ini": "[pytest]\nmarkers = odd: has odd arguments\n"}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    options = ["-o dockerci_service=web", "-o dockerci_suite=tests", "-p no:rerunfailures"]
    with suite_image(root, ["pytest==9.2.0"]) as image:
        [pair] = BothWays(root, image, CONTAINER_ROOT, options).run(
            ["-rA", "--junitxml={out}/junit.xml", "-p", "no:cacheprovider", "-W", "default"]
        )
    assert "\n".join(pair.differences()) == ""
    if not has_unencodable_text(pair.plain.text):
        assert "\n".join(pair.text_differences()) == ""
