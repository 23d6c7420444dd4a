"""Values that no message can carry as they are: huge, endless, nameless. The run goes on, and says the same."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from acceptance.plain_run import run_both
from acceptance.project import Project
from differential.junit_cases import junit_events


@pytest.mark.soak
def test_parameters_that_have_no_short_text(project: Project) -> None:
    """Numbers of thousands of digits, values within themselves, keys without a text."""
    project.settings("markers = odd: has odd arguments")
    project.write(
        "tests/test_odd.py",
        """
        import pytest

        class Nameless:
            def __str__(self): raise ValueError("no name")
            __repr__ = __str__

        twice = []
        twice += [twice, twice]
        shared = ["x"]
        for _ in range(40):
            shared = [shared, shared]
        VALUES = {
            "digits": 10 ** 6000, "twice": twice, "shared": shared, "key": {Nameless(): 1}, "nameless": Nameless()
        }

        @pytest.mark.parametrize("value", VALUES.values(), ids=list(VALUES))
        @pytest.mark.odd(list(VALUES.values()), **VALUES)
        def test_odd(value): pass

        @pytest.mark.parametrize("value", ["digits", "key", "nameless"])
        def test_properties(value, request, record_property):
            request.node.user_properties.append(("value", VALUES[value]))
        """,
    )
    run = project.run()
    assert set(run.outcomes().values()) == {"passed"}
    assert len(run.ids()) == 8


@pytest.mark.soak
def test_a_property_without_a_text(project: Project) -> None:
    """By hand it is an internal error of the JUnit report; here the test keeps its verdict, and the file is whole."""
    project.write(
        "tests/test_odd.py",
        'def test_property(record_property): record_property("digits", 10 ** 6000)\n',
    )
    run = project.run("--junitxml=junit.xml")  # lays the suite where the plain run finds it
    assert project.run_plainly("--junitxml=by-hand.xml").exit_code == 3
    assert (run.exit_code, list(run.outcomes().values())) == (0, ["passed"])
    properties = ET.parse(project.host / "junit.xml").iter("property")  # noqa: S314 - pytest's own file
    assert [item.get("value") for item in properties] == ["<int object, str() raised ValueError>"]


@pytest.mark.soak
def test_many_large_parameters_and_ids(project: Project) -> None:
    """Parameters of 90 MB altogether, and ids of ten."""
    project.write(
        "tests/test_large.py",
        """
        import pytest

        @pytest.mark.parametrize("value", ["\\u00e4" * 300_000] * 300, ids=range(300))
        def test_value(value): assert len(value) == 300_000
        @pytest.mark.parametrize("value", range(700), ids=lambda value: str(value) + "x" * 14_000)
        def test_id(value): pass
        """,
    )
    run = project.run("-q", "--deselect", "tests/test_large.py::test_id")
    assert list(run.outcomes().values()) == ["passed"] * 300


@pytest.mark.soak
def test_output_beyond_any_message(project: Project) -> None:
    """A test that captured hundreds of megabytes fails as by hand, and the run goes on."""
    project.write(
        "tests/test_output.py",
        """
        import sys
        import pytest

        @pytest.fixture
        def loud():
            for stream in (sys.stdout, sys.stderr):
                stream.write("\\x01" * 5_000_000)
            yield
            for stream in (sys.stdout, sys.stderr):
                stream.write("\\U0001f600" * 5_000_000)

        def test_loud(loud): assert not sys.stdout.write("\\x01" * 5_000_000)
        def test_after(): pass
        """,
    )
    run = project.run("-q", "--show-capture=no")
    assert run.outcomes() == {
        "tests/test_output.py::test_loud": "failed",
        "tests/test_output.py::test_after": "passed",
    }


def test_recorded_values_are_shown_as_by_hand(project: Project) -> None:
    """A JUnit file shows the `str` of a value: of tuples, paths, keys that are numbers."""
    project.write(
        "tests/test_recorded.py",
        """
        from pathlib import Path

        VALUES = [(1, "a"), [(2,)], {1: 2}, Path("/srv"), b"b", {3}, None, True, 1.5, float("nan"), 10 ** 30, "text"]

        def test_record(record_property, record_testsuite_property, record_xml_attribute):
            for number, value in enumerate(VALUES):
                record_property(f"p{number}", value)
                record_testsuite_property(f"s{number}", value)
                record_testsuite_property("same", value)
            record_xml_attribute("attribute", Path("/srv"))
        """,
    )
    files = [project.host / "ours.xml", project.image / "plain.xml"]
    project.run(f"--junitxml={files[0]}", "-o", "junit_family=xunit1")
    project.run_plainly(f"--junitxml={files[1]}", "-o", "junit_family=xunit1")
    ours, plain = (junit_events(file.read_text("utf-8")) for file in files)
    assert ours == plain
    assert len(ours[0]["children"]) == 25


@pytest.mark.soak
def test_keywords_that_are_set_while_a_test_runs(project: Project) -> None:
    """They are among the keywords of its reports, as by hand."""
    project.write(
        "tests/test_keywords.py",
        """
        import pytest

        @pytest.fixture(params=[1, 2])
        def number(request):
            request.keywords["expected"] = request.param
            return request.param

        def test_number(number, request): assert request.keywords["expected"] == number
        def test_late(request): request.node.keywords["late"] = 1
        """,
    )
    run = run_both(project)
    assert "expected" in run.report("test_number[1]")["keywords"]


@pytest.mark.soak
def test_a_plugin_of_pytest_switched_off_by_the_configuration_file(project: Project) -> None:
    """`-p no:NAME` in `addopts` leaves the options of the plugin known, and without effect."""
    project.settings(
        "addopts = -p no:doctest -p no:junitxml -p no:logging",
        "    --doctest-modules --doctest-report=ndiff --log-level=DEBUG --junitxml=no.xml",
    )
    project.write("tests/test_a.py", "def test_a():\n    '''\n    >>> 1\n    2\n    '''\n")
    assert run_both(project).outcomes() == {"tests/test_a.py::test_a": "passed"}
