"""pytest-xdist on the host: its workers drive one container each, and nothing else is different."""

from __future__ import annotations

import re
from typing import Any

import pytest

from acceptance.project import Project, Run
from acceptance.test_workers import NOTE, shop, traced  # noqa: F401 - the suite that several workers share
from differential.comparison import without_variable

MIXED = """
    import os, warnings
    import pytest
    @pytest.mark.parametrize("n", range(4))
    def test_n(n):
        print("worker", os.environ["PYTEST_XDIST_WORKER_COUNT"])
        assert n != 2
    def test_built_in_warning(): warnings.warn("old", DeprecationWarning)
    def test_skip(): pytest.skip("no")
    @pytest.mark.xfail
    def test_xfail(): assert 0
    @pytest.mark.xfail(strict=True)
    def test_xpass(): pass
    @pytest.fixture
    def broken():
        yield
        raise ValueError("tear-down")
    def test_teardown(broken, record_property): record_property("key", 7)
    def test_subtests(subtests):
        with subtests.test("first", number=1, text="a b"): assert 0
        with subtests.test("second"): pass
    class TestGroup:
        @pytest.mark.xdist_group("together")
        def test_in_group(self): pass
    """


def run_both(project: Project, *args: str) -> Run:
    """Run the suite by pytest-xdist both ways, expect the same, return our run; in which order tests run is open."""
    ours = project.run(*args)
    plain = project.run_plainly(*args)
    assert ours.exit_code == plain.exit_code, ours.text
    assert _all(project, ours, "test") == _all(project, plain, "test")
    assert _all(project, ours, "collect") == _all(project, plain, "collect")
    assert sorted(map(str, ours.of_kind("warning"))) == sorted(map(str, plain.of_kind("warning")))
    assert _subtests(ours) == _subtests(plain)
    return ours


def _subtests(run: Run) -> list[str]:
    """How subtests are called at the end."""
    return sorted(line for line in run.text.splitlines() if line.startswith("SUBFAIL"))


def _lasting(event: dict[str, Any]) -> dict[str, Any]:
    """An event without its times, and without the mark that only our run has."""
    kept = {name: value for name, value in event.items() if name not in ("duration", "start", "stop")}
    if "keywords" in kept:
        kept["keywords"] = [keyword for keyword in kept["keywords"] if keyword != "dockerci"]
    return kept


def _all(project: Project, run: Run, kind: str) -> list[dict[str, Any]]:
    places = [str(project.host), str(project.image)]
    events: list[dict[str, Any]] = without_variable([_lasting(event) for event in run.of_kind(kind)], places)
    for event in events:
        event["text"] = re.sub(r"^\[gw\d\]", "[gw]", event["text"])  # which worker ran it is open
    return sorted(events, key=str)


@pytest.mark.parametrize(
    "dist", ["load", *(pytest.param(dist, marks=pytest.mark.soak) for dist in ("loadgroup", "each"))]
)
def test_the_same_as_in_the_image(project: Project, dist: str) -> None:
    """Outcomes, sections, texts, warnings and the exit code are those of pytest-xdist in the image."""
    for module in "ab":
        project.write(f"tests/test_{module}.py", MIXED)
    run = run_both(project, "-n2", f"--dist={dist}")
    run.must_show("dockerci: the suite runs inside 2 containers", "workers [22 items]")
    assert run.text.count("dockerci: the suite runs") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n2", "--dist=loadscope"],
        pytest.param(["-n3", "--dist=worksteal"], marks=pytest.mark.soak),
        pytest.param(["-nauto", "--maxprocesses=2", "--dist=loadfile"], marks=pytest.mark.soak),
    ],
)
def test_each_test_runs_exactly_once(shop: Project, arguments: list[str]) -> None:  # noqa: F811 - a fixture
    """No test is lost, none is run twice, every worker has a container of its own."""
    run = shop.run(*arguments)
    assert run.exit_code == 0
    run.must_show("30 passed")
    assert sorted(name for _, name in traced(shop)) == sorted(
        f"{module}{n}" for module in "abcdef" for n in range(5)
    )
    assert len({worker for worker, _ in traced(shop)}) == (3 if "-n3" in arguments else 2)


@pytest.mark.soak
def test_the_agent_does_not_run_ahead(shop: Project) -> None:  # noqa: F811
    """A test that its controller has not handed out is not run: after `-x` none follows in that worker."""
    shop.write(
        "tests/test_a.py",
        "def test_a0(trace):\n    trace('a0')\n    assert 0\ndef test_a1(trace): trace('a1')\n",
    )
    run = shop.run("-n1", "-x", "--dist=loadfile")
    assert run.exit_code == 2
    assert traced(shop)[-1] == ("0", "a0")
    assert len(run.outcomes()) == len(traced(shop))


