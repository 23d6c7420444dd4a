"""How a run ends early: limits, crashes, exits, interruptions; and what is told then."""

from __future__ import annotations

import pytest

from acceptance.plain_run import run_both
from acceptance.project import Project
from variants import soak_after

TRACE = "from pathlib import Path\ndef note(text):\n    with Path('trace').open('a') as f: f.write(text)\n"


def traced(project: Project) -> str:
    """What the tests wrote in the container."""
    path = project.image / "trace"
    return path.read_text() if path.exists() else ""


def test_stop_at_the_first_failure(project: Project) -> None:
    """Under `-x` no later test runs in the container, and session fixtures end."""
    project.write(
        "tests/test_a.py",
        TRACE
        + """
import pytest
@pytest.fixture(scope="session", autouse=True)
def whole():
    note("[")
    yield
    note("]")
def test_1(): note("1")
def test_2(): note("2"); assert 0
def test_3(): note("3")
def test_4(): note("4")
""",
    )
    run = project.run("-x")
    assert run.exit_code == 1
    assert list(run.outcomes().values()) == ["passed", "failed"]
    assert traced(project) == "[12]"
    run.must_show("stopping after 1 failures", "1 failed, 1 passed")


@pytest.mark.soak
def test_stop_after_some_failures(project: Project) -> None:
    """`--maxfail` counts set-up and teardown errors as pytest does."""
    project.write(
        "tests/test_a.py",
        """
        import pytest
        @pytest.fixture
        def bad(): raise ValueError
        @pytest.fixture
        def late():
            yield
            raise ValueError
        def test_1(bad): pass
        def test_2(late): pass
        def test_3(): assert 0
        def test_4(): pass
        """,
    )
    run = run_both(project, "--maxfail=2")
    assert list(run.outcomes().values()) == ["setup failed", "teardown failed"]


@pytest.mark.soak
def test_an_error_of_a_teardown_under_x(project: Project) -> None:
    """A failing module teardown stops the run there as well."""
    project.write(
        "tests/test_a.py",
        "import pytest\n@pytest.fixture(scope='module', autouse=True)\ndef m():\n    yield\n    raise ValueError\n"
        "def test_1(): pass\ndef test_2(): pass\n",
    )
    project.write("tests/test_b.py", "def test_3(): pass\n")
    run = run_both(project, "-x")
    assert "tests/test_b.py::test_3" not in run.outcomes()


def test_fixtures_of_every_scope_are_set_up_and_torn_down_as_by_hand(project: Project) -> None:
    """Across modules and classes, each fixture ends at the same point; session fixtures end once, at the end."""
    fixtures = (
        TRACE
        + "import pytest\n"
        + "".join(
            f"@pytest.fixture(scope='{scope}', autouse=True)\n"
            f"def f_{scope}():\n    note('<{scope}')\n    yield\n    note('{scope}>')\n"
            for scope in ("session", "package", "module", "class", "function")
        )
    )
    project.write("tests/conftest.py", fixtures)
    project.write(
        "tests/test_a.py",
        "class TestA:\n    def test_1(self): pass\n    def test_2(self): assert 0\n"
        "class TestB:\n    def test_3(self): pass\n",
    )
    project.write("tests/sub/__init__.py", "")
    project.write("tests/sub/test_b.py", "def test_4(): pass\ndef test_5(): pass\n")
    project.run()
    ours = traced(project)
    (project.image / "trace").unlink()
    project.run_plainly()
    assert ours == traced(project)
    assert ours.count("session>") == 1


def test_session_fixtures_outlive_host_tests_in_between(project: Project) -> None:
    """A host test between container tests ends module fixtures of the container, not its session fixtures."""
    project.settings("dockerci_suite = tests_a tests_b", suite="tests_a host tests_b")
    for name in ("a", "b"):
        project.write(f"tests_{name}/test_{name}.py", f"def test_{name}(whole): pass\n")
        project.write(
            f"tests_{name}/conftest.py",
            TRACE + "import pytest\n@pytest.fixture(scope='session')\n"
            "def whole():\n    note('<')\n    yield\n    note('>')\n",
        )
    project.write(
        "host/test_host.py", f"def test_host(): open({str(project.image / 'trace')!r}, 'a').write('host')\n"
    )
    run = project.run()
    assert run.exit_code == 0
    assert traced(project) == "<host<>>"


@pytest.mark.parametrize(
    ("death", "cause"),
    soak_after(
        1,
        [
            ("os._exit(0)", "the Python process ended with exit code 0 (in call)"),
            ("os._exit(3)", "the Python process ended with exit code 3 (in call)"),
            ("os.kill(os.getpid(), signal.SIGSEGV)", "the Python process was killed by SIGSEGV (in call)"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "the Python process was killed by SIGKILL (in call)"),
        ],
    ),
)
def test_a_crash_costs_one_test(project: Project, death: str, cause: str) -> None:
    """The test that died is red with the cause; all others keep their verdict; the run is red."""
    project.write(
        "tests/test_a.py",
        f"import os, signal\ndef test_1(): pass\ndef test_2(): {death}\ndef test_3(): pass\ndef test_4(): assert 0\n",
    )
    run = project.run()
    assert list(run.outcomes().values()) == ["passed", "failed", "passed", "failed"]
    assert run.exit_code == 1
    run.must_show("test_2", cause)


