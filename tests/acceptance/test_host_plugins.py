"""Plugins that only a host may have: what they do by hand they do to the container's tests."""

from __future__ import annotations

import html
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from acceptance.project import Project, Run
from differential.comparison import differences
from differential.terminal_text import comparable_lines, text_differences
from host_venv import make_host_venv
from variants import soak_after

PLUGINS = (
    *("pytest-timeout", "pytest-html", "allure-pytest", "pytest-sugar", "pytest-randomly"),
    *("pytest-github-actions-annotate-failures", "pytest-rerunfailures", "pytest-xdist"),
)
IN_ORDER = ("-p", "no:randomly")

SUITE = """
    import time, warnings
    import pytest
    def test_pass():
        "Passes."
        print("hello out")
    def test_fail():
        print("shown out")
        assert 1 == 2, "message"
    def test_key(): {}["key"]
    class OwnError(Exception): pass
    def test_own(): raise OwnError("its own")
    @pytest.mark.skip(reason="not today")
    def test_skip(): pass
    @pytest.mark.xfail(reason="known")
    def test_xfail(): assert 0
    def test_xfail_within(): pytest.xfail("from here on")
    @pytest.mark.xfail
    def test_xpass(): pass
    @pytest.fixture
    def broken(): raise ValueError("set-up")
    def test_error(broken): pass
    @pytest.fixture
    def late():
        yield
        raise ValueError("tear-down")
    def test_late(late): pass
    @pytest.mark.parametrize("n,m", [(1, "a"), (2, "b")])
    def test_param(n, m): assert n == 1
    class TestGroup:
        def test_slow(self):
            '''Takes time.

            And says so in two lines.
            '''
            time.sleep(0.1)
    def test_warn(): warnings.warn("careful")
    """


def run_without(project: Project, *args: str) -> Run:
    """Run pytest with an image that has none of the plugins that act on tests."""
    return project.run(*args, DOCKERCI_TEST_CONTAINER_PYTHON=sys.executable)


@pytest.fixture(scope="module")
def host_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all the plugins."""
    return make_host_venv(tmp_path_factory.mktemp("plugins") / "venv", *PLUGINS)


@pytest.fixture
def shop(project: Project, host_python: str) -> Project:
    """A suite with every outcome; the host has all the plugins."""
    project.python = host_python
    project.write("tests/test_a.py", SUITE)
    return project


# pytest-sugar


@pytest.mark.soak
def test_sugar(shop: Project) -> None:
    """Its progress, its failures as they come and its counts are those of a run by hand."""
    args = (*IN_ORDER, "--force-sugar", "-p", "no:cacheprovider")
    ours, plain = shop.run(*args), shop.run_plainly(*args)
    places = [str(shop.host), str(shop.image)]
    shown, expected = (comparable_lines(run.text, places) for run in (ours, plain))
    assert text_differences(shown, expected) == []
    ours.must_show("Results (", "5 passed", "1 xpassed", "4 failed", "2 error", "2 xfailed", "1 skipped")
    assert differences(ours, plain, places=places) == []


# pytest-html


def test_html(shop: Project) -> None:
    """The report has each test with outcome, time, captured output, failure and what the host's hooks add."""
    shop.write(
        "conftest.py",
        """
        import pytest, pytest_html
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.extras = [pytest_html.extras.text(f"extra of {item.name}")]
            return report
        """,
    )
    shop.write_image("conftest.py", (shop.host / "conftest.py").read_text())
    args = (*IN_ORDER, "--html=report.html", "--self-contained-html")
    shop.run(*args)
    shop.run_plainly(*args)
    ours, plain = (_html_tests(folder) for folder in (shop.host, shop.image))
    assert ours == plain
    assert len(ours) == 14
    assert ours["tests/test_a.py::test_pass"][0]["extras"]
    assert "hello out" in str(ours["tests/test_a.py::test_pass"])


