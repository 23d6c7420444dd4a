"""A long suite: nothing is lost, and the order is kept."""

from __future__ import annotations

import pytest

from acceptance.project import Project


@pytest.mark.soak
@pytest.mark.parametrize(
    ("workers", "tests"),
    [
        (1, 2_000),  # `whole_run` has 10,000 in a real container
        (2, 2_000),
        pytest.param(2, 10_000, marks=pytest.mark.soak),
    ],
)
def test_many_tests(project: Project, workers: int, tests: int) -> None:
    """Each of many trivial tests is reported once; with one worker, in order."""
    for module in range(10):
        project.write(
            f"tests/test_{module}.py",
            f"import pytest\n@pytest.mark.parametrize('n', range({tests // 10}))\ndef test_n(n): pass\n",
        )
    run = project.run("-q", f"--dockerci-workers={workers}")
    assert run.exit_code == 0
    calls = [event["nodeid"] for event in run.of_kind("test") if event["when"] == "call"]
    expected = [f"tests/test_{module}.py::test_n[{n}]" for module in range(10) for n in range(tests // 10)]
    assert run.ids() == expected
    assert sorted(calls) == sorted(expected)
    assert workers > 1 or calls == expected
    run.must_show(f"{tests} passed")
