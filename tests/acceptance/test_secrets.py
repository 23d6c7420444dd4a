"""Values of `dockerci_secrets` reach the tests and nobody else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from acceptance.project import Project, Run
from variants import soak_after

CANARY = "canary-7f3a91"
SUITE = """
import base64, json, os, sys, unittest, warnings
import pytest
VALUE = os.environ.get("API_KEY", "nothing here")
def test_it_is_there(): assert len(VALUE) == 13 and VALUE.startswith("canary")
def test_prints(): print(VALUE); print(VALUE, file=sys.stderr)
def test_prints_past_capture():
    for part in (VALUE[:7], VALUE[7:]): os.write(sys.__stdout__.fileno(), part.encode())
def test_fails():
    local = [VALUE]
    print(VALUE, base64.b64encode(b"x" + VALUE.encode()).decode())
    assert local == VALUE
def test_raises(): raise ValueError(json.dumps({"key": VALUE}))
def test_skips(): pytest.skip(VALUE)
def test_xfails(): pytest.xfail(VALUE)
def test_warns(): warnings.warn(VALUE)
def test_records(record_property, record_xml_attribute):
    record_property("key", VALUE)
    record_xml_attribute("key", VALUE)
@pytest.mark.parametrize("key", [VALUE])
def test_has_it_in_its_id(key): pass
class TestUnit(unittest.TestCase):
    def test_subtests(self):
        with self.subTest(VALUE, key=VALUE):
            self.fail(VALUE)
def test_dies(): print(VALUE, flush=True); os.write(2, VALUE.encode()); os._exit(3)
"""
HOST = """
import os
def test_on_the_host():
    print(os.environ["API_KEY"])
    assert os.environ["API_KEY"] == "else"
"""


def assert_hidden(project: Project, run: Run) -> None:
    """In what was shown, and in every file that was left."""
    forms = [CANARY, *(base64.b64encode(b"x" + CANARY.encode()).decode()[2:16] for _ in [0])]
    texts = {"the terminal": run.text}
    folders: list[Path] = [project.host, project.host.parents[1] / "cache"]
    for path in (each for folder in folders for each in folder.rglob("*") if each.is_file()):
        texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
    for where, text in texts.items():
        for form in forms:
            assert form not in text, where


@pytest.mark.parametrize(
    "args",
    soak_after(
        1,
        [
            pytest.param(("-rA", "-l", "-v")),
            pytest.param(("-s", "--tb=native", "tests")),
            pytest.param(("-rA", "-n2")),
            pytest.param(("-rA", "-o", "dockerci_workers=2")),
        ],
    ),
)
def test_hidden_everywhere(project: Project, args: tuple[str, ...]) -> None:
    """On the terminal, in the JUnit file, in the caches; the tests of the host included."""
    project.settings("dockerci_secrets = API_KEY", "dockerci_suite = tests", suite="tests host")
    project.write("tests/test_key.py", SUITE)
    project.write("host/test_host.py", HOST)
    run = project.run(*args, "--junitxml=report.xml", API_KEY=CANARY)
    assert run.exit_code == 1, run.text
    assert run.outcomes()["tests/test_key.py::test_it_is_there"] == "passed", run.text
    run.must_show("***")
    assert "***" in (project.host / "report.xml").read_text()
    assert_hidden(project, run)


def test_a_value_given_in_the_settings(project: Project) -> None:
    """`dockerci_env` says what it is, `dockerci_secrets` that it is one."""
    project.settings("dockerci_env = API_KEY=canary-7f3a91", "dockerci_secrets = API_KEY")
    project.write("tests/test_key.py", SUITE)
    run = project.run("-rA", "-k", "there or prints")
    assert run.exit_code == 0
    assert CANARY not in run.text


def test_a_line_that_is_no_name(project: Project) -> None:
    """The value that somebody wrote there is not repeated."""
    project.settings("dockerci_secrets = API_KEY=canary-7f3a91")
    project.write("tests/test_key.py", SUITE)
    run = project.run()
    assert run.exit_code == 4
    run.must_show("dockerci_secrets = API_KEY", "the name of a variable, and nothing else")
    assert CANARY not in run.text
