"""Command-line options that one side only knows."""

from __future__ import annotations

import pytest

from acceptance.project import Project
from variants import soak_after

CONFTEST = """
    import pytest

    def pytest_addoption(parser):
        parser.addoption("--env", default="none")
        parser.addoption("-E", dest="letter")
        parser.addoption("--pair", nargs=2)
        parser.addoption("--flag", action="store_true")

    @pytest.fixture
    def given(pytestconfig):
        option = pytestconfig.option
        return f"env={option.env} letter={option.letter} pair={option.pair} flag={option.flag}"
    """
TEST = """
    def test_given(given, record_property):
        record_property("given", given)
    """


@pytest.fixture
def own(project: Project) -> Project:
    """A project whose suite defines options in its own conftest.py."""
    project.write("tests/conftest.py", CONFTEST)
    project.write("tests/test_a.py", TEST)
    return project


def given(project: Project, *args: str, addopts: str = "") -> str:
    """What the options were in the container; the run is green."""
    run = project.run(*args, PYTEST_ADDOPTS=f"-p no:hypothesispytest {addopts}")
    assert run.exit_code == 0, run.text
    assert run.outcomes() == {"tests/test_a.py::test_given": "passed"}
    return str(run.report("test_given", "teardown")["properties"][0][1])


@pytest.mark.parametrize(
    ("args", "expected"),
    soak_after(
        3,
        [
            (["--env=prod"], "env=prod letter=None pair=None flag=False"),
            (["--env", "prod"], "env=prod letter=None pair=None flag=False"),
            (["--env=my place"], "env=my place letter=None pair=None flag=False"),
            (["-E", "x", "-v"], "env=none letter=x pair=None flag=False"),
            (["-Ex"], "env=none letter=x pair=None flag=False"),
            (["--pair", "1", "-2", "--flag"], "env=none letter=None pair=['1', '-2'] flag=True"),
            (["--flag", "tests/test_a.py"], "env=none letter=None pair=None flag=True"),
            (["--flag", "tests/test_a.py::test_given"], "env=none letter=None pair=None flag=True"),
            (["--env", "tests"], "env=tests letter=None pair=None flag=False"),
            (["--env", "tests", "tests/test_a.py"], "env=tests letter=None pair=None flag=False"),
            (["tests/test_a.py", "--env", "pytest.ini"], "env=pytest.ini letter=None pair=None flag=False"),
        ],
    ),
)
def test_options_of_the_suite(own: Project, args: list[str], expected: str) -> None:
    """In every form; a word that follows is the option's value if the container's parser says so."""
    assert given(own, *args) == expected


def test_where_options_come_from(own: Project) -> None:
    """The configuration file's `addopts`, the variable PYTEST_ADDOPTS, a file: as the command line."""
    own.settings("addopts = --env=file -E x")
    assert given(own) == "env=file letter=x pair=None flag=False"
    assert given(own, "--env=line") == "env=line letter=x pair=None flag=False"
    assert given(own, addopts="--env shell") == "env=shell letter=x pair=None flag=False"
    if pytest.version_tuple < (8, 2):
        return  # which brought the form below
    own.write("options.txt", "--env\nlisted\n--flag\n")
    assert given(own, "@options.txt") == "env=listed letter=x pair=None flag=True"


@pytest.mark.soak
def test_from_a_folder_below(own: Project) -> None:
    """A path is the one that the user meant, whatever folder pytest was called in."""
    run = own.run("--flag", "test_a.py", cwd=own.host / "tests")
    assert run.outcomes() == {"tests/test_a.py::test_given": "passed"}


@pytest.mark.soak
def test_several_paths_after_a_flag(own: Project) -> None:
    """Their order stays."""
    own.write("tests/test_b.py", "def test_b(): pass\n")
    run = own.run("--flag", "tests/test_b.py", "tests/test_a.py")
    assert run.ids() == ["tests/test_b.py::test_b", "tests/test_a.py::test_given"]


def test_an_option_that_no_side_knows(own: Project) -> None:
    """The container's pytest refuses it: exit 4, its own words, no traceback."""
    run = own.run("--nonsense=1")
    assert run.exit_code == 4
    run.must_show("unrecognized arguments: --nonsense=1")
    assert "Traceback" not in run.text


