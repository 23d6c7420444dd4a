"""Settings are read and checked; every mistake is told in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest

from pytest_dockerci.ci_systems import find_build_number
from pytest_dockerci.errors import SettingsError
from pytest_dockerci.report_folder import ReportSettings
from pytest_dockerci.setting_options import INI_OPTIONS
from pytest_dockerci.settings import Settings, parse_environ, parse_workers, read_settings

Read = Callable[..., Settings]


@pytest.fixture
def read(pytester: pytest.Pytester) -> Read:
    """Reads the settings of a pytest.ini with these lines."""
    pytester.mkdir("tests")
    pytester.mkdir("checks")

    def read_lines(
        *lines: str, args: tuple[str, ...] = (), environ: Mapping[str, str] | None = None
    ) -> Settings:
        pytester.makefile(".ini", pytest="\n".join(["[pytest]", *lines]))
        return read_settings(pytester.parseconfig(*args), environ or {})

    return read_lines


def test_defaults(read: Read, pytester: pytest.Pytester) -> None:
    """`testpaths` is enough."""
    assert read("testpaths = tests checks") == Settings(
        rootdir=pytester.path,
        service="",
        compose_files=(),
        suite=(PurePosixPath("tests"), PurePosixPath("checks")),
        host_suite=(),
        config_file=PurePosixPath("pytest.ini"),
        environ={},
        secrets=(),
        requirements=(),
        commands=(),
        container_root=None,
        path_pairs=(),
        start=(),
        workers=1,
        per_worker_stacks=False,
        ready_timeout_seconds=120.0,
        build_timeout_seconds=1800.0,
        test_timeout_seconds=0.0,
        allow=frozenset(),
        image_ref=None,
        reaper_image="python:3.13-alpine",
        is_strict=False,
        build_number=None,
        report=ReportSettings(),
        keep_expiry_seconds=None,
    )


def test_everything(read: Read, pytester: pytest.Pytester) -> None:
    """Each setting reaches its field."""
    settings = read(
        "dockerci_compose = compose.yaml 'my compose.yaml'",
        "dockerci_suite = tests/ ./checks tests",
        "dockerci_host_suite = checks",
        "dockerci_env =",
        "    A=1",
        "    PASSED",
        "dockerci_requirements =",
        "    pytest-cov>=4",
        "    -r requirements.txt",
        "dockerci_container_root = /srv/app",
        "dockerci_paths =",
        "    /opt/lib = lib",
        "dockerci_start = db cache",
        "dockerci_stack = per-worker",
        "dockerci_workers = 3",
        "dockerci_ready_timeout_seconds = 1.5",
        "dockerci_build_timeout_seconds = 0",
        "dockerci_test_timeout_seconds = 30",
        "dockerci_allow = privileged plain-tcp",
        args=("--dockerci-image", "shop:1"),
        environ={"PASSED": "through", "BUILD_NUMBER": "17"},
    )
    assert settings.compose_files == (pytester.path / "compose.yaml", pytester.path / "my compose.yaml")
    assert settings.suite == (PurePosixPath("tests"), PurePosixPath("checks"))
    assert settings.host_suite == (PurePosixPath("checks"),)
    assert settings.environ == {"A": "1", "PASSED": "through"}
    assert settings.requirements == ("pytest-cov>=4", "-r requirements.txt")
    assert settings.container_root == PurePosixPath("/srv/app")
    assert settings.path_pairs == ((PurePosixPath("/opt/lib"), pytester.path / "lib"),)
    assert settings.start == ("db", "cache")
    assert settings.per_worker_stacks
    assert settings.workers == 3
    assert settings.ready_timeout_seconds == 1.5
    assert settings.build_timeout_seconds == 0.0
    assert settings.test_timeout_seconds == 30.0
    assert settings.allow == {"privileged", "plain-tcp"}
    assert settings.image_ref == "shop:1"
    assert settings.build_number == "17"


def test_the_command_line_wins(read: Read) -> None:
    """`--dockerci-workers` is for a single run."""
    assert read("testpaths = tests", "dockerci_workers = 3", args=("--dockerci-workers", "2")).workers == 2


def test_a_suite_that_is_rootdir(read: Read) -> None:
    """The whole project may be the suite."""
    assert read("dockerci_suite = .").suite == (PurePosixPath("."),)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "testpaths =",
            (
                "pytest-dockerci: no tests are named for the container\n"
                "  why: neither dockerci_suite nor testpaths nor dockerci_command is set\n"
                "  try: add to pytest.ini: dockerci_suite = tests"
            ),
        ),
        (
            "dockerci_suite = missing",
            (
                "pytest-dockerci: dockerci_suite names missing, which does not exist\n"
                "  why: looked for {root}/missing\n"
                "  try: correct dockerci_suite, or create it"
            ),
        ),
        (
            "dockerci_suite = ../elsewhere",
            "pytest-dockerci: dockerci_suite = ../elsewhere cannot be used\n  try: write a path below {root}",
        ),
        (
            "dockerci_host_suite = nothing",
            (
                "pytest-dockerci: dockerci_host_suite names nothing, which does not exist\n"
                "  why: looked for {root}/nothing\n"
                "  try: correct dockerci_host_suite, or create it"
            ),
        ),
        (
            "dockerci_env = 1A=2",
            (
                "pytest-dockerci: dockerci_env = 1A=2 cannot be used\n"
                "  try: write KEY=VALUE, or KEY to pass the host's value through"
            ),
        ),
        (
            "dockerci_container_root = srv/app",
            (
                "pytest-dockerci: dockerci_container_root = srv/app cannot be used\n"
                "  try: write an absolute path in the image, for instance /app"
            ),
        ),
        (
            "dockerci_paths = lib",
            (
                "pytest-dockerci: dockerci_paths = lib cannot be used\n"
                "  try: write container=host, for instance /usr/src/lib=lib"
            ),
        ),
        (
            "dockerci_paths = lib=lib",
            (
                "pytest-dockerci: dockerci_paths = lib=lib cannot be used\n"
                "  try: write container=host, for instance /usr/src/lib=lib"
            ),
        ),
        (
            "dockerci_stack = both",
            "pytest-dockerci: dockerci_stack = both cannot be used\n  try: write shared, or per-worker",
        ),
        (
            "dockerci_workers = many",
            "pytest-dockerci: dockerci_workers = many cannot be used\n  try: write a number from 1 to 256, or auto",
        ),
        (
            "dockerci_ready_timeout_seconds = soon",
            (
                "pytest-dockerci: dockerci_ready_timeout_seconds = soon cannot be used\n"
                "  try: write a number of seconds, 0 or more"
            ),
        ),
        (
            "dockerci_test_timeout_seconds = -1",
            (
                "pytest-dockerci: dockerci_test_timeout_seconds = -1 cannot be used\n"
                "  try: write a number of seconds, 0 or more"
            ),
        ),
        (
            "dockerci_build_timeout_seconds = inf",
            (
                "pytest-dockerci: dockerci_build_timeout_seconds = inf cannot be used\n"
                "  try: write a number of seconds, 0 or more"
            ),
        ),
        (
            "dockerci_build_timeout_seconds = nan",
            (
                "pytest-dockerci: dockerci_build_timeout_seconds = nan cannot be used\n"
                "  try: write a number of seconds, 0 or more"
            ),
        ),
        (
            "dockerci_allow = root",
            (
                "pytest-dockerci: dockerci_allow = root cannot be used\n"
                "  try: write docker-socket, host-namespaces, plain-tcp, privileged, remote-include"
            ),
        ),
    ],
    ids=lambda value: value.split("\n")[0],
)
def test_a_mistake(read: Read, pytester: pytest.Pytester, line: str, text: str) -> None:
    """The setting, its value and what would be right."""
    others = () if line.startswith(("testpaths", "dockerci_suite")) else ("testpaths = tests",)
    with pytest.raises(SettingsError) as caught:
        read(line, *others)
    assert str(caught.value) == text.format(root=pytester.path)
    assert caught.value.exit_status == 4


def test_a_mistake_in_pyproject_toml(pytester: pytest.Pytester) -> None:
    """The advice names the file that the user has."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\ndockerci_workers = '1'\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(pytester.parseconfig(), {})
    assert caught.value.fix.startswith("add to pyproject.toml: ")


