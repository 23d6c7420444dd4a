"""Hostile archives, as a container could make the engine send them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from pytest_dockerci.artifact_names import ArtifactGlobs
from pytest_dockerci.engine.artifact_files import (
    ArtifactCaps,
    ArtifactReader,
)
from pytest_dockerci.engine.capped_reader import CappedReader, LimitReachedError

ROOT = PurePosixPath("/srv/app")


def archive(*entries: tuple[str, bytes | str | None, bytes]) -> bytes:
    """``(name, content or link target, type)`` as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content or ""
                tar.addfile(info)
    return buffer.getvalue()


def chunks(data: bytes, size: int = 1000) -> Iterator[bytes]:
    """The data in pieces, as they come from a socket."""
    return (data[start : start + size] for start in range(0, len(data), size))


def take(folder: Path, data: bytes, *globs: str, caps: ArtifactCaps | None = None) -> ArtifactReader:
    """Take the artifacts of one archive, whose names start in `ROOT`."""
    reader = ArtifactReader(folder, ArtifactGlobs(ROOT, globs), caps or ArtifactCaps())
    file = CappedReader(chunks(data), 1 << 30, float("inf"))
    try:
        reader.take(file, "web-test-0", ROOT)
    except LimitReachedError as limit:
        reader.harvest.remarks.append(str(limit))
    return reader


def written(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_regular_files_are_copied(tmp_path: Path) -> None:
    """With their folders, under the container's name; folders alone are not."""
    data = archive(
        ("reports", None, tarfile.DIRTYPE),
        ("reports/a.xml", b"one", tarfile.REGTYPE),
        ("reports/deep/b.xml", b"two" * 5000, tarfile.REGTYPE),
        ("reports/c.txt", b"no", tarfile.REGTYPE),
        ("reports/empty", None, tarfile.DIRTYPE),
    )
    reader = take(tmp_path, data, "reports/**/*.xml")
    assert written(tmp_path) == {
        "web-test-0/srv/app/reports/a.xml": b"one",
        "web-test-0/srv/app/reports/deep/b.xml": b"two" * 5000,
    }
    assert reader.harvest.remarks == []
    assert reader.harvest.files[0] == {
        "container": "web-test-0",
        "path": "/srv/app/reports/a.xml",
        "file": "web-test-0/srv/app/reports/a.xml",
        "bytes": 3,
    }


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/../evil", "reports/../../../evil", "./../evil", "..", "a\0../evil"],
)
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    """Are no artifacts, whatever the glob."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    take(folder, archive((name.replace("\0", ""), b"x", tarfile.REGTYPE)), "**")
    outside = [path for path in tmp_path.rglob("evil") if not path.is_relative_to(folder)]
    assert outside == []


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    """And nothing is ever written through a link that an archive, or somebody here, has put in the way."""
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "artifacts"
    folder.mkdir()
    data = archive(
        ("link", "/etc/passwd", tarfile.SYMTYPE),
        ("hard", "link", tarfile.LNKTYPE),
        ("device", None, tarfile.CHRTYPE),
        ("pipe", None, tarfile.FIFOTYPE),
        ("folder", str(outside), tarfile.SYMTYPE),
        ("folder/file", b"through", tarfile.REGTYPE),
    )
    reader = take(folder, data, "**")
    assert written(tmp_path) == {"artifacts/web-test-0/srv/app/folder/file": b"through"}
    assert list(outside.iterdir()) == []
    assert [remark.rpartition("/")[2] for remark in reader.harvest.remarks] == [
        f"{name} is no regular file" for name in ("link", "hard", "device", "pipe", "folder")
    ]

    (folder / "web-test-0").rename(tmp_path / "away")
    (folder / "web-test-0").symlink_to(outside)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        take(folder, archive(("file", b"x", tarfile.REGTYPE)), "**")
    assert list(outside.iterdir()) == []


def test_caps_are_kept_and_said(tmp_path: Path) -> None:
    """Number, size of one, size of all, entries and bytes that are looked at."""
    many = archive(*[(f"r/{number}", b"xxxx", tarfile.REGTYPE) for number in range(20)])

    def remarks(name: str, data: bytes, caps: ArtifactCaps) -> list[str]:
        (tmp_path / name).mkdir()
        return take(tmp_path / name, data, "r", caps=caps).harvest.remarks

    assert remarks("files", many, ArtifactCaps(files=3)) == ["there are more than 3 artifacts"]
    assert len(written(tmp_path / "files")) == 3
    assert remarks("total", many, ArtifactCaps(total_bytes=10)) == ["there are more than 0 MiB of artifacts"]
    assert len(written(tmp_path / "total")) == 2
    assert remarks("entries", many, ArtifactCaps(entries=5)) == ["there are more than 5 files and folders"]
    large = archive(("r/large", b"x" * 3_000_000, tarfile.REGTYPE), ("r/small", b"x", tarfile.REGTYPE))
    assert remarks("one", large, ArtifactCaps(file_bytes=2 << 20)) == [
        "web-test-0: /srv/app/r/large is larger than 2 MiB"
    ]
    assert list(written(tmp_path / "one").values()) == [b"x"]


def test_a_stream_without_end() -> None:
    """What is read is limited in bytes and in time."""
    endless = iter(lambda: b"x" * 1000, b"")
    with pytest.raises(LimitReachedError, match="too much to read"):
        CappedReader(endless, 10_000, float("inf")).read(20_000)
    with pytest.raises(LimitReachedError, match="took too long"):
        CappedReader(endless, 10_000, 0.0).read(1)


def test_pieces_of_any_size() -> None:
    """The stream's pieces are put together, and the end is short."""
    reader = CappedReader(iter([b"ab", b"", b"never"]), 100, float("inf"))
    assert [reader.read(1), reader.read(5), reader.read(5)] == [b"a", b"b", b"never"]
