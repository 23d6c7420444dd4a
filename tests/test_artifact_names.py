from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dockerci.artifact_names import ArtifactGlobs, HostNames, host_name, plain_path

ROOT = PurePosixPath("/srv/app")


@pytest.mark.parametrize(
    ("globs", "folders"),
    [
        (["reports/*.xml"], ["/srv/app/reports"]),
        (["reports/**/*.xml", "reports/deep/x.log"], ["/srv/app/reports"]),
        (["*.log"], ["/srv/app"]),
        (["core"], ["/srv/app/core"]),
        (["/var/log/app/*.log", "screens"], ["/var/log/app", "/srv/app/screens"]),
    ],
)
def test_what_is_read_of_the_container(globs: list[str], folders: list[str]) -> None:
    """As little as the globs allow: what stands before their first wildcard."""
    assert list(map(str, ArtifactGlobs(ROOT, globs).folders)) == folders


@pytest.mark.parametrize(
    ("glob", "path", "is_wanted"),
    [
        ("reports/*.xml", "/srv/app/reports/a.xml", True),
        ("reports/*.xml", "/srv/app/reports/deep/a.xml", False),
        ("reports/**/*.xml", "/srv/app/reports/deep/er/a.xml", True),
        ("reports/**/*.xml", "/srv/app/reports/a.xml", True),
        ("reports", "/srv/app/reports/deep/anything", True),
        ("reports", "/srv/app/reports2/anything", False),
        ("*.log", "/srv/app/a.log", True),
        ("*.log", "/srv/app/sub/a.log", False),
        ("shot-?.png", "/srv/app/shot-1.png", True),
        ("shot-[ab].png", "/srv/app/shot-c.png", False),
        ("/var/log/*.log", "/var/log/a.log", True),
    ],
)
def test_what_a_glob_wants(glob: str, path: str, is_wanted: bool) -> None:  # noqa: FBT001 - a table
    """Wildcards stay within a folder, ``**`` does not; a folder's name stands for all in it."""
    assert ArtifactGlobs(ROOT, [glob]).wants(PurePosixPath(path)) is is_wanted


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("reports/a.xml", ("reports", "a.xml")),
        ("./reports//a.xml", ("reports", "a.xml")),
        ("/etc/passwd", ("etc", "passwd")),
        ("../../etc/passwd", None),
        ("reports/../../x", None),
        ("a\0b", None),
        ("", None),
        (".", None),
        ("/".join(["d"] * 33), None),
    ],
)
def test_names_in_an_archive(name: str, parts: tuple[str, ...] | None) -> None:
    """What leads out of its folder, or nowhere, is no name."""
    assert plain_path(name) == parts


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.xml", "a.xml"),
        (".hidden", "_hidden"),
        ("..", "_"),
        ("a/b", "a_b"),
        ("a\\b", "a_b"),
        ("a\x1b[2Jb\n", "a_[2Jb_"),
        ("\udcff", "_"),
        ("con:x", "con_x"),
        ("x" * 300, "x" * 150),
        ("gr\u00fc\u00df.txt", "gr\u00fc\u00df.txt"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("end. ", "end_"),
    ],
)
def test_names_on_the_host(name: str, shown: str) -> None:
    """Made from what is harmless in a file name anywhere."""
    assert host_name(name) == shown


def test_different_files_stay_different() -> None:
    """Case, replaced characters and a file where a folder was do not make two files one."""
    names = HostNames()
    paths = [("c", "A.txt"), ("c", "a.txt"), ("c", "a\nb"), ("c", "a\tb"), ("c", "a_b", "x"), ("c", "A.txt")]
    assert [names.path(path) for path in paths] == [
        ("c", "A.txt"),
        ("c", "a.txt~2"),
        ("c", "a_b"),
        ("c", "a_b~2"),
        ("c", "a_b~3", "x"),
        ("c", "A.txt"),
    ]


@given(st.lists(st.lists(st.text(min_size=1), min_size=1, max_size=4), max_size=6))
def test_no_name_leads_out(paths: list[list[str]]) -> None:
    """Whatever names a container makes up, theirs on the host are below the folder, and never special."""
    names = HostNames()
    for path in paths:
        for part in names.path(path):
            assert part not in ("", ".", "..")
            assert not set(part) & set("/\\\0\n\x1b:")
            assert part.isprintable()
