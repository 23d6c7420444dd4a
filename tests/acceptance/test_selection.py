"""Which tests run: pytest's own ways to choose them work on the container's tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from acceptance.plain_run import run_both
from acceptance.project import Project
from variants import soak_after

SUITE = """
    import pytest
    from pathlib import Path

    @pytest.mark.slow
    def test_slow(): pass

    class TestBasket:
        @pytest.mark.parametrize("size", [1, 2])
        def test_add(self, size): pass
        def test_remove(self): pass

    def test_other(): pass
"""
OTHER = "def test_elsewhere(): pass\n"


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with two test files."""
    project.settings("markers = slow: takes long")
    project.write("tests/test_shop.py", SUITE)
    project.write("tests/deep/test_else.py", OTHER)
    return project


@pytest.mark.parametrize(
    ("arguments", "names"),
    soak_after(
        5,
        [
            (["-k", "add or elsewhere"], ["test_elsewhere", "test_add[1]", "test_add[2]"]),
            (["-k", "Basket and not 2"], ["test_add[1]", "test_remove"]),
            (["-m", "slow"], ["test_slow"]),
            (["-m", "not slow", "-k", "shop"], ["test_add[1]", "test_add[2]", "test_remove", "test_other"]),
            (["tests/test_shop.py::TestBasket"], ["test_add[1]", "test_add[2]", "test_remove"]),
            (["tests/test_shop.py::TestBasket::test_add[2]"], ["test_add[2]"]),
            (
                ["tests/test_shop.py::test_other", "tests/test_shop.py::test_slow"],
                ["test_other", "test_slow"],
            ),
            (["tests/test_shop.py::test_other", "tests/test_shop.py::test_other"], ["test_other"]),
            (["tests/deep"], ["test_elsewhere"]),
            (["tests/deep/test_else.py", "tests/test_shop.py::test_slow"], ["test_elsewhere", "test_slow"]),
            (["--deselect", "tests/test_shop.py::TestBasket"], ["test_elsewhere", "test_slow", "test_other"]),
            (["--ignore", "tests/deep", "-k", "slow or elsewhere"], ["test_slow"]),
            (["--ignore-glob", "*shop*"], ["test_elsewhere"]),
            (
                ["."],
                ["test_elsewhere", "test_slow", "test_add[1]", "test_add[2]", "test_remove", "test_other"],
            ),
        ],
    ),
    ids=" ".join,
)
def test_a_selection(shop: Project, arguments: Sequence[str] | str, names: list[str]) -> None:
    """Expressions, marks, ids and folders choose what they choose by hand."""
    run = shop.run(*arguments)
    assert [nodeid.rsplit("::", 1)[1] for nodeid in run.ids()] == names


@pytest.mark.parametrize(
    ("arguments", "text"),
    soak_after(
        1,
        [
            (["-k", "("], "Wrong expression passed to '-k': ("),
            (["tests/test_shop.py::test_missing"], "not found: "),
            (["tests/missing.py"], "file or directory not found: tests/missing.py"),
            (["--strange-option"], "unrecognized arguments: --strange-option"),
        ],
    ),
)
def test_a_selection_that_cannot_be_meant(shop: Project, arguments: list[str], text: str) -> None:
    """A mistake on the command line is told as pytest tells it: exit code 4."""
    run = shop.run(*arguments)
    assert run.exit_code == 4
    run.must_show(text)


@pytest.mark.soak
def test_arguments_that_overlap(shop: Project) -> None:
    """A test within a folder that is named as well runs once, where this version of pytest puts it."""
    run_both(shop, "tests/test_shop.py::test_other", "tests")


def test_nothing_selected(shop: Project) -> None:
    """No test at all is exit code 5, as ever."""
    run = run_both(shop, "-k", "nothing_of_that_name")
    assert run.exit_code == 5


def test_the_mark_of_container_tests(project: Project) -> None:
    """`-m dockerci` and its negation tell container tests and host tests apart."""
    project.settings("dockerci_suite = tests", suite="tests host")
    project.write("tests/test_in.py", "def test_in(): pass\n")
    project.write("host/test_out.py", "def test_out(): pass\n")
    assert project.run("-m", "dockerci").outcomes() == {"tests/test_in.py::test_in": "passed"}
    assert project.run("-m", "not dockerci").outcomes() == {"host/test_out.py::test_out": "passed"}


def test_a_run_from_a_subfolder(shop: Project) -> None:
    """Called from a folder within, ids and short paths are those of a plain run there."""
    shop.write("tests/deep/test_bad.py", "def test_bad(): assert 0\n")
    run = shop.run("test_bad.py", cwd=shop.host / "tests/deep")
    assert run.outcomes() == {"tests/deep/test_bad.py::test_bad": "failed"}
    run.must_show("\ntest_bad.py:1: AssertionError")


def test_last_failed(project: Project) -> None:
    """`--lf` runs what failed in the container, `--ff` runs it first; the cache is the host's."""
    project.write("tests/test_a.py", "def test_good(): pass\ndef test_bad(): assert 0\n")
    project.write("tests/test_b.py", "def test_fine(): pass\n")
    assert project.run().exit_code == 1
    assert project.run("--lf").ids() == ["tests/test_a.py::test_bad"]
    assert project.run("--ff").ids()[0] == "tests/test_a.py::test_bad"
    assert (project.host / ".pytest_cache").is_dir()


@pytest.mark.soak
def test_last_failed_after_the_repair(project: Project) -> None:
    """An edited test is the one that runs."""
    project.write("tests/test_a.py", "def test_bad(): assert 0\n")
    assert project.run().exit_code == 1
    project.write("tests/test_a.py", "def test_bad(): assert 1 + 1 == 2\n")
    assert project.run("--lf").exit_code == 0


def test_stepwise(project: Project) -> None:
    """`--sw` stops at the first failure and goes on there the next time."""
    project.write("tests/test_a.py", "def test_1(): pass\ndef test_2(): assert 0\ndef test_3(): pass\n")
    first = project.run("--sw")
    assert list(first.outcomes().values()) == ["passed", "failed"]
    second = project.run("--sw")
    assert list(second.outcomes().values()) == ["failed"]


def test_the_hosts_modifyitems_decides_last(project: Project) -> None:
    """The root conftest.py may deselect and reorder the container's tests; only those left are run."""
    project.write(
        "conftest.py",
        """
        def pytest_collection_modifyitems(config, items):
            items.reverse()
            config.hook.pytest_deselected(items=[items.pop(1)])
        """,
    )
    trace = "from pathlib import Path\ndef note(n): Path('trace').open('a').write(n)\n"
    project.write("tests/test_a.py", trace + "".join(f"def test_{n}(): note('{n}')\n" for n in range(1, 5)))
    run = project.run()
    assert [nodeid[-1] for nodeid in run.ids()] == ["4", "2", "1"]
    assert (project.image / "trace").read_text() == "421"