def _html_tests(folder: Path) -> dict[str, Any]:
    text = (folder / "report.html").read_text()
    found = re.search(r'data-jsonblob="([^"]*)"', text)
    assert found is not None
    data = re.sub("0x[0-9a-f]+", "0x...", html.unescape(found[1])).replace(str(folder), "<root>")
    tests: dict[str, Any] = json.loads(data)["tests"]
    for result in (result for results in tests.values() for result in results):
        assert re.fullmatch(r"\d+ ms|00:00:0\d", result.pop("duration"))
        result["resultsTableRow"] = [cell for cell in result["resultsTableRow"] if "col-duration" not in cell]
    return tests


# allure-pytest


@pytest.mark.soak
def test_allure(shop: Project) -> None:
    """Each result has name, status, details, description, parameters, labels and attachments as by hand."""
    shop.write(
        "tests/test_b.py",
        """
        import allure
        @allure.title("A speaking title")
        @allure.feature("Basket")
        @allure.severity(allure.severity_level.CRITICAL)
        @allure.link("https://shop.example/1", name="ticket")
        @allure.description("At length.")
        def test_described(): pass
        """,
    )
    args = (*IN_ORDER, "--alluredir=allure")
    shop.run(*args)
    shop.run_plainly(*args)
    ours, plain = (_allure_results(folder) for folder in (shop.host, shop.image))
    assert ours == plain
    assert len(ours) == 15
    titled = ours["tests.test_b#test_described []"]
    assert (titled["name"], titled["description"]) == ("A speaking title", "At length.")
    assert ours["tests.test_a#test_key []"]["statusDetails"]["message"] == "KeyError: 'key'"


def _allure_results(folder: Path) -> dict[str, Any]:
    results = {}
    for path in (folder / "allure").glob("*-result.json"):
        result = json.loads(path.read_text().replace(str(folder), "<root>"))
        for name in ("uuid", "start", "stop"):
            assert result.pop(name)
        labels = Counter((label["name"], label["value"]) for label in result.pop("labels"))
        result["labels"] = sorted(
            # The marker is ours; process and thread are of each run.
            label
            for label in labels
            if label != ("tag", "dockerci") and label[0] not in ("host", "thread")
        )
        for attachment in result.get("attachments", ()):
            attachment["source"] = (folder / "allure" / attachment["source"]).read_text()
        values = [parameter["value"] for parameter in result.get("parameters", ())]
        results[f"{result['fullName']} {values}"] = result
    return results


# pytest-github-actions-annotate-failures


@pytest.mark.parametrize(
    "args",
    soak_after(
        1, [(), pytest.param(("--dockerci-workers=2",), marks=pytest.mark.soak), pytest.param(("-n2",))]
    ),
    ids=str,
)
def test_annotations_on_github(shop: Project, args: tuple[str, ...]) -> None:
    """Each failure and warning is one command with the host's path below the workspace, and its line."""
    commands = []
    for run in (shop.run, shop.run_plainly):
        root = shop.host if run == shop.run else shop.image
        done = run(*IN_ORDER, *args, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(root.parent))
        commands.append(sorted(re.findall(r"::(?:error|warning) .*", done.text)))
        args = ()
    assert commands[0] == commands[1]
    assert len(commands[0]) == 5
    assert commands[0][0].startswith("::error file=shop/tests/test_a.py,line=")


# pytest-randomly

SCOPES = """
    import os, pytest
    def note(text):
        with open("trace", "a") as file: file.write(f"{os.environ.get('DOCKERCI_WORKER')} {text}\\n")
    @pytest.fixture(scope="session", autouse=True)
    def session():
        note("+session")
        yield
        note("-session")
    @pytest.fixture(scope="module")
    def module(request):
        note(f"+{request.module.__name__}")
        yield
        note(f"-{request.module.__name__}")
    @pytest.fixture(scope="class")
    def group(request, module):
        note(f"+{request.module.__name__}.group")
        yield
        note(f"-{request.module.__name__}.group")
    """