@pytest.mark.soak
def test_crashes_in_setup_and_teardown(project: Project) -> None:
    """The phase in which the process died is the one that is red."""
    project.write(
        "tests/test_a.py",
        """
        import os, pytest
        @pytest.fixture
        def early(): os._exit(4)
        @pytest.fixture
        def late():
            yield
            os._exit(5)
        def test_1(early): pass
        def test_2(late): pass
        def test_3(): pass
        """,
    )
    run = project.run()
    assert list(run.outcomes().values()) == ["setup failed", "teardown failed", "passed"]
    run.must_show("exit code 4 (in setup)", "exit code 5 (in teardown)")


@pytest.mark.soak
def test_every_test_crashes(project: Project) -> None:
    """Each of many crashes costs its own test only."""
    project.write(
        "tests/test_a.py",
        "import os, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_n(n):\n    if n % 2 == 0: os._exit(1)\n",
    )
    run = project.run()
    assert list(run.outcomes().values()) == ["failed", "passed"] * 3


@pytest.mark.soak
def test_a_crash_under_x(project: Project) -> None:
    """A crash is a failure: `-x` stops there."""
    project.write("tests/test_a.py", "import os\ndef test_1(): os._exit(1)\ndef test_2(): pass\n")
    run = project.run("-x")
    assert list(run.outcomes().values()) == ["failed"]
    assert run.exit_code == 1


def test_a_test_that_takes_too_long(project: Project) -> None:
    """The limit of a phase is enforced from outside, and says where the test was."""
    project.settings("dockerci_test_timeout_seconds = 1")
    project.write(
        "tests/test_a.py",
        "import time\ndef test_1(): pass\ndef test_2(): time.sleep(60)\ndef test_3(): pass\n",
    )
    run = project.run()
    assert list(run.outcomes().values()) == ["passed", "failed", "passed"]
    run.must_show("timed out after 1 s in call", "in test_2")


def test_pytest_exit_in_a_test(project: Project) -> None:
    """`pytest.exit` ends the run with its reason and status, as by hand; later tests do not run."""
    project.write(
        "tests/test_a.py",
        TRACE + "import pytest\ndef test_1(): pass\ndef test_2(): pytest.exit('enough', returncode=42)\n"
        "def test_3(): note('3')\n",
    )
    run = project.run()
    assert run.exit_code == 42
    run.must_show("enough")
    assert traced(project) == ""


def test_a_keyboard_interrupt_raised_by_a_test(project: Project) -> None:
    """Raised in the container it interrupts the run: exit code 2."""
    project.write(
        "tests/test_a.py", TRACE + "def test_1(): raise KeyboardInterrupt\ndef test_2(): note('2')\n"
    )
    run = project.run()
    assert run.exit_code == 2
    run.must_show("KeyboardInterrupt")
    assert traced(project) == ""


@pytest.mark.parametrize("kind", soak_after(1, ["shouldstop", "shouldfail"]))
def test_a_plugin_of_the_container_that_stops_the_session(project: Project, kind: str) -> None:
    """The wish of the suite's conftest.py to stop is the run's."""
    project.write(
        "tests/conftest.py",
        f"""
        def pytest_runtest_logreport(report):
            if report.when == "call" and "test_2" in report.nodeid:
                SESSION.{kind} = "seen enough"
        def pytest_sessionstart(session):
            global SESSION
            SESSION = session
        """,
    )
    project.write("tests/test_a.py", "def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass\n")
    run = project.run()
    assert list(run.outcomes().values()) == ["passed", "passed"]
    assert run.exit_code == (2 if kind == "shouldstop" else 1)
    run.must_show("seen enough")


@pytest.mark.soak
def test_an_error_in_the_containers_session_end(project: Project) -> None:
    """A hook of the suite that fails after the last test is not a green run."""
    project.write("tests/conftest.py", "def pytest_sessionfinish(): raise RuntimeError('late plugin bug')\n")
    project.write("tests/test_a.py", "def test_1(): pass\n")
    run = project.run()
    assert run.exit_code != 0
    run.must_show("late plugin bug")


@pytest.mark.soak
def test_a_crash_in_the_containers_session_end(project: Project) -> None:
    """A process that dies after its last test did not prove that it was done: exit code 7."""
    project.write("tests/conftest.py", "import os\ndef pytest_unconfigure(): os._exit(0)\n")
    project.write("tests/test_a.py", "def test_1(): pass\n")
    run = project.run()
    assert run.exit_code == 7
    run.must_show("container 0 did not end its session in good order")


@pytest.mark.soak
def test_an_internal_error_while_a_test_runs(project: Project) -> None:
    """A hook of the suite that raises in the middle is told with its traceback, and the run is not green."""
    project.write(
        "tests/conftest.py",
        "def pytest_runtest_logreport(report):\n    if 'test_2' in report.nodeid: raise RuntimeError('hook bug')\n",
    )
    project.write("tests/test_a.py", "def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass\n")
    run = project.run()
    assert run.exit_code not in (0, 5)
    run.must_show("hook bug")
    assert next(iter(run.outcomes())) == "tests/test_a.py::test_1"
