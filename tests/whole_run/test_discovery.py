"""Listings on a real engine: what `--collect-only` starts there, and that an IDE's discovery starts nothing."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import pytest

from ide.drive import IdeRun, discover_in_vscode, run_in_pycharm, run_in_vscode
from pytest_dockerci.engine.client import Engine
from whole_run.project import Project

COMPOSE = """\
services:
  web:
    build:
      context: .
      args: {PYTHON_IMAGE: "%s"}
    depends_on: [db]
  db:
    image: "%s"
    command: [python3, -c, "import time; time.sleep(600)"]
"""
SUITE = """\
import os
import sys
import pytest
from app import ANSWER

class TestAnswer:
    @pytest.mark.parametrize("number", range(ANSWER - 40))
    def test_number(self, number):
        assert number == 0

def test_nothing_of_the_ide_is_here():
    names = "TEST_RUN_PIPE RUN_TEST_IDS_PIPE PYCHARM_HOSTED TEAMCITY_VERSION _JB_PPRINT_PRIMITIVES"
    assert not set(names.split()) & set(os.environ)
    assert not {"vscode_pytest", "_jb_runner_tools"} & set(sys.modules)
"""
# No other test has the same image, so that it can be removed.
APP = f"ANSWER = %d\nMADE_FOR = '{uuid4()}'\n"
NAMES = [
    "test_answer.py: TestAnswer > test_number > [0]",
    "test_answer.py: TestAnswer > test_number > [1]",
    "test_answer.py: test_nothing_of_the_ide_is_here",
]
# Nothing answers there: an IDE's discovery that asked the engine for anything would fail.
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}

pytestmark = pytest.mark.engine


@pytest.fixture
def shop(project: Project, python_image: str) -> Project:
    """A project whose service needs another one."""
    project.write(
        compose_yaml=COMPOSE % (python_image, python_image),
        tests__test_answer_py=SUITE,
        app_py=APP % 42,
    )
    return project


def created(engine: Engine, project: Project, since: float) -> set[str]:
    """Which containers of the project's runs were created since a time, by service or purpose."""
    events = engine.client.api.events(
        since=int(since),
        until=int(time.time()) + 1,
        decode=True,
        filters={"type": "container", "event": "create"},
    )
    names = [event["Actor"]["Attributes"]["name"] for event in events]
    prefix = f"dockerci-{project.root.name}-"
    return {name for name in names if name.startswith(prefix)}


def image_id(output: str) -> str:
    """The id that the run says it has tested."""
    found = re.search(r"\(sha256:([0-9a-f]{12}), ", output)
    assert found is not None, output
    return found[1]


def discover(project: Project) -> IdeRun:
    """Discovery in VS Code, where no engine can be reached."""
    environ = {**project.environ, **NO_ENGINE}
    return discover_in_vscode(project.root, environ, "-p", "no:cacheprovider")


@pytest.mark.soak
def test_a_listing_by_hand(shop: Project, engine: Engine) -> None:
    """The first one builds; the next takes that image as it is; no service is ever started."""
    since = time.time()
    first = shop.run("--collect-only")
    assert first.exit_code == 0, first.output
    assert "<Function test_number[1]>" in first.output
    assert "3 tests collected" in first.output
    shop.write(app_py=APP % 43, tests__test_more_py="def test_more(): pass\n")
    second = shop.run("--collect-only")
    assert image_id(second.output) == image_id(first.output)
    assert "to list, nothing is built; this image is less than a minute old" in second.output
    assert "what it is built from has changed since; `pytest` builds it anew" in second.output
    assert "<Function test_more>" in second.output
    assert "4 tests collected" in second.output
    engine.client.api.remove_image(f"sha256:{image_id(first.output)}", force=True)
    third = shop.run("--collect-only")
    assert "5 tests collected" in third.output
    containers = created(engine, shop, since)
    assert [name for name in containers if "web-test-0" in name]
    assert [name for name in containers if "-db-" in name] == []


@pytest.mark.soak
def test_discovery_asks_no_engine(shop: Project) -> None:
    """Approximate before the first run, exact after it, approximate after a change of the application."""
    before = discover(shop)
    assert before.names() == [NAMES[0].removesuffix(" > [0]"), NAMES[2]]
    assert "dockerci: approximate listing, read from the source: no image is known yet" in before.text
    assert shop.run().counts() == {"passed": 2, "failed": 1}
    after = discover(shop)
    assert after.names() == NAMES
    assert "approximate" not in after.text
    shop.write(app_py=APP % 44)
    changed = discover(shop)
    assert "what the image is built from has changed" in changed.text
    assert changed.names() == NAMES


def test_results_reach_both_ides(shop: Project) -> None:
    """Each result arrives once, and nothing of the adapter is in the container."""
    ids = [
        "tests/test_answer.py::TestAnswer::test_number",
        "tests/test_answer.py::test_nothing_of_the_ide_is_here",
    ]
    run = run_in_vscode(shop.root, shop.environ, ids)
    assert {test_id.rpartition("::")[2]: word for test_id, word in run.results.items()} == {
        "test_number[0]": "success",
        "test_number[1]": "failure",
        "test_nothing_of_the_ide_is_here": "success",
    }, run.text
    messages = [
        (message["service"], message["name"].rpartition(".")[2])
        for message in run_in_pycharm(shop.root, shop.environ, ids).messages
        if message["service"] in ("testFailed", "testFinished")
    ]
    assert messages == [
        ("testFinished", "test_number(0)"),
        ("testFailed", "test_number(1)"),
        ("testFinished", "test_number(1)"),
        ("testFinished", "test_nothing_of_the_ide_is_here"),
    ]
