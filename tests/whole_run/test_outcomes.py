from __future__ import annotations

import pytest

from variants import soak_after
from whole_run.project import Project

pytestmark = pytest.mark.engine


def test_green(project: Project) -> None:
    """Tests run inside the image, as its user, in its folder, with the testing environment; the host says so."""
    project.write(
        pytest_ini="""\
            [pytest]
            dockerci_service = web
            testpaths = tests
            dockerci_env =
                ENVIRONMENT=testing
                PASSED_ON
                NOT_SET_ON_THE_HOST
            """,
        tests__test_where_py="""\
            import os, pathlib
            import app

            def test_where():
                assert pathlib.Path("/.dockerenv").exists()
                assert os.getcwd() == "/srv/app"
                assert app.__file__ == "/srv/app/app.py"

            def test_environment():
                assert os.environ["ENVIRONMENT"] == "testing"
                assert os.environ["PASSED_ON"] == "from the host"
                assert "NOT_SET_ON_THE_HOST" not in os.environ
                assert os.environ["DOCKERCI"] == "1"
                assert os.environ["DOCKERCI_RUN_ID"]
                assert os.environ["DOCKERCI_WORKER"] == "0"
                assert os.environ["DOCKERCI_WORKER_COUNT"] == "1"
            """,
    )
    outcome = project.run("-v", PASSED_ON="from the host")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.verdicts() == {
        "tests/test_where.py::test_where": "PASSED",
        "tests/test_where.py::test_environment": "PASSED",
    }
    assert "dockerci: image " in outcome.output
    assert "in /srv/app with Python 3" in outcome.output


def test_red(project: Project) -> None:
    """A failure comes with its traceback and the host's path; the exit code is pytest's."""
    project.write(
        tests__test_red_py="import app\n\ndef test_red():\n    print('said')\n    assert app.ANSWER == 43\n"
    )
    outcome = project.run()
    assert outcome.exit_code == 1
    assert "tests/test_red.py:5: AssertionError" in outcome.output
    assert "E       assert 42 == 43" in outcome.output
    assert "Captured stdout call" in outcome.output
    assert outcome.counts() == {"failed": 1}


def test_stop_at_first_failure(project: Project) -> None:
    """`-x` stops the container's work too."""
    project.write(
        tests__test_x_py="""\
            def test_a(): pass
            def test_b(): assert 0
            def test_c(): print("it ran")
            """
    )
    outcome = project.run("-x", "-s")
    assert outcome.exit_code == 1
    assert outcome.counts() == {"failed": 1, "passed": 1}
    assert "it ran" not in outcome.output


def test_edited_test_needs_no_build(project: Project) -> None:
    """The working tree's suite runs, whether the image holds another one or none."""
    project.write(
        Dockerfile="""\
            ARG PYTHON_IMAGE
            FROM ${PYTHON_IMAGE}
            WORKDIR /srv/app
            RUN mkdir tests && echo 'def test_old(): assert 0' > tests/test_edited.py && echo DATA > tests/generated.txt
            """,
        tests__test_edited_py="""\
            import pathlib
            def test_new(): assert pathlib.Path(__file__).with_name("generated.txt").read_text() == "DATA\\n"
            """,
    )
    outcome = project.run("-v")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.verdicts() == {"tests/test_edited.py::test_new": "PASSED"}


def test_collection_error(project: Project) -> None:
    """A module that cannot be imported in the container is a collection error with the container's message."""
    project.write(
        tests__test_import_py="import no_such_module\n", tests__test_good_py="def test_good(): pass\n"
    )
    outcome = project.run()
    assert outcome.exit_code == 2
    assert "ModuleNotFoundError: No module named 'no_such_module'" in outcome.output
    assert "tests/test_import.py:1: in <module>" in outcome.output


def test_crash_costs_one_test(project: Project) -> None:
    """A test that kills its process fails with the cause; all others keep their verdicts."""
    project.write(
        tests__test_crash_py="""\
            import os, signal
            def test_before(): pass
            def test_exit(): os._exit(0)
            def test_between(): pass
            def test_kill(): os.kill(os.getpid(), signal.SIGKILL)
            def test_everything(): os.kill(-1, signal.SIGKILL); os._exit(1)
            def test_after(): pass
            """
    )
    outcome = project.run("-v")
    assert outcome.exit_code == 1, outcome.output
    assert outcome.verdicts() == {
        "tests/test_crash.py::test_before": "PASSED",
        "tests/test_crash.py::test_exit": "FAILED",
        "tests/test_crash.py::test_between": "PASSED",
        "tests/test_crash.py::test_kill": "FAILED",
        "tests/test_crash.py::test_everything": "FAILED",
        "tests/test_crash.py::test_after": "PASSED",
    }
    assert "the Python process ended with exit code 0 (in call)" in outcome.output
    assert "the Python process was killed by SIGKILL (in call)" in outcome.output


@pytest.mark.parametrize("stack", soak_after(1, ["shared", "per-worker"]))
def test_several_workers(project: Project, stack: str) -> None:
    """Every test runs exactly once, in one of the containers; the modules stay together."""
    for module in range(4):
        project.write(
            **{
                f"tests__test_m{module}_py": """\
                    import os, socket, pytest
                    @pytest.mark.parametrize("i", range(25))
                    def test_m(i, record_property): print("at", os.environ["PYTEST_XDIST_WORKER"], socket.gethostname())
                    """
            }
        )
    outcome = project.run("-rP", "--dockerci-workers=2", "-o", f"dockerci_stack={stack}")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 100}
    places = [line.split() for line in outcome.output.splitlines() if line.startswith("at gw")]
    assert len(places) == 100
    assert {worker for _, worker, _ in places} == {"gw0", "gw1"}
    assert len({host for _, _, host in places}) == 2


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_many(project: Project, count: int) -> None:
    """None is lost, and they are reported in order."""
    project.write(
        tests__test_many_py=f"""\
            import pytest
            @pytest.mark.parametrize("i", range({count}))
            def test_n(i): pass
            """
    )
    outcome = project.run("-v")
    assert outcome.exit_code == 0, outcome.output[-3000:]
    assert list(outcome.verdicts().items()) == [
        (f"tests/test_many.py::test_n[{i}]", "PASSED") for i in range(count)
    ]
