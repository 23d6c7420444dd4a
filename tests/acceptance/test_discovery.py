"""What an IDE shows: the real tree from the last collection, an approximate one otherwise, and every result.

The engine's side of it, that nothing is built or started, is `whole_run/test_discovery.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acceptance.project import Project
from ide.drive import IdeRun, discover_in_vscode, run_in_pycharm, run_in_vscode
from variants import soak_after

SUITE = """
    import unittest
    import pytest

    class TestBasket:
        @pytest.mark.parametrize("size", [1, 2])
        def test_add(self, size):
            assert size == 1

        class TestEmpty:
            def test_total(self): pass

    class TestUnit(unittest.TestCase):
        def test_unit(self): pass

    @pytest.mark.skip(reason="later")
    def test_later(): pass

    @pytest.fixture
    def test_value(): return 1
"""
EXACT = [
    "test_far.py: test_far",
    "test_shop.py: TestBasket > test_add > [1]",
    "test_shop.py: TestBasket > test_add > [2]",
    "test_shop.py: TestBasket > TestEmpty > test_total",
    "test_shop.py: TestUnit > test_unit",
    "test_shop.py: test_later",
]
WITHOUT_PARAMETERS = [EXACT[0], "test_shop.py: TestBasket > test_add", *EXACT[3:]]
APPROXIMATE = "dockerci: approximate listing"


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with classes, parameters, unittest, a skip and a folder."""
    project.write("tests/test_shop.py", SUITE)
    project.write("tests/folder/test_far.py", "def test_far(): pass\n")
    return project


def discover(project: Project, *args: str) -> IdeRun:
    """Discovery in VS Code, which must never start the environment."""
    (project.image / "started").unlink(missing_ok=True)
    run = discover_in_vscode(
        project.host, project.environ, "-p", "local_environment", "-p", "report_log", *args
    )
    assert not project.was_started
    return run


def lines(run: IdeRun) -> dict[str, int]:
    """Each test's line."""
    return {name: test["line"] for name, test in zip(run.names(), run.tests, strict=True)}


@pytest.mark.soak
def test_before_and_after_the_first_collection(shop: Project) -> None:
    """First names and lines from the source, said so; then the very tree; `-k` and ids select from both."""
    first = discover(shop)
    assert first.names() == WITHOUT_PARAMETERS
    assert (
        f"{APPROXIMATE}, read from the source: no image is known yet; `pytest --collect-only`" in first.text
    )
    assert discover(shop, "-q", "-k", "total").names() == [EXACT[3]]
    shop.run("--collect-only")
    exact = discover(shop)
    assert exact.names() == EXACT
    assert APPROXIMATE not in exact.text
    assert exact.text.count("nothing has changed since") == 1
    assert discover(shop, "-k", "add and 2").names() == [EXACT[2]]
    assert discover(shop, "tests/test_shop.py::TestBasket::test_add").names() == EXACT[1:3]
    assert {name: lines(exact)[name] for name in lines(first) if name in lines(exact)}.items() <= lines(
        first
    ).items()


def test_a_run_is_remembered_and_changes_are_seen(shop: Project) -> None:
    """A changed test file keeps the parameters last seen; a changed application is said; both are healed by a run."""
    shop.write("app.py", "ANSWER = 42\n")
    shop.run()
    assert discover(shop).names() == EXACT
    shop.write("tests/test_shop.py", SUITE + "\n    def test_new(): pass\n")
    edited = discover(shop, "-q")
    assert edited.names() == [*EXACT, "test_shop.py: test_new"]
    assert f"{APPROXIMATE}, read from the source: the suite or its configuration has changed" in edited.text
    shop.run("--collect-only")
    assert APPROXIMATE not in discover(shop).text
    shop.write("app.py", "ANSWER = 43 + 1\n")
    changed = discover(shop)
    assert "what the image is built from has changed; `pytest` builds it and lists exactly" in changed.text
    assert changed.names() == edited.names()


