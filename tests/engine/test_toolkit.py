"""What is brought into an image: requirements, resolution, the suite's files."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from pytest_dockerci.engine.archive import ArchiveWriter
from pytest_dockerci.engine.command import Commands
from pytest_dockerci.engine.python_facts import PythonFacts
from pytest_dockerci.engine.requirements import parse_requirements
from pytest_dockerci.engine.resolution import (
    NeedsSourceError,
    constraint_lines,
    missing_pins,
    resolve_pins,
    uv_platform,
)
from pytest_dockerci.engine.suite_paths import SuitePaths, differing_files, sort_suite, suite_mounts
from pytest_dockerci.engine.toolkit import toolkit_key
from pytest_dockerci.errors import SettingsError, ToolkitError
from variants import soak_after

from .engine_project import PYTHON_IMAGE, SUITE, Project, python_in

PYTHON_IMAGES = sorted(
    {
        PYTHON_IMAGE,
        *(
            os.environ[name]
            for name in os.environ
            if name.startswith("PYTHON_3_") and name.endswith("_IMAGE")
        ),
    }
)


def facts(
    *,
    version: tuple[int, ...] = (3, 13, 5),
    libc: str = "glibc",
    libc_version: str = "2.41",
    machine: str = "x86_64",
    installed: Mapping[str, str] | None = None,
    paths: Mapping[str, str] | None = None,
) -> PythonFacts:
    """An image's Python."""
    return PythonFacts(
        executable="/usr/bin/python3",
        version=version,
        implementation="CPython",
        prefix="/usr",
        base_prefix="/usr",
        libc=libc,
        libc_version=libc_version,
        machine=machine,
        uid=0,
        gid=0,
        cwd="/app",
        path=(),
        installed=dict(installed or {}),
        paths=dict(paths or {}),
    )


@pytest.mark.parametrize(
    ("seen", "platform"),
    [
        (facts(), "x86_64-manylinux_2_40"),
        (facts(libc_version="2.36"), "x86_64-manylinux_2_36"),
        (facts(libc_version="2.30"), "x86_64-manylinux_2_28"),
        (facts(libc_version="2.12"), "x86_64-manylinux_2_17"),
        (facts(machine="aarch64", libc_version="2.31"), "aarch64-manylinux_2_31"),
        (facts(libc="musl", libc_version="1.2.5"), "x86_64-unknown-linux-musl"),
        (facts(libc="musl", machine="aarch64"), "aarch64-unknown-linux-musl"),
        (facts(machine="riscv64"), "riscv64-unknown-linux"),
    ],
)
def test_the_platform_is_the_images(seen: PythonFacts, platform: str) -> None:
    """Never newer than its libc."""
    assert uv_platform(seen) == platform


def test_a_platform_that_uv_does_not_know_is_built_on() -> None:
    """In the image itself."""
    with pytest.raises(NeedsSourceError, match="armv7l"):
        uv_platform(facts(machine="armv7l"))


@pytest.mark.parametrize(
    ("seen", "pytest_version"),
    [
        (facts(version=(3, 8, 20), libc_version="2.31"), "8.3.5"),
        (facts(version=(3, 12, 1), libc="musl"), "9.0.0"),
        (facts(installed={"pytest": "8.4.2"}), None),
        (facts(installed={"packaging": "24.0"}), "9.0.0"),
    ],
)
def test_pytest_is_the_hosts_where_the_image_allows_it(
    tmp_path: Path, seen: PythonFacts, pytest_version: str | None
) -> None:
    """Python 3.8 gets the newest that runs there; an installed one stays, and so does the rest."""
    requirements = parse_requirements(["pytest"], tmp_path)
    pins = resolve_pins(Commands(os.environ), seen, requirements, uv_platform(seen), {"pytest": "9.0.0"})
    versions = dict(pin.split("==") for pin in pins)
    assert versions.get("pytest") == pytest_version
    assert not set(seen.installed) & set(versions)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((3, 12, 1), {"pytest": "9.0.0", "coverage": "7.15.0"}),
        ((3, 9, 1), {"pytest": "8.4.2", "coverage": "7.10.7"}),
    ],
)
def test_the_hosts_versions_are_preferred(
    tmp_path: Path, version: tuple[int, ...], expected: dict[str, str]
) -> None:
    """As many of them as the image's Python allows, the first ones first."""
    requirements = parse_requirements(["pytest", "coverage"], tmp_path)
    seen = facts(version=version)
    host_versions = {"pytest": "9.0.0", "coverage": "7.15.0"}
    pins = resolve_pins(Commands(os.environ), seen, requirements, uv_platform(seen), host_versions)
    versions = dict(pin.split("==") for pin in pins)
    assert {name: versions[name] for name in expected} == expected


