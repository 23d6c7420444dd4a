"""What goes wrong before the first test: in the container, and how the host says it."""

from __future__ import annotations

from acceptance.plain_run import run_both
from acceptance.project import Project


def test_a_module_that_cannot_be_imported(project: Project) -> None:
    """The error is the container's, with the host's path; nothing runs; exit code 2."""
    project.write("tests/test_bad.py", "import no_such_module_at_all\n")
    project.write("tests/test_good.py", "from pathlib import Path\ndef test_good(): Path('ran').touch()\n")
    run = run_both(project)
    assert run.exit_code == 2
    run.must_show("ERROR collecting tests/test_bad.py", "tests/test_bad.py:1: in <module>", "1 error")
    assert not (project.image / "ran").exists()


def test_a_syntax_error(project: Project) -> None:
    """A syntax error shows the line."""
    project.write("tests/test_bad.py", "def broken(:\n")
    run = run_both(project)
    run.must_show("def broken(:", "SyntaxError")


def test_going_on_after_a_collection_error(project: Project) -> None:
    """`--continue-on-collection-errors` runs the rest."""
    project.write("tests/test_bad.py", "raise RuntimeError('no')\n")
    project.write("tests/test_good.py", "def test_good(): pass\n")
    run = run_both(project, "--continue-on-collection-errors")
    assert run.outcomes() == {"tests/test_good.py::test_good": "passed"}
    assert run.exit_code == 1


def test_modules_that_are_skipped(project: Project) -> None:
    """A skip at module level is a skip, with its reason and place."""
    project.write("tests/test_a.py", "import pytest\npytest.skip('not here', allow_module_level=True)\n")
    project.write("tests/test_b.py", "import pytest\npytest.importorskip('no_such_module_at_all')\n")
    project.write("tests/test_c.py", "def test_c(): pass\n")
    run = run_both(project, "-rs")
    assert run.exit_code == 0
    run.must_show("SKIPPED [1] tests/test_a.py:2: not here", "1 passed, 2 skipped")


def test_a_broken_conftest(project: Project) -> None:
    """A conftest.py of the suite that cannot be imported stops the run with its own traceback."""
    project.write("tests/conftest.py", "import no_such_module_at_all\n")
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run()
    assert run.exit_code == 4
    run.must_show("pytest in container 0 stopped before it had collected", "no_such_module_at_all")


def test_a_broken_conftest_deeper_in_the_suite(project: Project) -> None:
    """Found while collecting, it is an error of its folder."""
    project.write("tests/deep/conftest.py", "import no_such_module_at_all\n")
    project.write("tests/deep/test_a.py", "def test_a(): pass\n")
    project.write("tests/test_b.py", "def test_b(): pass\n")
    run = run_both(project)
    assert run.exit_code == 2


def test_an_ini_key_that_no_side_knows(project: Project) -> None:
    """A mistake in the configuration file is a mistake."""
    project.settings("strange_key = 1")
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run("--strict-config")
    assert run.exit_code == 4
    run.must_show("strange_key")


def test_a_mark_that_no_side_knows(project: Project) -> None:
    """An unknown mark under strict marks is a collection error."""
    project.settings("addopts = --strict-markers")
    project.write("tests/test_a.py", "import pytest\n@pytest.mark.strange\ndef test_a(): pass\n")
    run = run_both(project)
    assert run.exit_code == 2
    run.must_show("'strange' not found in `markers` configuration option")


def test_pytest_exit_while_collecting(project: Project) -> None:
    """`pytest.exit` in a module of the suite does what it does by hand."""
    project.write("tests/test_a.py", "import pytest\npytest.exit('enough of this', returncode=3)\n")
    run = run_both(project)
    run.must_show("enough of this")


def test_a_crash_while_collecting(project: Project) -> None:
    """A module that kills the process on import ends the run with exit code 7: no test is lost unseen."""
    project.write("tests/test_a.py", "import os\nos._exit(9)\n")
    run = project.run()
    assert run.exit_code == 7
    run.must_show("pytest in container 0 died while it collected", "exit code 9")


def test_an_internal_error_of_a_plugin(project: Project) -> None:
    """A hook of the suite that raises while collecting is shown with its traceback; it is not a green run."""
    project.write(
        "tests/conftest.py", "def pytest_collection_modifyitems(): raise RuntimeError('plugin bug')\n"
    )
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run()
    assert run.exit_code == 3
    run.must_show("plugin bug")


def test_an_environment_that_does_not_come_up(project: Project) -> None:
    """One error stands for the run; exit code 6, host tests still run."""
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run(DOCKERCI_TEST_START_FAILURE="the image could not be built")
    assert run.exit_code == 6
    run.must_show("dockerci::environment", "the image could not be built")
    assert run.outcomes() == {}