@pytest.fixture
def scoped(project: Project, host_python: str) -> Project:
    """Three modules whose fixtures leave a trace."""
    project.python = host_python
    project.write("tests/conftest.py", SCOPES)
    for name in "abc":
        functions = "".join(f"def test_{n}(module): pass\n" for n in range(4))
        methods = "".join(f"    def test_{n}(self, group): pass\n" for n in range(3))
        project.write(f"tests/test_{name}.py", f"{functions}class TestGroup:\n{methods}")
    return project


@pytest.mark.parametrize("has_it_there", soak_after(1, [True, False]), ids=["both sides", "host only"])
@pytest.mark.parametrize(
    "args",
    [(), *(pytest.param((option,), marks=pytest.mark.soak) for option in ("--dockerci-workers=2", "-n2"))],
    ids=str,
)
def test_shuffled(scoped: Project, args: tuple[str, ...], *, has_it_there: bool) -> None:
    """A seed means the order that it means by hand; each test runs once, and every fixture ends once."""
    options = ("--randomly-seed=7", "-v", *args)
    run = scoped.run(*options) if has_it_there else run_without(scoped, *options)
    assert run.exit_code == 0, run.text
    assert len(run.outcomes()) == 21
    run.must_show("21 passed")
    trace = (scoped.image / "trace").read_text().splitlines()
    for worker in {line.partition(" ")[0] for line in trace}:
        _check_nesting([line.partition(" ")[2] for line in trace if line.startswith(f"{worker} ")])
    plain = scoped.run_plainly("--randomly-seed=7")
    assert plain.ids() != sorted(plain.ids())
    if "-n2" not in args:
        assert run.ids() == plain.ids()
    if not args:
        assert list(run.outcomes()) == plain.ids()


def _check_nesting(trace: list[str]) -> None:
    """What was set up last is torn down first, and nothing is left."""
    open_ones: list[str] = []
    for line in trace:
        if line[0] == "+":
            open_ones.append(line[1:])
        else:
            assert open_ones.pop() == line[1:]
    assert open_ones == []