def test_a_mistake_as_the_user_sees_it(pytester: pytest.Pytester) -> None:
    """Exit code 4 and the text, without a traceback."""
    pytester.mkdir("tests")
    pytester.makefile(
        ".ini", pytest="[pytest]\ndockerci_service = web\ntestpaths = tests\ndockerci_workers = 0\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", timeout=60)
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            "*pytest-dockerci: dockerci_workers = 0 cannot be used",
            "  try: write a number from 1 to 256, or auto",
        ]
    )
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], {}),
        (["A=1", " B = x y "], {"A": "1", "B": "x y"}),
        (["A="], {"A": ""}),
        (["URL=postgres://u:p@db/x?a=b"], {"URL": "postgres://u:p@db/x?a=b"}),
        (["HOME"], {"HOME": "/root"}),
        (["MISSING"], {}),
        (["A=1", "A=2"], {"A": "2"}),
    ],
)
def test_the_testing_environment(lines: list[str], expected: dict[str, str]) -> None:
    """Values as they are written; a name alone passes the host's value, if there is one."""
    assert parse_environ(lines, {"HOME": "/root"}) == expected


@pytest.mark.parametrize("line", ["", "=1", "A-B=1", "A B", "\u00c4=1"])
def test_a_line_that_is_no_variable(line: str) -> None:
    """Names are those that every shell can set."""
    with pytest.raises(SettingsError):
        parse_environ([line], {})


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("256", 256), ("auto", 6)])
def test_a_number_of_workers(text: str, number: int) -> None:
    """A number, or as many as there are processors."""
    assert parse_workers(text, processors=6) == number


