"""The short way that plain passes are reported is only taken where nobody can see a difference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from acceptance.project import Project

SUITE = """
    import pytest
    def test_one(): pass
    @pytest.mark.parametrize("n", [1, 2])
    def test_some(n): pass
    def test_prints(): print("shown")
    class TestClass:
        def test_first(self): pass
        def test_second(self, record_property): record_property("a", 1)
        def test_fails(self): pytest.fail("on purpose", pytrace=False)
        def test_third(self): pass
    def test_last(): pass
    """
# Writes what it is told of each test, and whether `plain_pass` told it; the results of the two after the first have
# come before that one is reported.
WATCH = """
    import json, sys, time
    def pytest_configure(config):
        global containers
        containers = lambda: config.pluginmanager.get_plugin("dockerci-run").run.containers
    def pytest_runtest_logreport(report):
        deadline = time.monotonic() + 30
        while not containers().taken - {0} and not containers().agent_of(2).has_plain_pass(2):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        frame, names = sys._getframe(), set()
        while frame is not None:
            names.add(frame.f_globals.get("__name__"))
            frame = frame.f_back
        said = {name: value for name, value in vars(report).items() if name not in ("duration", "start", "stop")}
        said["dockerci_from_container"] = report.dockerci_from_container
        with open("watched.jsonl", "a") as file:
            row = [report.nodeid, "pytest_dockerci.plain_pass" in names, repr(sorted(said.items()))]
            file.write(json.dumps(row) + "\\n")
    """
SHORT = {"test_some[1]", "test_some[2]"}


@pytest.fixture
def watched(project: Project) -> Project:
    """A suite, and a plugin that writes what it is told."""
    project.write("tests/test_a.py", SUITE)
    project.write("watch.py", WATCH)
    return project


def said(project: Project, *args: str) -> tuple[list[Any], set[str]]:
    """What was said of each phase of each test, in order, and which tests went the short way."""
    log = project.host / "watched.jsonl"
    log.unlink(missing_ok=True)
    project.run("-p", "watch", *args)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    short = {nodeid.partition("::")[2] for nodeid, is_short, _ in rows if is_short}
    return [[nodeid, text] for nodeid, _, text in rows], short


def test_the_same_is_said(watched: Project) -> None:
    """By the short way as by pytest's own protocol: same reports, in the same order."""
    by_short_way, short = said(watched)
    assert short == SHORT
    watched.write("between.py", "def pytest_runtest_call(item): pass\n")
    by_protocol, short = said(watched, "-p", "between")
    assert short == set()
    assert by_short_way == by_protocol


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_runtest_setup(item): pass",
        "def pytest_runtest_teardown(item): pass",
        "def pytest_runtest_makereport(item, call): pass",
        "def pytest_runtest_protocol(item): pass",
    ],
)
def test_whoever_looks_between_the_phases(watched: Project, hook: str) -> None:
    """Gets to see all of them."""
    watched.write("between.py", f"{hook}\n")
    assert said(watched, "-p", "between")[1] == set()


def test_whoever_stands_around_it(watched: Project) -> None:
    """A wrapper of the protocol still surrounds each test."""
    watched.write(
        "around.py",
        "import pytest\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_protocol(item):\n"
        "    with open('around.txt', 'a') as file: file.write(item.name + '\\n')\n"
        "    return (yield)\n",
    )
    _, short = said(watched, "-p", "around")
    assert short == SHORT
    names = (watched.host / "around.txt").read_text().split()
    assert names == [
        *("test_one", "test_some[1]", "test_some[2]", "test_prints", "test_first", "test_second"),
        *("test_fails", "test_third", "test_last"),
    ]