def test_a_path_that_does_not_exist(own: Project) -> None:
    """After a flag of the suite, the container's pytest says so."""
    run = own.run("--flag", "tests/test_missing.py")
    assert run.exit_code == 4
    run.must_show("file or directory not found: tests/test_missing.py")


def test_a_run_without_container_tests(own: Project) -> None:
    """There, nobody can know a typed option; what `addopts` says is for the other runs."""
    own.settings("dockerci_suite = tests", "addopts = --env=file", suite="tests host")
    own.write("host/test_h.py", "def test_h(): pass\n")
    assert own.run("host").exit_code == 0
    run = own.run("host", "--flag")
    assert run.exit_code == 4
    run.must_show("unrecognized arguments: --flag", "no test of the container is selected")
    assert not own.was_started


@pytest.mark.soak
def test_distribution_without_xdist_on_the_host(own: Project) -> None:
    """`-n` never reaches the container: there it would hand the tests to other processes."""
    run = own.run("-p", "no:xdist", "-n", "2")
    assert run.exit_code == 4
    run.must_show("unrecognized arguments: -n", "--dockerci-workers")


def test_a_distribution_that_the_container_asks_for(own: Project) -> None:
    """pytest-xdist in the image, switched on by the testing environment, is not in control."""
    own.settings("dockerci_env =\n    PYTEST_ADDOPTS=-n 2 -p no:hypothesispytest")
    assert given(own) == "env=none letter=None pair=None flag=False"


def test_options_of_host_plugins(project: Project) -> None:
    """One that the container knows as well acts there; one that it does not know is left out there."""
    for root in (project.host, project.image):
        (root / "both.py").write_text(
            "def pytest_addoption(parser): parser.addoption('--both', default='-')\n"
        )
    project.write("mine.py", "def pytest_addoption(parser): parser.addoption('--mine', nargs=2, type=int)\n")
    project.write("conftest.py", "pytest_plugins = ['both', 'mine']\n")
    project.write("tests/conftest.py", "pytest_plugins = ['both']\n")
    project.write(
        "tests/test_a.py",
        """
        def test_a(pytestconfig):
            assert pytestconfig.option.both == "yes"
            assert not hasattr(pytestconfig.option, "mine")
        """,
    )
    run = project.run("--both=yes", "--mine", "1", "2")
    assert run.exit_code == 0, run.text


@pytest.mark.soak
def test_reruns_stay_on_the_host(project: Project) -> None:
    """Reruns happen once, though pytest-rerunfailures is on both sides."""
    project.write("tests/test_a.py", "def test_a():\n    open('ran', 'a').write('x')\n    assert 0\n")
    run = project.run("--reruns=2")
    assert (project.image / "ran").read_text() == "xxx"
    run.must_show("1 failed, 2 rerun")


def test_plugins_named_by_p(project: Project) -> None:
    """`-p` acts on both sides; what the container does not have is told, once."""
    for root in (project.host, project.image):
        (root / "both.py").write_text("import pytest\n@pytest.fixture\ndef both(): return 1\n")
    project.write("mine.py", "")
    project.write(
        "tests/test_a.py",
        "def test_a(both, pytestconfig): assert not pytestconfig.pluginmanager.hasplugin('doctest')\n",
    )
    run = project.run("-p", "both", "-p", "mine", "-p", "no:doctest")
    assert run.exit_code == 0, run.text
    assert [event["text"] for event in run.of_kind("warning")] == [
        "-p mine: there is no such plugin in the container"
    ]


def test_a_plugin_that_cannot_be_imported_in_the_container(project: Project) -> None:
    """Found there, but broken: that is an error, as by hand."""
    project.write("both.py", "")
    project.write_image("both.py", "import no_such_module_at_all\n")
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run("-p", "both")
    assert run.exit_code not in (0, 1)
    run.must_show("no_such_module_at_all")


def test_a_plugin_of_the_container_alone(project: Project) -> None:
    """The variable PYTEST_PLUGINS of the testing environment loads it there."""
    project.settings("dockerci_env =\n    PYTEST_PLUGINS=only_there")
    project.write_image("only_there.py", "import pytest\n@pytest.fixture\ndef there(): return 1\n")
    project.write("tests/test_a.py", "def test_a(there): pass\n")
    assert project.run().exit_code == 0