@pytest.mark.parametrize("text", ["0", "257", "-1", "1.5", "", "two", "\u00b2"])
def test_no_number_of_workers(text: str) -> None:
    """Everything else is a mistake."""
    with pytest.raises(SettingsError):
        parse_workers(text, processors=6)


@pytest.mark.parametrize(
    ("environ", "number"),
    [
        ({}, None),
        ({"BUILD_NUMBER": "12"}, "12"),
        ({"GITHUB_RUN_NUMBER": "3", "BUILD_NUMBER": "12"}, "3"),
        ({"CI_PIPELINE_IID": "4"}, "4"),
        ({"BUILDKITE_BUILD_NUMBER": "5"}, "5"),
        ({"CIRCLE_BUILD_NUM": "6"}, "6"),
        ({"BUILD_BUILDID": "7"}, "7"),
        ({"BUILD_NUMBER": ""}, None),
    ],
)
def test_the_build_number(environ: dict[str, str], number: str | None) -> None:
    """That of the CI system, if one runs us."""
    assert find_build_number(environ) == number


def test_every_setting_is_in_the_table_once() -> None:
    """Names are unique and carry our prefix."""
    names = [option.name for option in INI_OPTIONS]
    assert len(names) == len(set(names))
    assert all(name.startswith("dockerci_") for name in names)


def test_a_configuration_file_outside_of_rootdir(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """It has no place in the container."""
    root = pytester.mkdir("root")
    (root / "tests").mkdir()
    outside = pytester.makefile(".ini", elsewhere=f"[pytest]\ndockerci_suite = {root / 'tests'}\n")
    config = pytester.parseconfig("-c", str(outside), "--rootdir", str(root))
    assert read_settings(config, {}).config_file is None


def test_patterns_in_testpaths(read: Read, pytester: pytest.Pytester) -> None:
    """Patterns mean what they mean to pytest: the paths that match, in order."""
    pytester.mkdir("tests2")
    assert read("testpaths = tests* checks").suite == (
        PurePosixPath("tests"),
        PurePosixPath("tests2"),
        PurePosixPath("checks"),
    )
