"""One configuration file for two sides: ini keys, markers, plugins, filters of warnings, places."""

from __future__ import annotations

import pytest

from acceptance.plain_run import run_both
from acceptance.project import Project
from variants import soak_after

PASSES = "def test_a(): pass\n"


def warnings_of(project: Project, *args: str) -> list[str]:
    """The texts of the warnings of a green run."""
    run = project.run(*args)
    assert run.exit_code == 0, run.text
    return [str(event["text"]) for event in run.of_kind("warning")]


def test_ini_keys(project: Project) -> None:
    """A key that one side knows is no mistake, under strict configuration too; one of neither is, once."""
    project.settings("of_host = 1", "of_suite = 2")
    project.write("conftest.py", "def pytest_addoption(parser): parser.addini('of_host', 'mine')\n")
    project.write(
        "tests/conftest.py", "def pytest_addoption(parser): parser.addini('of_suite', 'mine', default='0')\n"
    )
    project.write(
        "tests/test_a.py", "def test_a(pytestconfig): assert pytestconfig.getini('of_suite') == '2'\n"
    )
    assert warnings_of(project, "--strict-config") == []
    project.settings("of_nobody = 3", "of_suite = 2")
    assert [text.strip() for text in warnings_of(project)] == ["Unknown config option: of_nobody"]
    run = project.run("--strict-config")
    assert run.exit_code == 4
    run.must_show("Unknown config option: of_nobody")


def test_markers(project: Project) -> None:
    """Either side's plugins register markers for both, in marks and in `-m`, under strict markers."""
    project.settings("addopts = --strict-markers")
    project.write(
        "conftest.py",
        "def pytest_configure(config): config.addinivalue_line('markers', 'of_host(n): mine')\n",
    )
    project.write(
        "tests/conftest.py",
        "def pytest_configure(config): config.addinivalue_line('markers', 'of_suite: mine')\n",
    )
    project.write(
        "tests/test_a.py",
        """
        import pytest
        @pytest.mark.of_host(1)
        def test_a(): pass
        @pytest.mark.of_suite
        def test_b(): pass
        """,
    )
    assert project.run("-m", "of_host").outcomes() == {"tests/test_a.py::test_a": "passed"}
    assert project.run("-m", "of_suite").outcomes() == {"tests/test_a.py::test_b": "passed"}


def test_required_plugins(project: Project) -> None:
    """Each must be on one of the sides; where neither has it, the error says where it was looked for."""
    project.settings("required_plugins = pytest-xdist pytest-dockerci>=0.1 no-such-plugin>=2")
    project.write("tests/test_a.py", PASSES)
    run = project.run()
    assert run.exit_code == 4
    run.must_show("Missing required plugins: no-such-plugin>=2", "looked on the host", "and in the container")
    assert "Traceback" not in run.text
    _distribution(project.image, "no-such-plugin", "2.1")
    assert project.run().exit_code == 0
    _distribution(project.image, "no-such-plugin", "1.9")
    assert project.run().exit_code == 4
    assert project.run("--no-dockerci").exit_code == 4


def _distribution(folder: object, name: str, version: str) -> None:
    """An installed plugin, as `python -m pytest` finds it in its current directory."""
    from pathlib import Path  # noqa: PLC0415 - used here only

    root = Path(str(folder))
    info = root / "no_such_plugin.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[pytest11]\nno_such = no_such_plugin\n")
    (info / "RECORD").write_text("")
    (root / "no_such_plugin.py").write_text("")


def test_minversion(project: Project) -> None:
    """Both sides have to meet it."""
    project.settings("minversion = 99")
    project.write("tests/test_a.py", PASSES)
    run = project.run()
    assert run.exit_code == 4
    run.must_show("'minversion' requires pytest-99")


def test_a_warning_class_of_the_image(project: Project) -> None:
    """The host, which cannot import it, neither fails nor warns; in the container the filter acts."""
    project.settings("filterwarnings =\n    error::shop_warnings.CarefulWarning")
    project.write_image("shop_warnings.py", "class CarefulWarning(Warning): pass\n")
    project.write(
        "tests/test_a.py",
        "import warnings, shop_warnings\n"
        "def test_a(): warnings.warn('careful', shop_warnings.CarefulWarning)\n"
        "def test_b(): warnings.warn('told', UserWarning)\n",
    )
    run = project.run("-W", "ignore::shop_warnings.CarefulWarning")
    assert run.exit_code == 0, run.text
    assert [event["text"] for event in run.of_kind("warning")] == ["told"]
    run = project.run()
    assert run.outcomes() == {"tests/test_a.py::test_a": "failed", "tests/test_a.py::test_b": "passed"}
    assert [event["text"] for event in run.of_kind("warning")] == ["told"]


