"""The container's reports as reports of the host."""

from __future__ import annotations

import warnings
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.paths import PathMap
from pytest_dockerci.reports import exception_like, exception_of, record_warning, restore, transplant


@pytest.fixture
def paths(tmp_path: Path) -> PathMap:
    """A project with one test file."""
    (tmp_path / "test_a.py").touch()
    return PathMap(((PurePosixPath("/srv/app"), tmp_path),), tmp_path)


def report_data(**changes: Any) -> dict[str, Any]:
    """What the container's pytest writes of a report."""
    return {
        "$report_type": "TestReport",
        "nodeid": "test_a.py::test_a",
        "location": ["test_a.py", 1, "test_a"],
        "keywords": {"test_a": 1},
        "outcome": "passed",
        "longrepr": None,
        "when": "call",
        "user_properties": [["build", 7]],
        "sections": [["Captured stdout call", "hello"]],
        "duration": 0.5,
        "start": 1.0,
        "stop": 1.5,
        **changes,
    }


def host_report() -> pytest.TestReport:
    """What the host's pytest made of the same phase."""
    return pytest.TestReport(
        "test_a.py::test_a", ("test_a.py", 1, "test_a"), {"mine": 1}, "passed", None, "call", duration=0.0
    )


def test_json_has_no_tuples(pytestconfig: pytest.Config, paths: PathMap) -> None:
    """Pairs and places are tuples again: plugins unpack and compare them."""
    report = restore(pytestconfig, report_data(), paths)
    assert report.sections == [("Captured stdout call", "hello")]
    assert report.user_properties == [("build", 7)]
    assert report.location == ("test_a.py", 1, "test_a")


def test_a_skip(pytestconfig: pytest.Config, paths: PathMap, tmp_path: Path) -> None:
    """Its place becomes the host's, as a tuple."""
    data = report_data(outcome="skipped", longrepr=["/srv/app/test_a.py", 3, "Skipped: not today"])
    assert restore(pytestconfig, data, paths).longrepr == (
        str(tmp_path / "test_a.py"),
        3,
        "Skipped: not today",
    )


def test_a_text(pytestconfig: pytest.Config, paths: PathMap, tmp_path: Path) -> None:
    """Paths within a message of pytest's own become the host's."""
    data = report_data(outcome="failed", longrepr="file /srv/app/test_a.py, line 1")
    assert restore(pytestconfig, data, paths).longrepr == f"file {tmp_path}/test_a.py, line 1"


def test_a_type_that_no_plugin_can_read(pytestconfig: pytest.Config, paths: PathMap) -> None:
    """A report of an unknown type is a failure that says so: nothing is dropped unseen."""
    report = restore(pytestconfig, report_data(**{"$report_type": "BenchReport"}), paths)
    assert report.failed
    assert (
        report.longrepr == "the container sent a report of type 'BenchReport', which no plugin here can read"
    )


def test_a_subtest_that_the_host_cannot_know(pytestconfig: pytest.Config, paths: PathMap) -> None:
    """Where the host's pytest knows no subtests (before 9.0), one is shown as a test."""
    data = report_data(outcome="failed", _report_type="SubTestReport")
    del data["$report_type"]
    plugin = pytestconfig.pluginmanager.unregister(name="subtests")
    try:
        report = restore(pytestconfig, data, paths)
    finally:
        pytestconfig.pluginmanager.register(plugin, "subtests")
    assert report.outcome == "failed"
    assert "no plugin here" not in report.longreprtext
    assert isinstance(report, pytest.TestReport)
    assert report.failed


def test_a_transplant(pytestconfig: pytest.Config, paths: PathMap) -> None:
    """Outcome, output, times and a plugin's own attributes are the container's; identity is the host's."""
    mine = host_report()
    keywords = mine.keywords
    transplant(
        pytestconfig, report_data(outcome="failed", longrepr="why", extra_of_a_plugin=[1]), mine, paths
    )
    assert (mine.outcome, mine.longrepr, mine.duration, mine.start, mine.stop) == (
        "failed",
        "why",
        0.5,
        1.0,
        1.5,
    )
    assert mine.sections == [("Captured stdout call", "hello")]
    assert mine.__dict__["extra_of_a_plugin"] == [1]
    assert mine.keywords is keywords


