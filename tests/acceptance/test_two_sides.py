"""What belongs to the host, what belongs to the container, and that neither loads the other's."""

from __future__ import annotations

import pytest

from acceptance.project import Project

WHERE = "import os\ndef where(): return 'container' if os.environ.get('DOCKERCI') else 'host'\n"


def test_a_conftest_of_the_suite_is_never_imported_on_the_host(project: Project) -> None:
    """Its imports need not exist on the host, and its hooks do not run there."""
    project.write(
        "tests/conftest.py",
        """
        import os, pytest
        from pathlib import Path
        Path(__file__).with_name("imported").write_text(os.environ.get("DOCKERCI", "host"))

        @pytest.fixture
        def place(): return "container"
        """,
    )
    project.write("tests/deep/conftest.py", "import os\nassert os.environ['DOCKERCI']\n")
    project.write("tests/deep/test_a.py", "def test_a(place): assert place == 'container'\n")
    project.write("tests/test_b.py", "import os\nassert os.environ['DOCKERCI']\ndef test_b(place): pass\n")
    run = project.run()
    assert set(run.outcomes().values()) == {"passed"}
    assert not (project.host / "tests/imported").exists()
    assert (project.image / "tests/imported").read_text() == "1"


def test_the_root_conftest_stays_on_the_host(project: Project) -> None:
    """Even when the image holds one, the container's pytest does not load it."""
    project.write("conftest.py", "import os\nassert 'DOCKERCI' not in os.environ\n")
    project.write_image("conftest.py", "raise RuntimeError('never to be loaded')\n")
    project.write("tests/test_a.py", "def test_a(): pass\n")
    assert project.run().exit_code == 0


def test_a_root_conftest_that_the_suite_names_is_shared(project: Project) -> None:
    """Listed in `dockerci_suite`, both sides load it."""
    project.settings("dockerci_suite = tests conftest.py")
    project.write(
        "conftest.py",
        """
        import os, pytest
        def pytest_configure(config): config.addinivalue_line("markers", "shared: known to both")
        @pytest.fixture
        def place(): return "container" if os.environ.get("DOCKERCI") else "host"
        """,
    )
    project.write("tests/test_a.py", "def test_a(place): assert place == 'container'\n")
    run = project.run()
    assert run.outcomes() == {"tests/test_a.py::test_a": "passed"}
    assert run.exit_code == 0


def test_host_tests_and_container_tests_in_one_run(project: Project) -> None:
    """Each runs on its side, in the order of the arguments."""
    project.settings("dockerci_suite = tests", suite="host_first tests host_last")
    for folder, place in (("host_first", "host"), ("tests", "container"), ("host_last", "host")):
        project.write(f"{folder}/test_{folder}.py", f"{WHERE}def test_place(): assert where() == '{place}'\n")
    run = project.run()
    assert run.outcomes() == {
        "host_first/test_host_first.py::test_place": "passed",
        "tests/test_tests.py::test_place": "passed",
        "host_last/test_host_last.py::test_place": "passed",
    }
    assert list(run.outcomes()) == run.ids()


@pytest.mark.soak
def test_a_host_suite_below_the_suite(project: Project) -> None:
    """`dockerci_host_suite` stays on the host, with its own conftest.py."""
    project.settings("dockerci_suite = tests", "dockerci_host_suite = tests/outside")
    project.write("tests/conftest.py", "import os\nassert os.environ['DOCKERCI']\n")
    project.write("tests/outside/conftest.py", "import pytest\n@pytest.fixture\ndef mine(): return 1\n")
    project.write("tests/outside/test_out.py", f"{WHERE}def test_out(mine): assert where() == 'host'\n")
    project.write("tests/test_in.py", f"{WHERE}def test_in(): assert where() == 'container'\n")
    run = project.run()
    assert run.outcomes() == {
        "tests/outside/test_out.py::test_out": "passed",
        "tests/test_in.py::test_in": "passed",
    }
    assert run.exit_code == 0
    alone = project.run("tests/outside/test_out.py::test_out")
    assert alone.outcomes() == {"tests/outside/test_out.py::test_out": "passed"}


@pytest.mark.soak
def test_host_files_deep_below_the_suite(project: Project) -> None:
    """A file in a folder that the container does not even have a test in stays on the host."""
    project.settings("dockerci_suite = tests", "dockerci_host_suite = tests/a/b/test_out.py tests/test_z.py")
    for path in ("tests/a/b/test_out.py", "tests/test_z.py"):
        project.write(path, f"{WHERE}def test_out(): assert where() == 'host'\n")
    project.write("tests/test_in.py", f"{WHERE}def test_in(): assert where() == 'container'\n")
    run = project.run()
    assert run.outcomes() == {
        "tests/a/b/test_out.py::test_out": "passed",
        "tests/test_in.py::test_in": "passed",
        "tests/test_z.py::test_out": "passed",
    }
    assert project.run("--ignore=tests/a").ids() == ["tests/test_in.py::test_in", "tests/test_z.py::test_out"]


