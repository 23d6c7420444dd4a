"""The ids, order and tree of the host's run are those of pytest run by hand in the image."""

from __future__ import annotations

import pytest

from acceptance.plain_run import run_both
from acceptance.project import Project

ODD_IDS = """
    import pytest

    def test_plain(): pass

    class TestOuter:
        class TestInner:
            def test_deep(self): pass
            @pytest.mark.parametrize("value", [1, 2])
            def test_deep_values(self, value): pass
        def test_outer(self): pass

    ODD = ["", " ", "a b", "a::b", "[x]", "a[b]", "]", "::", "/", "a/b.py::c", "\\u00e4\\u20ac", "\\U0001f600", "a\\nb",
           "\\x00", "\\ud800", "%s", "same", "same", "'", '"', "\\\\", "-k", "x" * 300, None, 1.5, b"\\xff", object]
    @pytest.mark.parametrize("value", ODD)
    def test_odd(value): pass

    @pytest.mark.parametrize("first", [1, 2], ids=["eins", "zwei"])
    @pytest.mark.parametrize("second", ["x", pytest.param("y", id="a-b"), pytest.param("z", marks=pytest.mark.slow)])
    def test_product(first, second): pass

    @pytest.fixture(params=["low", "high"], scope="module")
    def level(request): return request.param
    def test_level_first(level): pass
    def test_level_second(level): pass

    @pytest.mark.parametrize("value", [])
    def test_no_values(value): pass

    def test_\u00fcml\u00e4ut(): pass
"""


def test_ids_and_order_of_odd_names(project: Project) -> None:
    """Classes, parameters, Unicode, `::`, brackets, control characters, reordering by module fixtures."""
    project.settings("markers = slow: takes long")
    project.write("tests/test_odd.py", ODD_IDS)
    project.write("tests/sub/__init__.py", "")
    project.write("tests/sub/test_odd.py", "class TestOne:\n    def test_same_name(self): pass\n")
    project.write("tests/sub/deeper/test_other.py", "def test_deeper(): pass\n")
    project.write("tests/test_ \u00e4.py", "def test_file_name(): pass\n")
    run = run_both(project)
    assert len(run.ids()) == 47
    plain = project.run_plainly("--collect-only", "-q").text.splitlines()
    ours = project.run("--collect-only", "-q").text.splitlines()
    assert [line for line in ours if "::" in line] == [line for line in plain if "::" in line]


def test_the_tree_that_is_shown(project: Project) -> None:
    """`--collect-only` draws the same tree."""
    project.write(
        "tests/test_a.py", "class TestA:\n    'Doc.'\n    def test_m(self): pass\ndef test_f(): pass\n"
    )
    project.write("tests/pack/__init__.py", "")
    project.write("tests/pack/test_b.py", "def test_b(): pass\n")
    plain, ours = (
        [line for line in run.text.splitlines() if line.lstrip().startswith("<")]
        for run in (project.run("--collect-only"), project.run_plainly("--collect-only"))
    )
    assert ours == plain
    assert ours


def test_doctests_and_text_files(project: Project) -> None:
    """Doctests of modules and of text files are tests as well."""
    project.write(
        "tests/test_doc.py",
        'def double(n):\n    """\n    >>> double(2)\n    4\n    >>> double(3)\n    7\n    """\n    return 2 * n\n',
    )
    project.write("tests/test_text.txt", ">>> 1 + 1\n2\n>>> 1 + 1\n3\n")
    run = run_both(project, "--doctest-modules", "--doctest-continue-on-failure")
    assert set(run.outcomes().values()) == {"failed"}


def test_collectors_of_the_suites_own(project: Project) -> None:
    """Tests that the suite's conftest.py makes of other files, with their own reports."""
    project.write(
        "tests/conftest.py",
        """
        import pytest

        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".yaml":
                return YamlFile.from_parent(parent, path=file_path)

        class YamlFile(pytest.File):
            def collect(self):
                for line in self.path.read_text().splitlines():
                    name, value = line.split(": ")
                    item = YamlItem.from_parent(self, name=name)
                    item.value = value
                    yield item

        class YamlItem(pytest.Item):
            def runtest(self):
                if self.value != "good":
                    raise ValueError(self.value)
            def repr_failure(self, excinfo): return f"{self.name} is {excinfo.value}"
            def reportinfo(self): return self.path, 0, f"yaml: {self.name}"
        """,
    )
    project.write("tests/a.yaml", "one: good\ntwo: bad\n")
    run = run_both(project)
    assert run.outcomes() == {"tests/a.yaml::one": "passed", "tests/a.yaml::two": "failed"}
    run.must_show("yaml: two", "two is bad")


def test_order_made_by_the_containers_conftest(project: Project) -> None:
    """The order that the container's plugins made is the order of the run."""
    project.write("tests/test_a.py", "def test_1(): pass\ndef test_2(): pass\n")
    project.write("tests/test_b.py", "def test_3(): pass\ndef test_4(): pass\n")
    project.write(
        "tests/conftest.py",
        "def pytest_collection_modifyitems(items):\n    items[:] = items[::2] + items[1::2]\n",
    )
    run = run_both(project)
    assert [nodeid[-1] for nodeid in run.ids()] == ["1", "3", "2", "4"]


@pytest.mark.soak
def test_deselection_by_the_containers_conftest(project: Project) -> None:
    """What the container's plugins deselect is deselected here too, and counted."""
    project.write("tests/test_a.py", "def test_1(): pass\ndef test_2(): pass\n")
    project.write(
        "tests/conftest.py",
        """
        def pytest_collection_modifyitems(config, items):
            config.hook.pytest_deselected(items=[items.pop()])
        """,
    )
    run = run_both(project)
    run.must_show("collected 2 items / 1 deselected / 1 selected", "1 passed, 1 deselected")


@pytest.mark.soak
def test_items_dropped_without_a_word(project: Project) -> None:
    """A plugin that only shortens the list leaves out the rest, here as there."""
    project.write("tests/test_a.py", "def test_1(): pass\ndef test_2(): pass\n")
    project.write("tests/conftest.py", "def pytest_collection_modifyitems(items): del items[1:]\n")
    run = run_both(project)
    assert run.ids() == ["tests/test_a.py::test_1"]