def test_a_transplant_over_an_expected_failure(pytestconfig: pytest.Config, paths: PathMap) -> None:
    """What the host took for an expected failure is none when the container does not say so."""
    mine = host_report()
    mine.wasxfail = "the host's guess"
    transplant(pytestconfig, report_data(), mine, paths)
    assert not hasattr(mine, "wasxfail")


@pytest.mark.parametrize(
    ("names", "base"),
    [
        (["ValueError"], ValueError),
        (["OwnError", "AppError", "LookupError"], LookupError),
        (["OwnError", "Exception"], Exception),
        (["Skipped", "OutcomeException", "BaseException"], pytest.skip.Exception),
        (["XFailed", "Failed", "OutcomeException", "BaseException"], pytest.xfail.Exception),
        (["Failed", "OutcomeException", "BaseException"], pytest.fail.Exception),
        (["SystemExit"], Exception),
        (["KeyboardInterrupt"], Exception),
        (["Odd", "NoBuiltin"], Exception),
        (["UnicodeDecodeError"], Exception),
        (["KeyError"], KeyError),
        (["eval"], Exception),
        ([], Exception),
    ],
)
def test_an_exception_that_looks_like_the_containers(names: list[str], base: type[BaseException]) -> None:
    """Same name, same built-in base; nothing is imported, and nothing that would end the host's process is raised."""
    error = exception_like(names, "the message")
    assert isinstance(error, base)
    assert isinstance(error, Exception) or base in (
        pytest.skip.Exception,
        pytest.xfail.Exception,
        pytest.fail.Exception,
    )
    assert str(error) == "the message"
    assert type(error).__name__ == (names[0] if names else "Exception")


@pytest.mark.parametrize(
    ("name", "shown", "message"),
    [
        ("ValueError", "ValueError: set-up", "set-up"),
        ("ValueError", "ValueError", ""),
        ("OwnError", "shop.errors.OwnError: two\nlines", "two\nlines"),
        ("OwnError", "shop.errors.OwnError", ""),
        ("KeyError", "KeyError: 'key'", "'key'"),
        ("AssertionError", "assert 1 == 2", "assert 1 == 2"),
        ("AssertionError", "AssertionError: text\nassert 1 == 2", "text\nassert 1 == 2"),
        ("OwnError", "see OwnError: not a name", "see OwnError: not a name"),
        ("Skipped", "Skipped: not today", "not today"),
    ],
)
def test_the_exception_of_a_report(name: str, shown: str, message: str) -> None:
    """Its text is the exception's own; pytest shows the name of the class before it."""
    longrepr = ["test_a.py", 1, shown] if name == "Skipped" else {"reprcrash": {"message": shown}}
    error = exception_of({"longrepr": longrepr}, [name])
    assert str(error) == message
    assert type(error).__name__ == name


def test_a_warning(pytester: pytest.Pytester, paths: PathMap, tmp_path: Path) -> None:
    """It is recorded as one of this run, with the host's path and a class of the same name."""
    config = pytester.parseconfig()
    seen: list[Any] = []

    class Recorder:
        def pytest_warning_recorded(
            self, warning_message: warnings.WarningMessage, nodeid: str, when: str
        ) -> None:
            seen.append(
                (
                    warning_message.category.__name__,
                    str(warning_message.message),
                    warning_message.filename,
                    when,
                )
            )

    config.pluginmanager.register(Recorder())
    warned = wire.Warned(
        category="OwnWarning",
        text="careful",
        filename="/srv/app/test_a.py",
        lineno=3,
        line="warn()",
        source="",
        when="strange",
        nodeid="test_a.py::test_a",
        location=[],
    )
    record_warning(config, warned, paths)
    assert seen == [("OwnWarning", "careful", str(tmp_path / "test_a.py"), "runtest")]
