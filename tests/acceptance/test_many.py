"""A long suite: nothing is lost, and the order is kept."""

from __future__ import annotations

import pytest

from acceptance.project import Project

TESTS = 10_000


@pytest.mark.parametrize("workers", [1, 2])
def test_ten_thousand_tests(project: Project, workers: int) -> None:
    """Each of 10,000 trivial tests is reported once; with one worker, in order."""
    for module in range(10):
        project.write(
            f"tests/test_{module}.py",
            f"import pytest\n@pytest.mark.parametrize('n', range({TESTS // 10}))\ndef test_n(n): pass\n",
        )
    run = project.run("-q", f"--dockerci-workers={workers}")
    assert run.exit_code == 0
    calls = [event["nodeid"] for event in run.of_kind("test") if event["when"] == "call"]
    expected = [f"tests/test_{module}.py::test_n[{n}]" for module in range(10) for n in range(TESTS // 10)]
    assert run.ids() == expected
    assert sorted(calls) == sorted(expected)
    assert workers > 1 or calls == expected
    run.must_show("10000 passed")