@pytest.mark.soak
def test_a_warning_class_that_no_side_has(project: Project) -> None:
    """That is the container's to say, as by hand."""
    project.settings("filterwarnings =\n    ignore::no_such_module_at_all.Warned")
    project.write("tests/test_a.py", PASSES)
    run = project.run()
    assert run.exit_code == project.run_plainly().exit_code
    assert "no_such_module_at_all" in run.text


def test_settings_that_act_in_the_container(project: Project) -> None:
    """Names, folders, fixtures, import path and ignored files: as by hand in the image."""
    project.settings(
        "python_files = check_*.py",
        "python_functions = check_*",
        "usefixtures = noted",
        "norecursedirs = left_out",
        "pythonpath = lib",
    )
    project.write_image("lib/of_the_image.py", "")
    project.write(
        "tests/conftest.py",
        """
        import pytest
        collect_ignore = ["check_ignored.py"]
        collect_ignore_glob = ["*_globbed.py"]
        @pytest.fixture
        def noted(record_property): record_property("noted", 1)
        """,
    )
    project.write("tests/check_a.py", "import of_the_image\ndef check_a(): pass\ndef test_no(): pass\n")
    for name in ("check_ignored.py", "check_globbed.py", "left_out/check_b.py", "test_c.py"):
        project.write(f"tests/{name}", "raise RuntimeError('not to be collected')\n")
    run = run_both(project)
    assert run.outcomes() == {"tests/check_a.py::check_a": "passed"}
    assert run.report("check_a", "teardown")["properties"] == [["noted", 1]]


@pytest.mark.parametrize(
    ("name", "text"),
    soak_after(
        1,
        [
            (
                "pyproject.toml",
                '[tool.pytest.ini_options]\ndockerci_service = "web"\ntestpaths = ["tests"]\n',
            ),
            ("tox.ini", "[pytest]\ndockerci_service = web\ntestpaths = tests\n"),
            ("setup.cfg", "[tool:pytest]\ndockerci_service = web\ntestpaths = tests\n"),
            ("pytest.toml", '[pytest]\ndockerci_service = "web"\ntestpaths = ["tests"]\n'),
        ],
    ),
)
def test_configuration_files(project: Project, name: str, text: str) -> None:
    """Every file that pytest reads will do; the container reads the same one."""
    if name == "pytest.toml" and pytest.version_tuple < (9, 0):
        pytest.skip("pytest 9.0 brought pytest.toml")
    (project.host / "pytest.ini").unlink()
    project.write(name, text)
    project.write(
        "tests/test_a.py", f"def test_a(pytestconfig): assert pytestconfig.inipath.name == {name!r}\n"
    )
    assert project.run().outcomes() == {"tests/test_a.py::test_a": "passed"}


@pytest.mark.soak
def test_another_configuration_file(project: Project) -> None:
    """`-c` and `--rootdir` name places of the host; the container has its own."""
    project.write(
        "ci/other.ini", "[pytest]\ndockerci_service = web\ntestpaths = tests\nmarkers = other: mine\n"
    )
    (project.image / "ci").mkdir()
    project.write("tests/test_a.py", "import pytest\n@pytest.mark.other\ndef test_a(): pass\n")
    run = project.run("-c", "ci/other.ini", "--rootdir=.", "--strict-markers")
    assert run.outcomes() == {"tests/test_a.py::test_a": "passed"}, run.text


def test_the_environment_of_each_side(project: Project) -> None:
    """PYTEST_PLUGINS of the host loads there; PYTEST_ADDOPTS of `dockerci_env` acts in the container."""
    project.settings(
        "dockerci_env =\n    PYTEST_PLUGINS=\n    PYTEST_ADDOPTS=-p no:hypothesispytest -k test_b"
    )
    project.write("host_tool.py", "import os\nassert 'DOCKERCI' not in os.environ\n")
    project.write("tests/test_a.py", "def test_a(): pass\ndef test_b(): pass\n")
    run = project.run(PYTEST_PLUGINS="host_tool")
    assert run.outcomes() == {"tests/test_a.py::test_b": "passed"}, run.text