def test_no_solution_is_told_in_uvs_words(tmp_path: Path) -> None:
    """With the Python of the image."""
    seen = facts(installed={"pluggy": "0.13.1"})
    requirements = parse_requirements(["pytest>=9"], tmp_path)
    with pytest.raises(ToolkitError) as caught:
        resolve_pins(Commands(os.environ), seen, requirements, uv_platform(seen), {"pytest": "9.0.0"})
    text = str(caught.value)
    assert "no versions fit its Python 3.13.5 and what is installed there" in text
    assert "pluggy" in text
    assert "0.13.1" in text


def test_constraints_leave_out_what_no_index_can_have() -> None:
    """Versions that are none."""
    seen = facts(installed={"b": "1.0", "a": "2!1.0.dev1", "bad": "1.0-custom-build", "0ops!": "1"})
    assert constraint_lines(seen) == ["a==2!1.0.dev1", "b==1.0"]


def test_what_the_image_has_is_left_out() -> None:
    """Whatever its name's spelling."""
    lines = ["# by uv", "", "Foo_Bar==1.0", "baz==2.0  # via foo", "qux @ https://host/qux.whl"]
    assert missing_pins(lines, {"foo-bar": "1.0", "BAZ": "1.9"}) == ("baz==2.0", "qux @ https://host/qux.whl")


def test_the_key_of_a_toolkit_follows_what_it_is_made_from(tmp_path: Path) -> None:
    """Files and groups by their content, includes too."""
    (tmp_path / "pyproject.toml").write_text("[dependency-groups]\ntest = ['attrs']\n")
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("attrs\n")
    texts = ["pytest", "-r a.txt", "group:test"]
    keys = [toolkit_key(facts(), parse_requirements(texts, tmp_path), {"pytest": "9"})]
    keys.append(toolkit_key(facts(), parse_requirements(texts, tmp_path), {"pytest": "9"}))
    (tmp_path / "b.txt").write_text("attrs>=20\n")
    keys.append(toolkit_key(facts(), parse_requirements(texts, tmp_path), {"pytest": "9"}))
    (tmp_path / "pyproject.toml").write_text("[dependency-groups]\ntest = []\n")
    keys.append(toolkit_key(facts(), parse_requirements(texts, tmp_path), {"pytest": "9"}))
    keys.append(toolkit_key(facts(version=(3, 12, 0)), parse_requirements(texts, tmp_path), {"pytest": "9"}))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_requirements_are_written_out_for_pip(tmp_path: Path) -> None:
    """Files with their includes, groups with theirs."""
    (tmp_path / "pyproject.toml").write_text(
        "[dependency-groups]\nBase_one = ['pluggy']\ntest = ['attrs', {include-group = 'base-one'}]\n"
    )
    (tmp_path / "a.txt").write_text("-r b.txt\nsix\n")
    (tmp_path / "b.txt").write_text("idna\n")
    requirements = parse_requirements(["pytest", "-r a.txt", "group:test"], tmp_path)
    assert requirements.flat_lines() == ["pytest", "six", "idna", "attrs", "pluggy"]
    with pytest.raises(SettingsError, match=r"group:tset cannot be read(.|\n)*its groups: base-one, test"):
        parse_requirements(["group:tset"], tmp_path).flat_lines()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("pytest >= ", "'pytest >= ' is no requirement"),
        ("-r nope.txt", "nope.txt, which does not exist"),
        ("group:test", "pyproject.toml, which does not exist"),
    ],
)
def test_a_requirement_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, what: str) -> None:
    """With the setting's name."""
    with pytest.raises(SettingsError) as caught:
        parse_requirements([text], tmp_path)
    assert what in str(caught.value)
    assert "dockerci_requirements" in str(caught.value)