@pytest.mark.parametrize(
    ("name", "text"),
    soak_after(
        1,
        [
            pytest.param("pytest.ini", "python_functions = test check", id="configuration"),
            pytest.param("tests/conftest.py", "VALUE = 1\n", id="conftest"),
            pytest.param("tests/data/cases.json", "[1]\n", id="data"),
        ],
    ),
)
def test_what_decides_on_a_collection(project: Project, name: str, text: str) -> None:
    """A change of the configuration, of a conftest.py or of data makes a listing approximate."""
    project.write("tests/test_a.py", "def test_a(): pass\ndef check_b(): pass\n")
    project.run("--collect-only")
    assert APPROXIMATE not in discover(project).text
    if name == "pytest.ini":
        project.settings(text)
    else:
        project.write(name, text)
    run = discover(project)
    assert APPROXIMATE in run.text
    expected = ["test_a.py: test_a", *(["test_a.py: check_b"] if name == "pytest.ini" else [])]
    assert run.names() == expected


@pytest.mark.soak
def test_a_damaged_memory_is_none(shop: Project) -> None:
    """Files that were cut short, or that say impossible things, count as missing."""
    shop.run("--collect-only")
    [file] = Path(shop.environ["XDG_CACHE_HOME"]).glob("pytest-dockerci/*/collections/*.json")
    data = json.loads(file.read_text())
    data["rows"][0]["parent"] = 7
    file.write_text(json.dumps(data))
    run = discover(shop)
    assert run.names() == WITHOUT_PARAMETERS
    assert APPROXIMATE in run.text
    [image] = file.parents[1].glob("last-image.json")
    image.write_text('{"format": 1')
    assert "no image is known yet" in discover(shop).text


def test_errors_are_shown(shop: Project) -> None:
    """What cannot be collected is an error in the IDE: as the container said it, or as the source shows."""
    shop.write("tests/test_bad.py", "import no_such_module_at_all\n")
    shop.run("--collect-only")
    [message] = discover(shop).messages
    assert message["status"] == "error"
    assert "No module named 'no_such_module_at_all'" in message["error"][0]
    shop.write("tests/test_bad.py", "def broken(:\n")
    [message] = discover(shop).messages
    assert "SyntaxError: tests/test_bad.py: line 1" in message["error"][0]
    assert len(message["tests"]) == len(EXACT)


def test_results_reach_vscode(shop: Project) -> None:
    """A run of listed ids sends one result for each."""
    tests = [f"tests/test_shop.py::{name}" for name in ("TestBasket::test_add", "test_later", "TestUnit")]
    run = run_in_vscode(shop.host, shop.environ, tests, "-p", "local_environment")
    assert {test_id.removeprefix(f"{shop.host}/"): word for test_id, word in run.results.items()} == {
        "tests/test_shop.py::TestBasket::test_add[1]": "success",
        "tests/test_shop.py::TestBasket::test_add[2]": "failure",
        "tests/test_shop.py::test_later": "skipped",
        "tests/test_shop.py::TestUnit::test_unit": "success",
    }


def test_results_reach_pycharm(shop: Project) -> None:
    """Service messages tell of every test, under the name that PyCharm finds in the source."""
    run = run_in_pycharm(
        shop.host,
        shop.environ,
        ["tests/test_shop.py::TestBasket", "tests/folder/test_far.py"],
        "-p",
        "local_environment",
    )
    told = {(message["service"], message.get("name")) for message in run.messages}
    assert {
        ("testCount", None),
        ("testFinished", "tests.test_shop.TestBasket.test_add(1)"),
        ("testFailed", "tests.test_shop.TestBasket.test_add(2)"),
        ("testFinished", "tests.test_shop.TestBasket.TestEmpty.test_total"),
        ("testFinished", "tests.folder.test_far.test_far"),
    } <= told


def test_pycharm_lists_without_a_container_too(shop: Project) -> None:
    """`--collect-only` among the run configuration's arguments starts nothing."""
    run = run_in_pycharm(shop.host, shop.environ, ["tests"], "-p", "local_environment", "--collect-only")
    assert not shop.was_started
    assert APPROXIMATE in run.text
    assert [message["count"] for message in run.messages if message["service"] == "testCount"] == ["5"]