@pytest.mark.soak
def test_the_workers_know_their_numbers(project: Project) -> None:
    """The container's pytest sees what a worker of pytest-xdist sees."""
    project.write(
        "tests/test_a.py",
        "import os\ndef test_a():\n"
        "    assert os.environ['PYTEST_XDIST_WORKER'] == 'gw' + os.environ['DOCKERCI_WORKER']\n"
        "    assert os.environ['PYTEST_XDIST_WORKER_COUNT'] == '2'\n"
        "    assert os.environ['PYTEST_XDIST_TESTRUNUID'] == 'mine'\n",
    )
    assert project.run("-n2", "--testrunuid=mine").exit_code == 0


@pytest.mark.soak
def test_session_fixtures_end_once_in_each_worker(shop: Project) -> None:  # noqa: F811
    """The last test of a worker is known as such, whoever else has tests left."""
    shop.write(
        "tests/conftest.py",
        NOTE + "import pytest\n@pytest.fixture\ndef trace(): return note\n"
        "@pytest.fixture(scope='session', autouse=True)\ndef whole():\n    note('up')\n    yield\n    note('down')\n"
        "@pytest.fixture(scope='module', autouse=True)\ndef part(request):\n"
        "    note('M' + request.path.stem)\n    yield\n    note('m' + request.path.stem)\n",
    )
    assert shop.run("-n2", "--dist=loadfile").exit_code == 0
    for worker in "01":
        mine = [name for by, name in traced(shop) if by == worker]
        assert (mine[0], mine[-1], mine.count("up"), mine.count("down")) == ("up", "down", 1, 1)
    modules = [name for _, name in traced(shop) if name[0] in "Mm"]
    assert sorted(modules) == sorted(f"{mark}test_{module}" for mark in "Mm" for module in "abcdef")


@pytest.mark.soak
def test_a_warning_of_a_class_that_only_the_suite_has(project: Project) -> None:
    """It arrives under its name; the controller does not import the suite for it."""
    project.write(
        "tests/test_a.py",
        "import warnings\nclass OwnWarning(UserWarning): pass\n"
        "def test_own(): warnings.warn(OwnWarning('ours'))\n",
    )
    run = project.run("-n2")
    assert run.exit_code == 0
    assert [(event["category"], event["text"]) for event in run.of_kind("warning")] == [
        ("OwnWarning", "ours")
    ]


@pytest.mark.soak
def test_no_distribution(shop: Project) -> None:  # noqa: F811
    """`-n 0` is a run without pytest-xdist; there, containers may share the suite."""
    run = shop.run("-n0", "--dockerci-workers=2")
    assert run.exit_code == 0
    run.must_show("inside 2 containers", "30 passed")
    assert "workers [" not in run.text


def test_two_ways_to_share_at_once(shop: Project) -> None:  # noqa: F811
    """`dockerci_workers` and `-n` together are refused before anything is started."""
    run = shop.run("-n2", "--dockerci-workers=3")
    assert run.exit_code == 4
    run.must_show(
        "dockerci_workers = 3 cannot be combined with pytest-xdist's -n", "try: keep one of the two"
    )
    assert not shop.was_started


@pytest.mark.soak
def test_collecting_only(shop: Project) -> None:  # noqa: F811
    """As with pytest-xdist alone, nothing is distributed."""
    run = shop.run("-n2", "--collect-only", "-q")
    assert run.exit_code == 0
    assert len(run.ids()) == 30


@pytest.mark.soak
def test_a_crash_in_the_container_costs_one_test(shop: Project) -> None:  # noqa: F811
    """The container's Python is replaced; pytest-xdist's worker stays."""
    shop.write(
        "tests/test_c.py", "import os\ndef test_c0(): pass\ndef test_c1(): os._exit(1)\ndef test_c2(): pass\n"
    )
    run = shop.run("-n2")
    assert run.exit_code == 1
    assert [nodeid for nodeid, word in run.outcomes().items() if word != "passed"] == [
        "tests/test_c.py::test_c1"
    ]
    run.must_show("1 failed, 27 passed")
    assert "replacing crashed worker" not in run.text


def test_a_crash_of_a_worker_on_the_host(shop: Project) -> None:  # noqa: F811
    """pytest-xdist replaces its worker, which gets the container of the one before; each test is run once."""
    shop.settings("dockerci_suite = tests", suite="tests host")
    shop.write("host/test_host.py", "import os\ndef test_host(): os._exit(9)\n")
    run = shop.run("-n2")
    assert run.exit_code == 1
    run.must_show("replacing crashed worker gw", "crashed while running 'host/test_host.py::test_host'")
    run.must_show("1 failed, 30 passed")
    names = [name for _, name in traced(shop)]
    assert len(names) == len(set(names)) == 30
    assert {worker for worker, _ in traced(shop)} <= {"0", "1"}