def suite(root: Path, *names: str) -> SuitePaths:
    """A suite below ``/app``."""
    paths = [PurePosixPath(name) for name in names]
    return sort_suite(root, PurePosixPath("/app"), paths, PurePosixPath("pytest.ini"), ())


def test_a_suite_is_sorted_into_folders_and_single_files(tmp_path: Path) -> None:
    """What lies below another entry is left out; what does not exist is an error."""
    (tmp_path / "tests/unit").mkdir(parents=True)
    for name in ("tests/test_a.py", "conftest.py", "pytest.ini"):
        (tmp_path / name).touch()
    paths = suite(tmp_path, "tests", "tests/unit", "tests/test_a.py", "conftest.py")
    assert [str(path) for path in paths.folders] == ["tests"]
    assert [str(path) for path in paths.files] == ["conftest.py", "pytest.ini"]
    whole = suite(tmp_path, ".", "tests")
    assert (whole.container_paths, whole.files) == ((PurePosixPath("/app"),), ())
    with pytest.raises(SettingsError, match="the suite names nope, which does not exist"):
        suite(tmp_path, "nope")


def test_only_differing_files_are_mounted(tmp_path: Path) -> None:
    """Each by subpath of one volume, folders as volumes of their own."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("")
    (tmp_path / "conftest.py").write_text("x")
    paths = suite(tmp_path, "tests", "conftest.py")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    files = differing_files(paths, facts(paths={"/app/pytest.ini": empty, "/app/conftest.py": empty}))
    assert files == (PurePosixPath("conftest.py"),)
    assert suite_mounts(paths, files, "p-0") == (
        {"type": "volume", "source": "p-0-suite-0", "target": "/app/tests", "volume": {}},
        {"type": "volume", "source": "p-0-files", "target": "/app/conftest.py", "volume": {"subpath": "0"}},
    )


def test_an_archive_holds_what_tests_need_and_no_more(tmp_path: Path) -> None:
    """No caches, no version control, no virtual environment, nothing that stays on the host."""
    for name in (
        "a.py", "__pycache__/a.pyc", "b.pyc", ".git/HEAD", ".pytest_cache/x", "venv/pyvenv.cfg", "venv/x", "host/h.py",
        ".hidden",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.py").chmod(0o751)
    with tempfile.TemporaryFile() as file:
        writer = ArchiveWriter(file, uid=1000, gid=1001)
        writer.add_tree(PurePosixPath("0"), tmp_path, is_left_out=lambda path: path == tmp_path / "host")
        writer.close()
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            members = {member.name: member for member in tar.getmembers()}
    assert list(members) == ["0", "0/.hidden", "0/a.py", "0/link"]
    assert {(member.uid, member.gid) for member in members.values()} == {(1000, 1001)}
    assert members["0/a.py"].mode == 0o751
    assert members["0/link"].linkname == "/nowhere"


@pytest.mark.engine
@pytest.mark.parametrize("image", soak_after(1, PYTHON_IMAGES))
def test_every_python_takes_the_toolkit(web: Project, image: str) -> None:
    """Each image that the tests are given, with the pytest that fits it."""
    environment = web.started(image_ref=image, suite=SUITE)
    python = environment.image.python
    assert python is not None
    assert python_in(environment, "import sys; print(sys.version_info[:3])") == str(python.version)
    program = "import sys; sys.path.append(sys.argv[1]); import pytest; print(pytest.__version__)"
    seen = python_in(environment, program, environment.image.toolkit_path)
    assert seen == ("9.0.0" if python.version >= (3, 10) else "8.4.2")


@pytest.mark.engine
def test_the_toolkit_is_compiled_and_read_only(web: Project) -> None:
    """Nothing is compiled again by each container, and no test can change it."""
    environment = web.started()
    program = (
        "import glob, os, sys; print(len(glob.glob(sys.argv[1] + '/_pytest/__pycache__/*.pyc')) > 10,"
        " os.statvfs(sys.argv[1]).f_flag & os.ST_RDONLY)"
    )
    assert python_in(environment, program, environment.image.toolkit_path) == "True 1"
