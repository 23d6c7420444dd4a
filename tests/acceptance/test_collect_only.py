"""`--collect-only` by hand shows what plain pytest shows in the image: lines, counts, docstrings, errors."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from acceptance.project import Project, Run
from variants import soak_after

SUITE = '''
    """Tests of the shop."""
    import unittest
    import pytest

    class TestBasket:
        """A basket.

        It holds things.
        """

        @pytest.mark.parametrize("size", [1, 2])
        def test_add(self, size):
            """Adds."""

        class TestEmpty:
            def test_total(self): pass

    class TestCase(unittest.TestCase):
        def test_unit(self):
            """One line."""

    @pytest.mark.slow
    def test_slow(): pass
'''


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with classes, parameters, docstrings, a package and a folder."""
    project.settings("markers = slow: takes long")
    project.write("tests/test_shop.py", SUITE)
    project.write("tests/pack/__init__.py", '"""A package."""\n')
    project.write("tests/pack/test_deep.py", "def test_deep():\n    '''Deep.'''\n")
    project.write("tests/folder/test_far.py", "def test_far(): pass\n")
    return project


def listing(run: Run) -> list[str]:
    """What pytest says after its header, without times, our own lines, and where the trees lie."""
    lines = [re.sub(r" in \d+\.\d+s", "", line).strip("=") for line in run.text.splitlines()]
    start = next(
        (number + 1 for number, line in enumerate(lines) if line.startswith(("configfile:", "plugins:"))), 0
    )
    return [line for line in lines[start:] if not line.startswith(("dockerci:", "plugins:", "testpaths:"))]


@pytest.mark.parametrize(
    "arguments",
    soak_after(
        4,
        [
            [],
            ["-q"],
            ["-qq"],
            ["-v"],
            ["-vv"],
            ["-k", "add or deep"],
            ["-m", "slow", "-v"],
            ["-q", "--deselect", "tests/test_shop.py::test_slow"],
            ["tests/test_shop.py::TestBasket"],
            ["-q", "tests/pack"],
            ["-k", "nothing"],
            ["--ignore=tests/pack", "--ignore=tests/folder", "--no-header"],
        ],
    ),
    ids=lambda arguments: " ".join(arguments) or "plain",
)
def test_a_listing(shop: Project, arguments: Sequence[str]) -> None:
    """The same lines, counts and exit code."""
    ours = shop.run("--collect-only", *arguments)
    plain = shop.run_plainly("--collect-only", *arguments)
    assert listing(ours) == listing(plain)
    assert listing(ours)
    assert ours.exit_code == plain.exit_code


def test_a_listing_with_errors_and_skips(shop: Project) -> None:
    """Modules that cannot be collected have their error; the rest is listed."""
    shop.write("tests/test_bad.py", "import no_such_module_at_all\n")
    shop.write("tests/folder/test_worse.py", "raise ValueError('no')\n")
    shop.write("tests/test_skipped.py", "import pytest\npytest.skip('no', allow_module_level=True)\n")
    ours, plain = shop.run("--collect-only"), shop.run_plainly("--collect-only")
    hosts = [line.replace(str(shop.host), "") for line in listing(ours)]
    assert hosts == [line.replace(str(shop.image), "") for line in listing(plain)]
    assert ours.exit_code == plain.exit_code == 2


def test_a_conftest_that_looks_for_it(shop: Project) -> None:
    """The container's pytest knows that it only collects."""
    shop.write(
        "tests/conftest.py",
        """
        def pytest_collection_modifyitems(config, items):
            if config.option.collectonly:
                items.reverse()
        """,
    )
    ours, plain = shop.run("--collect-only", "-q"), shop.run_plainly("--collect-only", "-q")
    assert listing(ours) == listing(plain)


PLUGIN = """
    import pytest

    class Interactions:
        def pytest_exception_interact(self, node, call, report):
            print("INTERACT", node.nodeid, call.excinfo.typename, report.failed)

    def pytest_configure(config):
        config.pluginmanager.register(Interactions())

    def pytest_sessionfinish(session):
        for item in session.items:
            parents = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
            callspec = getattr(item, "callspec", None)
            print("NODE", item.name, parents, callspec and (callspec.id, callspec.params), item.originalname)
"""


def test_what_plugins_see_of_the_tree(shop: Project) -> None:
    """Classes are `pytest.Class`, parameters are a `callspec`, failed collectors are told to plugins."""
    shop.write("tests/test_bad.py", "import no_such_module_at_all\n")
    shop.write("watch.py", PLUGIN)
    seen = []
    for run in (shop.run, shop.run_plainly):
        if run == shop.run_plainly:  # only now: the container would load it as well
            shop.write_image("watch.py", PLUGIN)
        result = run("--collect-only", "-p", "watch", "--continue-on-collection-errors", "-s")
        seen.append([line for line in result.text.splitlines() if line.startswith(("INTERACT", "NODE"))])
    assert seen[0] == seen[1]
    assert "NODE test_add[1] ['TestBasket'] ('1', {'size': 1}) test_add" in seen[0]
    assert "INTERACT tests/test_bad.py CollectError True" in seen[0]