def test_nothing_is_started_for_host_tests_alone(project: Project) -> None:
    """Without a container test among the arguments there is no image, no container, no line of ours."""
    project.settings("dockerci_suite = tests", suite="tests host")
    project.write("tests/test_in.py", "def test_in(): pass\n")
    project.write("host/test_out.py", "def test_out(): pass\n")
    run = project.run("host")
    assert run.outcomes() == {"host/test_out.py::test_out": "passed"}
    assert not project.was_started
    assert "dockerci:" not in run.text


def test_a_host_fixture_starts_the_environment(project: Project) -> None:
    """A host test that asks for a fixture of ours has an environment, though no container test is selected."""
    project.settings("dockerci_suite = tests", suite="tests host")
    project.write("tests/test_in.py", "def test_in(): pass\n")
    project.write(
        "host/test_out.py",
        """
        def test_image(dockerci_image): assert dockerci_image.tags == ("local:test",)
        def test_container(dockerci_container): assert dockerci_container.name == "local-test-0"
        def test_services(dockerci_services): assert dict(dockerci_services) == {}
        """,
    )
    run = project.run("host")
    assert set(run.outcomes().values()) == {"passed"}
    assert project.was_started


def test_switched_off_for_one_run(project: Project) -> None:
    """`--no-dockerci` runs everything on the host."""
    project.write("tests/conftest.py", "")
    project.write("tests/test_a.py", f"{WHERE}def test_a(): assert where() == 'host'\n")
    assert project.run("--no-dockerci").exit_code == 0
    assert not project.was_started


def test_a_project_without_a_service_is_left_alone(project: Project) -> None:
    """Where `dockerci_service` is not set, the plugin does nothing."""
    project.write("pytest.ini", "[pytest]\ntestpaths = tests\n")
    project.write("tests/test_a.py", f"{WHERE}def test_a(): assert where() == 'host'\n")
    run = project.run()
    assert run.exit_code == 0
    assert not project.was_started


def test_the_testing_environment(project: Project) -> None:
    """`dockerci_env` reaches the tests, and the worker knows its number."""
    project.settings("dockerci_env =\n    ENVIRONMENT=testing\n    MAGIC_WORD")
    project.write(
        "tests/test_a.py",
        """
        import os
        def test_a():
            assert os.environ["ENVIRONMENT"] == "testing"
            assert os.environ["MAGIC_WORD"] == "sesame"
            assert os.environ["DOCKERCI_WORKER"] == "0"
            assert "PYTEST_XDIST_WORKER" not in os.environ
        """,
    )
    assert project.run(MAGIC_WORD="sesame").exit_code == 0


def test_the_working_directory_and_the_path(project: Project) -> None:
    """As by hand in the image: the root is the current directory and comes first on the path."""
    project.write_image("app.py", "NAME = 'the app of the image'\n")
    project.write("app.py", "NAME = 'not to be found'\n")
    project.write(
        "tests/test_a.py",
        """
        import os, sys
        from pathlib import Path
        def test_a(pytestconfig):
            import app
            assert app.NAME == "the app of the image"
            assert Path.cwd() == Path(app.__file__).parent == pytestconfig.rootpath
            assert sys.argv[0].endswith("pytest/__main__.py")
        """,
    )
    assert project.run().exit_code == 0


def test_options_that_only_one_side_knows(project: Project) -> None:
    """An ini key of a host plugin is no mistake in the container, and the other way round."""
    project.settings("host_key = 1", "strict_config = true")
    project.write("conftest.py", "def pytest_addoption(parser): parser.addini('host_key', 'of the host')\n")
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run()
    assert run.exit_code == 0
    assert run.of_kind("warning") == []


def test_a_container_test_that_asks_for_a_fixture_of_the_host(project: Project) -> None:
    """The error names the setting that keeps such a test on the host."""
    project.write("tests/test_a.py", "def test_a(dockerci_services): pass\n")
    run = project.run()
    assert run.outcomes() == {"tests/test_a.py::test_a": "setup failed"}
    run.must_show("fixture 'dockerci_services' not found", "dockerci_host_suite")


def test_a_service_that_is_never_ready(project: Project) -> None:
    """Known ids each get an error "not run" with the cause; exit code 6; nothing runs."""
    project.write(
        "tests/test_a.py", "from pathlib import Path\ndef test_a(): Path('ran').touch()\ndef test_b(): pass\n"
    )
    run = project.run(DOCKERCI_TEST_READY_FAILURE='service "db" is not ready')
    assert run.exit_code == 6
    assert run.outcomes() == {
        "tests/test_a.py::test_a": "setup failed",
        "tests/test_a.py::test_b": "setup failed",
    }
    run.must_show('not run: service "db" is not ready', "why: the test said so")
    assert not (project.image / "ran").exists()


def test_what_is_left_behind_is_told(project: Project) -> None:
    """A green run whose clean-up is incomplete exits with 9 and lists what is left."""
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run(DOCKERCI_TEST_LEFTOVERS="container-a volume-b")
    assert run.exit_code == 9
    run.must_show("clean-up incomplete", "container-a", "volume-b")


def test_a_red_run_with_leftovers_is_red(project: Project) -> None:
    """Failures say more than an incomplete clean-up: exit code 1."""
    project.write("tests/test_a.py", "def test_a(): assert 0\n")
    assert project.run(DOCKERCI_TEST_LEFTOVERS="container-a").exit_code == 1