@pytest.mark.soak
def test_without_a_cache(project: Project) -> None:
    """`-p no:cacheprovider` acts on both sides, and is no mistake under strict configuration."""
    project.write("tests/test_a.py", "def test_a(pytestconfig): assert not hasattr(pytestconfig, 'cache')\n")
    run = project.run("-p", "no:cacheprovider", "--strict-config")
    assert run.exit_code == 0, run.text
    assert run.of_kind("warning") == []


def test_paths_of_the_command_line(project: Project) -> None:
    """`--ignore` and `--confcutdir` name folders of the host, from wherever pytest was called."""
    project.write("tests/a/test_a.py", "def test_a(): pass\n")
    project.write("tests/b/test_b.py", "def test_b(): pass\n")
    project.write("tests/c/test_c.py", "def test_c(): pass\n")
    assert project.run("--ignore=a", cwd=project.host / "tests").ids() == [
        "tests/b/test_b.py::test_b",
        "tests/c/test_c.py::test_c",
    ]
    assert project.run(f"--ignore={project.host}/tests/a", "--ignore-glob=tests/[c]").ids() == [
        "tests/b/test_b.py::test_b"
    ]
    project.write("tests/conftest.py", "raise RuntimeError('above confcutdir')\n")
    assert project.run("--confcutdir=tests/b", "tests/b").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["tests.deep.test_b"],
        ["tests.deep", "-k", "two"],
        ["tests.test_a", "tests/deep/test_b.py::test_two"],
        ["tests.no_such_module"],
    ],
    ids=" ".join,
)
def test_modules_named_as_python_does(project: Project, words: list[str]) -> None:
    """`--pyargs` takes names that the host can import, beside files: the same tests as by hand, and the same errors."""
    for folder in ("tests", "tests/deep"):
        project.write(f"{folder}/__init__.py", "")
    project.write("tests/test_a.py", "def test_one(): pass\n")
    project.write("tests/deep/test_b.py", "def test_one(): pass\ndef test_two(): assert 0\n")
    run, plain = project.run("--pyargs", *words), project.run_plainly("--pyargs", *words)
    assert (run.exit_code, run.ids(), run.outcomes()) == (plain.exit_code, plain.ids(), plain.outcomes())
    assert run.exit_code == (4 if "no_such_module" in words[0] else 1)


FIXTURES = """
    import pytest
    from pathlib import Path
    @pytest.fixture
    def place():
        Path("was-set-up").touch()
        return 1
    def test_place(place): Path("was-run").touch()
    """


@pytest.mark.parametrize(
    ("option", "sets_up", "runs"),
    soak_after(
        1, [("--setup-plan", False, False), ("--setup-only", True, False), ("--setup-show", True, True)]
    ),
)
def test_showing_fixtures(project: Project, option: str, *, sets_up: bool, runs: bool) -> None:
    """The container's fixtures are shown; a plan sets nothing up, and only `--setup-show` runs the tests."""
    project.write("tests/test_a.py", FIXTURES)
    run = project.run(option)
    assert run.exit_code == 0, run.text
    run.must_show(
        "SETUP    F place", "tests/test_a.py::test_place (fixtures used: place)", "TEARDOWN F place"
    )
    assert run.text.count("::test_place") == 1
    assert (project.image / "was-set-up").exists() == sets_up
    assert (project.image / "was-run").exists() == runs


@pytest.mark.soak
def test_without_a_terminal_reporter(project: Project) -> None:
    """`-p no:terminal` switches pytest's lines off, and nothing else."""
    project.write("tests/test_a.py", "def test_a(): pass\ndef test_b(): assert 0\n")
    run = project.run("-p", "no:terminal")
    assert run.exit_code == 1
    assert list(run.outcomes().values()) == ["passed", "failed"]


@pytest.mark.soak
def test_a_line_shows_when_it_is_written(project: Project) -> None:
    """Under `-s` output is there while the test runs: before its outcome, though nobody flushes it."""
    project.write(
        "tests/test_a.py", "import time\ndef test_a():\n    print('on the way')\n    time.sleep(0.5)\n"
    )
    project.run("-s", "-v").must_show("::test_a", "on the way", "PASSED")