@pytest.mark.soak
def test_host_tests_are_distributed_as_well(shop: Project) -> None:  # noqa: F811
    """They run in pytest-xdist's workers, with the container of their worker."""
    shop.settings("dockerci_suite = tests", suite="host tests")
    shop.write(
        "host/test_host.py",
        "import os\nimport pytest\n"
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_host(n, dockerci_container, worker_id):\n"
        "    assert dockerci_container.name == 'local-test-' + worker_id[2:]\n",
    )
    run = shop.run("-n2")
    assert run.exit_code == 0
    run.must_show("34 passed")


@pytest.mark.soak
def test_only_host_tests(shop: Project) -> None:  # noqa: F811
    """Nothing is started, unless a fixture asks for it."""
    shop.settings("dockerci_suite = tests", suite="host tests")
    shop.write("host/test_host.py", "def test_one(): pass\ndef test_two(): pass\n")
    assert shop.run("-n2", "host").exit_code == 0
    assert not shop.was_started
    shop.write("host/test_host.py", "def test_one(dockerci_container): pass\ndef test_two(): pass\n")
    run = shop.run("-n2", "host")
    assert run.exit_code == 0
    run.must_show("dockerci: image local:test")
    assert shop.was_started


def test_an_environment_that_does_not_come_up(shop: Project) -> None:  # noqa: F811
    """One error, exit code 6, reports are written; no worker is started."""
    run = shop.run("-n2", "--junitxml=report.xml", DOCKERCI_TEST_START_FAILURE="no such engine")
    assert run.exit_code == 6
    run.must_show("no such engine", "why: the test said so", "ERROR dockerci::environment", "1 error in")
    assert 'errors="1"' in (shop.host / "report.xml").read_text()
    assert run.text.count("why: the test said so") == 1
    assert "[gw0]" not in run.text


@pytest.mark.soak
def test_a_fixture_whose_environment_does_not_come_up(shop: Project) -> None:  # noqa: F811
    """The test that asks for it has the error, and the exit code is that of the environment."""
    shop.settings("dockerci_suite = tests", suite="host tests")
    shop.write("host/test_host.py", "def test_one(dockerci_container): pass\ndef test_two(): pass\n")
    run = shop.run("-n2", "host", DOCKERCI_TEST_START_FAILURE="no such engine")
    assert run.exit_code == 6
    run.must_show("not run: no such engine", "1 passed, 1 error")


@pytest.mark.soak
def test_services_that_are_not_ready(shop: Project) -> None:  # noqa: F811
    """Every test of the container says why it was not run; exit code 6."""
    run = shop.run("-n2", DOCKERCI_TEST_READY_FAILURE="the database sleeps")
    assert run.exit_code == 6
    assert set(run.outcomes().values()) == {"setup failed"}, run.text
    assert len(run.outcomes()) == 30
    run.must_show("not run: the database sleeps", "30 errors")


@pytest.mark.soak
def test_a_command_line_that_the_container_refuses(shop: Project) -> None:  # noqa: F811
    """One error with the words of the container's pytest, and its exit code."""
    shop.write("tests/conftest.py", "raise RuntimeError('not today')\n")
    alone = shop.run()
    run = shop.run("-n2")
    assert run.exit_code == alone.exit_code
    run.must_show("RuntimeError: not today", "1 error in")


@pytest.mark.soak
def test_an_error_during_collection(project: Project) -> None:
    """As pytest-xdist in the image: the error is shown once, and the other tests run."""
    project.write("tests/test_a.py", "import nowhere\n")
    project.write("tests/test_b.py", "def test_b(): pass\ndef test_c(): pass\n")
    run_both(project, "-n2")


@pytest.mark.soak
def test_leftovers(shop: Project) -> None:  # noqa: F811
    """The controller alone cleans up, and says what it could not remove."""
    run = shop.run("-n2", DOCKERCI_TEST_LEFTOVERS="volume-of-ours")
    assert run.exit_code == 9
    run.must_show("dockerci: clean-up incomplete", "volume-of-ours", "30 passed")
    assert run.text.count("volume-of-ours") == 1


@pytest.mark.soak
def test_reruns(project: Project) -> None:
    """A failed test is repeated in its container, with fresh fixtures."""
    project.write(
        "tests/test_a.py",
        "from pathlib import Path\nimport pytest\n"
        "@pytest.fixture\ndef fresh(): return []\n"
        "def test_flaky(fresh):\n    fresh.append(1)\n    assert fresh == [1]\n    if not Path('tried').exists():\n"
        "        Path('tried').touch()\n        assert 0\n",
    )
    project.write("tests/test_b.py", "def test_b(): pass\ndef test_c(): assert 0\n")
    run = project.run("-n2", "--reruns=2")
    assert run.exit_code == 1
    run.must_show("1 failed, 2 passed, 3 rerun")


def test_workers_elsewhere(shop: Project) -> None:  # noqa: F811
    """A worker on another machine cannot drive the containers of this one."""
    run = shop.run("--dist=load", "--tx=2*popen", "--tx=socket=127.0.0.1:1")
    assert run.exit_code == 4
    run.must_show("socket=127.0.0.1:1 is not a process of this machine", "try: -n NUMBER")
    assert not shop.was_started
