"""Reports and plugins of the host work on the container's tests: what they show, write and repeat."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from acceptance.plain_run import run_both
from acceptance.project import Project


def test_the_traceback_shows_host_paths(project: Project) -> None:
    """Short and long tracebacks, native ones and the summary name the files that the user edits."""
    project.write("tests/test_a.py", "from helper import check\ndef test_a():\n    check(1)\n")
    project.write_image("helper.py", "def check(n):\n    assert n == 2\n")
    project.write("helper.py", "def check(n):\n    assert n == 2\n")
    run = project.run()
    run.must_show(
        "tests/test_a.py:3: ",
        "helper.py:2: AssertionError",
        "FAILED tests/test_a.py::test_a - AssertionError",
    )
    native = project.run("--tb=native")
    native.must_show(f'File "{project.host}/tests/test_a.py", line 3, in test_a')
    line = project.run("--tb=line")
    line.must_show(f"{project.host}/helper.py:2: AssertionError")
    for each in (run, native, line):
        assert str(project.image) not in each.text.split("collected 1 item")[1]


def test_a_file_that_only_the_image_has_keeps_its_path(project: Project) -> None:
    """A container path without a file on the host is shown as it is."""
    project.write_image("baked.py", "def check():\n    raise ValueError('baked in')\n")
    project.write("tests/test_a.py", "import baked\ndef test_a(): baked.check()\n")
    project.run().must_show("baked.py:2: ValueError")


def test_junit_xml(project: Project) -> None:
    """The file holds each test with class, file, times, output, properties and skip reasons, as by hand."""
    project.settings("junit_family = xunit1", "junit_logging = all")
    project.write(
        "tests/test_a.py",
        """
        import pytest, time
        class TestIt:
            def test_slow(self, record_property):
                record_property("build", "7")
                time.sleep(0.2)
            def test_bad(self):
                print("shown")
                assert 0, "message"
        @pytest.mark.skip(reason="not today")
        def test_skip(): pass
        @pytest.fixture
        def broken(): raise ValueError("set-up")
        def test_error(broken): pass
        """,
    )

    project.run("--junitxml=out.xml")
    project.run_plainly("--junitxml=out.xml")
    ours, plain = ((folder / "out.xml").read_text() for folder in (project.host, project.image))
    assert _cases(ours) == _cases(plain.replace(str(project.image), str(project.host)))
    slow = ET.fromstring(ours).find(".//testcase[@name='test_slow']")  # noqa: S314 - pytest wrote it
    assert slow is not None
    assert float(slow.attrib["time"]) >= 0.2


def _cases(text: str) -> list[tuple[object, ...]]:
    text = re.sub("0x[0-9a-f]+", "0x...", text)
    return [
        (
            {name: value for name, value in case.attrib.items() if name != "time"},
            [(child.tag, dict(child.attrib), child.text) for child in case],
            [dict(element.attrib) for element in case.iter("property")],
        )
        for case in ET.fromstring(text).iter("testcase")  # noqa: S314 - pytest wrote it
    ]


def test_durations(project: Project) -> None:
    """`--durations` shows the times in the container, and they add up."""
    project.write(
        "tests/test_a.py",
        "import time, pytest\n@pytest.fixture\ndef slow():\n    time.sleep(0.3)\n    yield\n    time.sleep(0.2)\n"
        "def test_a(slow): time.sleep(0.1)\ndef test_b(): time.sleep(0.15)\n",
    )
    run = project.run("--durations=4", "--durations-min=0.05")
    run.must_show(
        "setup    tests/test_a.py::test_a",
        "teardown tests/test_a.py::test_a",
        "call     tests/test_a.py::test_b",
    )
    setup, call = run.report("test_a", "setup"), run.report("test_a", "call")
    assert 0.3 <= setup["duration"] < 0.5
    assert setup["start"] <= setup["stop"] <= call["start"] <= call["stop"]
    assert abs(call["stop"] - call["start"] - call["duration"]) < 0.05


def test_captured_output_by_section(project: Project) -> None:
    """`-rP` shows the captured output of passing tests; `-s` shows it as it comes."""
    project.write(
        "tests/test_a.py",
        "import sys\ndef test_a():\n    print('to out'); print('to err', file=sys.stderr)\n",
    )
    run_both(project, "-rP").must_show("Captured stdout call", "to out", "Captured stderr call", "to err")
    project.run("-s").must_show("tests/test_a.py", "to out")


def test_verbose_lines(project: Project) -> None:
    """`-v` shows a line for each test, with its full id."""
    project.write(
        "tests/test_a.py", "import pytest\n@pytest.mark.parametrize('n', [1])\ndef test_a(n): pass\n"
    )
    run = project.run("-v")
    run.must_show("tests/test_a.py::test_a[1] PASSED", "[100%]")


@pytest.mark.soak
def test_long_comparisons_under_verbosity(project: Project) -> None:
    """The container explains an assertion in as much detail as the host was asked for."""
    project.write("tests/test_a.py", "def test_a(): assert list(range(60)) == list(range(1, 61))\n")
    run_both(project, "-vv")
    run_both(project, "-q", "--tb=short")


def test_showing_locals(project: Project) -> None:
    """`-l` shows local variables."""
    project.write("tests/test_a.py", "def test_a():\n    colour = 'red'\n    assert 0\n")
    run_both(project, "-l").must_show("colour     = 'red'")


def test_warnings_and_their_filters(project: Project) -> None:
    """`filterwarnings` and `-W` act in the container; warnings are summed up once with the host's path."""
    project.settings("filterwarnings =\n    error::FutureWarning")
    project.write(
        "tests/test_a.py",
        "import warnings\nwarnings.warn('on import', UserWarning)\n"
        "def test_a(): warnings.warn('in a test', UserWarning)\ndef test_b(): warnings.warn('bad', FutureWarning)\n"
        "def test_c(): warnings.warn('worse', RuntimeWarning)\n",
    )
    run = run_both(project, "-W", "error::RuntimeWarning")
    assert list(run.outcomes().values()) == ["passed", "failed", "failed"]
    run.must_show(
        f"{project.host}/tests/test_a.py:2: UserWarning: on import", "2 failed, 1 passed, 2 warnings"
    )


