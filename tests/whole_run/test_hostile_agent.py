"""A container that lies about its tests, in frames that are as good as the agent's own: nothing of it turns green."""

from __future__ import annotations

import re

import pytest

from variants import soak_after
from whole_run.project import Project

pytestmark = pytest.mark.engine

# What a test of this suite can reach: the worker's channel, and the pipe of its supervisor to the host.
CONFTEST = """
import contextlib, gc, os, struct, sys, zlib

def worker():
    return next(each for each in gc.get_objects() if type(each).__name__ == "WorkerChannel")

def say(payload):
    worker().send_payload(payload)

def note(row):
    next(each for each in gc.get_objects() if type(each).__name__ == "WorkerMemory").add_passed(row)

def shout(payload, number):
    numbers = struct.pack(">III", len(payload), number, zlib.crc32(payload))
    frame = numbers + struct.pack(">I", zlib.crc32(numbers)) + payload
    folder = "/proc/%d/fd" % os.getppid()
    for descriptor in os.listdir(folder):
        if "pipe" in os.readlink(os.path.join(folder, descriptor)):
            with contextlib.suppress(OSError), open(os.path.join(folder, descriptor), "wb", buffering=0) as pipe:
                pipe.write(frame)
"""
SUITE = """
from conftest import note, say, shout
def test_lies(): {lie}
def test_between(): pass
def test_next(): assert {holds}
def test_after(): pass
"""
PASSED = b'["Passed",{"rows":[[2,1.0,0.0,0.0,0.0]]}]'
TWICE = b'["Passed",{"rows":[[0,1.0,0.0,0.0,0.0]]}]'
FINISHED = b'["Finished",{"exit_status":0,"received":4,"reported":4}]'
# What is said, whether the test of which a lie may speak passes, the exit code, and what the run says of it.
LIES = (
    pytest.param(f"say({PASSED!r})", False, 1, "a report on test 2, which was not due", id="a later test"),
    pytest.param(f"say({TWICE!r})", True, 7, "a report on test 0, which was not due", id="its own twice"),
    pytest.param(
        "note((2, 1.0, 0, 0, 0))", False, 1, "a report on test 2, which was not due", id="a later note"
    ),
    pytest.param(
        "note((0, 1.0, 0, 0, 0))", True, 7, "a report on test 0, which was not due", id="its own note twice"
    ),
    pytest.param(f"[shout({PASSED!r}, n) for n in range(99)]", False, 1, "was due", id="past the supervisor"),
    pytest.param(f"say({FINISHED!r})", True, 1, "it goes on after its end frame", id="an early end"),
    pytest.param(
        "note((float('nan'), 1.0, 0, 0, 0))", True, 1, "NaN is not JSON", id="a note that is no number"
    ),
    pytest.param(
        'say(b\'["Done",{"index":99}]\')', True, 1, "a report on test 99, which was not due", id="unknown"
    ),
    pytest.param(
        "say(b'\\x80\\x04\\x95cposix\\nsystem\\n.')", True, 1, "a payload is not JSON", id="a pickle"
    ),
    pytest.param(
        'say(b\'["os.system",{"command":"true"}]\')', True, 1, "unknown message 'os.system'", id="a call"
    ),
    pytest.param(
        'say(b\'["Run",{"indices":[2],"then":-1}]\')', True, 1, "is not for the host", id="the host's"
    ),
)


@pytest.mark.parametrize(("lie", "holds", "exit_code", "why"), soak_after(6, LIES))
def test_a_lie(project: Project, lie: str, holds: bool, exit_code: int, why: str) -> None:  # noqa: FBT001
    """The lying test is blamed, or the run is not proved; the others keep their own verdicts."""
    project.write(tests__conftest_py=CONFTEST, tests__test_lies_py=SUITE.format(lie=lie, holds=holds))
    outcome = project.run("-rA")
    assert outcome.exit_code == exit_code, outcome.output
    # What a lie prints comes among the dots.
    summed_up = re.findall(r"^(PASSED|FAILED) (\S+)", outcome.output, re.MULTILINE)
    assert {name: verdict for verdict, name in summed_up} == {
        "tests/test_lies.py::test_lies": "FAILED" if exit_code == 1 else "PASSED",
        "tests/test_lies.py::test_between": "PASSED",
        "tests/test_lies.py::test_next": "PASSED" if holds else "FAILED",
        "tests/test_lies.py::test_after": "PASSED",
    }, outcome.output
    assert why in outcome.output
    assert "Traceback (most recent call last)" not in outcome.output


def test_a_liar_that_runs_on(project: Project) -> None:
    """Its supervisor is stopped while it lies and passes its test: nothing that it noted since counts."""
    project.write(
        pytest_ini="""
        [pytest]
        dockerci_service = web
        testpaths = tests/test_lies.py host
        dockerci_suite = tests
        """,
        host__test_host_py="def test_host(): pass",
        tests__conftest_py=CONFTEST,
        tests__test_lies_py="""
        import os, signal, subprocess, sys
        from conftest import say
        def test_lies():
            # Woken up when the test has long passed, and its process waits for what comes next.
            program = "import os, signal, time; time.sleep(1); os.kill(%d, signal.SIGCONT)" % os.getppid()
            subprocess.Popen([sys.executable, "-c", program])
            os.kill(os.getppid(), signal.SIGSTOP)
            say(b"what is this")
        """,
    )
    outcome = project.run("-v")
    assert outcome.verdicts() == {
        "tests/test_lies.py::test_lies": "FAILED",
        "host/test_host.py::test_host": "PASSED",
    }, outcome.output
    assert outcome.exit_code == 1


def test_a_lie_in_a_tear_down(project: Project) -> None:
    """What the test has passed by then is a liar's word as well."""
    project.write(
        tests__conftest_py=CONFTEST,
        tests__test_lies_py="""
        import pytest, time
        from conftest import say
        @pytest.fixture
        def late():
            yield
            say(b"what is this")
            time.sleep(1)
        def test_lies(late): pass
        def test_next(): pass
        """,
    )
    outcome = project.run("-v")
    assert outcome.verdicts() == {
        "tests/test_lies.py::test_lies": "FAILED",
        "tests/test_lies.py::test_next": "PASSED",
    }, outcome.output
    assert outcome.exit_code == 1


def test_a_worker_that_dies_while_it_has_nothing_to_do(project: Project) -> None:
    """No test can be blamed, all pass in another worker, and the run is not proved."""
    project.write(
        pytest_ini="""
        [pytest]
        dockerci_service = web
        testpaths = tests/test_first.py host tests/test_second.py
        dockerci_suite = tests
        """,
        tests__test_first_py="""
        import os, pathlib, threading, time
        def die_when_asked():
            while not pathlib.Path("/tmp/die").exists():
                time.sleep(0.05)
            os._exit(3)
        def test_first(): threading.Thread(target=die_when_asked, daemon=True).start()
        """,
        host__test_host_py="""
        import time
        def test_host(dockerci_container):
            dockerci_container.exec(["touch", "/tmp/die"])
            time.sleep(2)
        """,
        tests__test_second_py="def test_second(): pass\n",
    )
    outcome = project.run("-v")
    assert outcome.exit_code == 7, outcome.output
    assert list(outcome.verdicts().values()) == ["PASSED"] * 3
    assert (
        "the run is not proved to be green\n"
        "  why: container 0: the Python process ended with exit code 3; it was replaced, "
        "and no test can be blamed for it\n" in outcome.output
    )
