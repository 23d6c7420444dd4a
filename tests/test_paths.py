"""Which host file a container path stands for."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from pytest_dockerci.paths import PathMap


@pytest.fixture
def paths(tmp_path: Path) -> PathMap:
    """A project and a library beside it, called from the project's folder."""
    for file in ("project/tests/test_a.py", "project/app.py", "library/code.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    pairs = (
        (PurePosixPath("/srv/app"), tmp_path / "project"),
        (PurePosixPath("/srv/app/vendor/library"), tmp_path / "library"),
        (PurePosixPath("/opt/library"), tmp_path / "library"),
    )
    return PathMap(pairs, tmp_path / "project")


@pytest.mark.parametrize(
    ("container", "host"),
    [
        ("/srv/app", "project"),
        ("/srv/app/tests/test_a.py", "project/tests/test_a.py"),
        ("/srv/app/missing.py", "project/missing.py"),
        ("/srv/app/vendor/library/code.py", "library/code.py"),
        ("/opt/library/code.py", "library/code.py"),
        ("/srv/application/a.py", None),
        ("/srv", None),
        ("/usr/lib/python3/os.py", None),
        ("relative.py", None),
    ],
)
def test_a_container_path(paths: PathMap, tmp_path: Path, container: str, host: str | None) -> None:
    """The most specific pair decides; what no pair covers stands for nothing."""
    assert paths.to_host(container) == (None if host is None else tmp_path / host)


@pytest.mark.parametrize(
    ("host", "container"),
    [
        ("project/tests/test_a.py", PurePosixPath("/srv/app/tests/test_a.py")),
        ("project", PurePosixPath("/srv/app")),
        ("elsewhere/a.py", None),
        ("projects/a.py", None),
    ],
)
def test_a_host_path(paths: PathMap, tmp_path: Path, host: str, container: PurePosixPath | None) -> None:
    """Below rootdir it has a container path."""
    assert paths.to_container(tmp_path / host) == container


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("tests/test_a.py", "tests/test_a.py"),
        ("../../usr/lib/os.py", "../../usr/lib/os.py"),
        ("baked.py", "baked.py"),
        ("/srv/app/baked.py", "/srv/app/baked.py"),
        ("/usr/lib/os.py", "/usr/lib/os.py"),
        ("<string>", "<string>"),
    ],
)
def test_a_path_as_it_is_shown(paths: PathMap, given: str, shown: str) -> None:
    """Short paths stay short; what does not exist on the host keeps its container path."""
    assert paths.shown(given) == shown


def test_an_absolute_path_as_it_is_shown(paths: PathMap, tmp_path: Path) -> None:
    """An absolute path of a file that the host has becomes the host's."""
    assert paths.shown("/srv/app/app.py") == str(tmp_path / "project/app.py")


def test_short_paths_are_relative_to_where_pytest_was_called(paths: PathMap, tmp_path: Path) -> None:
    """As in plain pytest."""
    below = PathMap(paths.pairs, tmp_path / "project/tests")
    assert below.shown("tests/test_a.py") == "test_a.py"
    assert below.shown("app.py") == "../app.py"


def test_paths_within_a_text(paths: PathMap, tmp_path: Path) -> None:
    """Each path of the container in a message becomes the host's; all other text stays."""
    text = 'file /srv/app/app.py, line 1 ("/srv/app/tests/test_a.py:3") a/srv/app/app.py http://srv/app/app.py /nowhere'
    assert paths.translate_text(text) == (
        f'file {tmp_path}/project/app.py, line 1 ("{tmp_path}/project/tests/test_a.py:3") '
        "a/srv/app/app.py http://srv/app/app.py /nowhere"
    )