def test_reruns(project: Project) -> None:
    """pytest-rerunfailures repeats a test in the container, fixtures included."""
    project.write(
        "tests/test_a.py",
        """
        import pytest
        from pathlib import Path
        def count(name):
            path = Path(name)
            path.write_text(str(int(path.read_text() if path.exists() else 0) + 1))
            return int(path.read_text())
        @pytest.fixture
        def number(): return count("setups")
        @pytest.fixture(scope="module")
        def once(): return count("modules")
        def test_flaky(number, once): assert number == 3 and once == 1
        def test_hopeless(): assert 0
        def test_after(): pass
        """,
    )
    run = project.run("--reruns=2")
    assert list(run.outcomes()) == run.ids()
    run.must_show("RR", "1 failed, 2 passed, 4 rerun")
    assert (project.image / "setups").read_text() == "3"


@pytest.mark.soak
def test_reruns_after_a_crash(project: Project) -> None:
    """A test whose process died is repeated in a new process."""
    project.write(
        "tests/test_a.py",
        "import os\nfrom pathlib import Path\ndef test_1(): pass\ndef test_2():\n"
        "    if not Path('died').exists():\n        Path('died').touch()\n        os._exit(1)\n"
        "def test_3(): pass\n",
    )
    run = project.run("--reruns=1")
    assert run.exit_code == 0
    run.must_show("3 passed, 1 rerun")


def test_hooks_of_the_host_see_every_report(project: Project) -> None:
    """A `pytest_runtest_makereport` wrapper of the root conftest.py sees the container's outcome and exception."""
    project.write(
        "conftest.py",
        """
        import pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            error = "" if call.excinfo is None else f"{call.excinfo.typename}({call.excinfo.value})"
            report.user_properties.append(("seen", f"{report.when} {report.outcome} {error}".strip()))
            return report
        """,
    )
    project.write(
        "tests/test_a.py",
        "class OwnError(ValueError): pass\ndef test_a(): pass\ndef test_b(): raise OwnError('mine')\n",
    )
    run = project.run()
    seen = [event["properties"][-1][1] for event in run.of_kind("test")]
    assert seen[:4] == ["setup passed", "call passed", "teardown passed", "setup passed"]
    assert run.report("test_b")["properties"][-1][1].startswith("call failed OwnError(")
    assert "mine" in run.report("test_b")["properties"][-1][1]


def test_markers_with_arguments_are_seen_on_the_host(project: Project) -> None:
    """`item.get_closest_marker` gives a plugin of the host the marks of the container's test."""
    project.settings("markers = ticket(number): of the tracker")
    project.write(
        "conftest.py",
        "def pytest_runtest_setup(item):\n"
        "    mark = item.get_closest_marker('ticket')\n"
        "    item.user_properties.append(('ticket', mark.args[0] if mark else None))\n",
    )
    project.write("tests/test_a.py", "import pytest\n@pytest.mark.ticket(17)\ndef test_a(): pass\n")
    run = project.run()
    assert run.exit_code == 0


def test_quiet(project: Project) -> None:
    """`-q` shows what pytest shows under it, nothing of ours."""
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run("-q")
    assert "dockerci" not in run.text
    assert run.text.startswith(".")


def test_output_that_passes_the_capture_by(project: Project) -> None:
    """What a child process writes to the real standard output is shown, without what could drive a terminal."""
    project.write(
        "tests/test_a.py",
        "import os\ndef test_a(capfd):\n    with capfd.disabled():\n"
        "        os.write(1, b'bare \\x1b]0;title\\x07\\x1b[2J text\\n')\n",
    )
    run = project.run()
    run.must_show("bare \\x1b]0;title\\x07\\x1b[2J text")
    assert "\x1b]0" not in run.text