@pytest.mark.soak
def test_switches_of_shuffling(scoped: Project) -> None:
    """Without a seed, each run has another order; switched off, it is the order of the files."""
    in_order = scoped.run(*IN_ORDER).ids()
    assert in_order[:2] == ["tests/test_a.py::test_0", "tests/test_a.py::test_1"]
    assert scoped.run("--randomly-dont-reorganize").ids() == in_order
    orders = [run_without(scoped).ids() for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(in_order)
    assert orders[0] != orders[1]
    assert run_without(scoped, "--randomly-seed=last").ids() == orders[1]


@pytest.mark.soak
def test_shuffled_with_reruns(scoped: Project) -> None:
    """A failing test of a shuffled suite is repeated in its place."""
    scoped.write("tests/test_d.py", "def test_bad(): assert 0\ndef test_good(): pass\n")
    for args in ((), ("-n2",)):
        run = run_without(scoped, "--randomly-seed=7", "--reruns=2", *args)
        run.must_show("1 failed, 22 passed, 2 rerun")


# pytest-timeout

HANGING = """
    import time
    import pytest
    def test_before(): pass
    def test_hangs():
        print("on the way")
        time.sleep(60)
    @pytest.fixture
    def slow(): time.sleep(2)
    @pytest.mark.timeout(1)
    def test_slow_fixture(slow): pass
    @pytest.mark.timeout(1, func_only=True)
    def test_function_only(slow): pass
    @pytest.fixture
    def late():
        yield
        time.sleep(60)
    @pytest.mark.timeout(0.5)
    def test_late(late): pass
    @pytest.mark.timeout(0)
    def test_without_limit(): time.sleep(2.5)
    def test_after(): pass
    """
BECAUSE_OF_TIME = {
    "tests/test_a.py::test_before": "passed",
    "tests/test_a.py::test_hangs": "failed",
    "tests/test_a.py::test_slow_fixture": "setup failed",
    "tests/test_a.py::test_function_only": "passed",
    "tests/test_a.py::test_late": "teardown failed",
    "tests/test_a.py::test_without_limit": "passed",
    "tests/test_a.py::test_after": "passed",
}


@pytest.fixture
def hanging(project: Project, host_python: str) -> Project:
    """A suite with tests that hang."""
    project.python = host_python
    project.write("tests/test_a.py", HANGING)
    return project


@pytest.mark.parametrize(
    "args",
    [
        (),
        pytest.param(("--timeout-method=thread",), marks=pytest.mark.soak),
        pytest.param(("--dockerci-workers=2",), marks=pytest.mark.soak),
        pytest.param(("-n2",), marks=pytest.mark.soak),
    ],
    ids=str,
)
def test_time_limits_of_the_host(hanging: Project, args: tuple[str, ...]) -> None:
    """A test that takes longer fails, with the stack of where it hangs; all others run."""
    start = time.monotonic()
    run = run_without(hanging, "--timeout=2", *IN_ORDER, *args)
    assert time.monotonic() - start < 55
    assert run.outcomes() == BECAUSE_OF_TIME
    assert run.exit_code == 1
    text = run.report("test_hangs")["text"]
    assert "Timeout (>2s) from pytest-timeout, in call\nwhat it printed last:\n" in text
    assert f'File "{hanging.host}/tests/test_a.py", line 6 in test_hangs' in text
    assert "_pytest" not in text
    run.must_show("1 failed, 5 passed, 2 errors")


@pytest.mark.soak
def test_time_limits_of_both_sides(hanging: Project) -> None:
    """The container's pytest-timeout ends its tests as by hand, and the fixtures of the others live on."""
    args = ("--timeout=2", *IN_ORDER)
    ours, plain = hanging.run(*args), hanging.run_plainly(*args)
    assert ours.outcomes() == BECAUSE_OF_TIME
    places = [str(hanging.host), str(hanging.image)]
    assert differences(ours, plain, places=places) == []
    ours.must_show("Failed: Timeout (>2.0s) from pytest-timeout.")


@pytest.mark.soak
def test_a_time_limit_in_the_settings(hanging: Project) -> None:
    """The setting acts like the option; a test that is run again has the whole time again."""
    hanging.settings("timeout = 1", "timeout_func_only = true")
    run = run_without(hanging, *IN_ORDER, "--reruns=1", "-k", "hangs or before or after")
    run.must_show(
        "FAILED tests/test_a.py::test_hangs - Timeout (>1s) from pytest-timeout, in call", "1 rerun"
    )


@pytest.mark.soak
def test_code_that_no_timer_interrupts(hanging: Project) -> None:
    """Where the container's pytest-timeout cannot end a test, the agent does, a few seconds later."""
    hanging.write(
        "tests/test_a.py",
        "import signal, time\ndef test_deaf():\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    time.sleep(60)\n"
        "def test_after(): pass\n",
    )
    run = hanging.run("--timeout=0.5", *IN_ORDER)
    assert list(run.outcomes().values()) == ["failed", "passed"]
    run.must_show("Timeout (>5.5s) from pytest-timeout, in call")


@pytest.mark.soak
@pytest.mark.parametrize(
    "args", [(), pytest.param(("--dockerci-workers=2",), marks=pytest.mark.soak)], ids=str
)
def test_the_whole_runs_time(hanging: Project, args: tuple[str, ...]) -> None:
    """`--session-timeout` ends the run after a test; one that hangs in the container by then is nobody's loss."""
    run = run_without(hanging, "--session-timeout=0.1", "--timeout=2", *IN_ORDER, *args)
    assert run.exit_code == 1
    run.must_show("session-timeout: 0.1 sec exceeded", " passed in ")
