"""Archives of a hostile container's files: what is taken of them stays in the folder of the artifacts."""

from __future__ import annotations

import io
import os
import random
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from chaos import hostile_payloads
from chaos.hostile_payloads import ESCAPED
from pytest_dockerci.artifact_names import ArtifactGlobs
from pytest_dockerci.engine.artifact_files import ArtifactCaps, ArtifactReader
from pytest_dockerci.engine.capped_reader import CappedReader, LimitReachedError

_ROOT = PurePosixPath("/srv/app")
_ENTRIES = 40
_CAPS = ArtifactCaps(files=1000, file_bytes=1 << 16, total_bytes=1 << 20, read_bytes=4 << 20, seconds=20.0)
_KINDS = (
    *(tarfile.REGTYPE,) * 4,
    tarfile.DIRTYPE,
    *(tarfile.SYMTYPE,) * 3,
    *(tarfile.LNKTYPE,) * 2,
    tarfile.CHRTYPE,
    tarfile.FIFOTYPE,
    b"Z",
)
# Few, so that entries meet: a link, and then a file through it.
_PARTS = ("a", "A", "b", "link", "..", ".", "", "con", "a\\..", "\u202ea", "-rf", " ", "a" * 200)


def taken_wrongly(folder: Path, chance: random.Random, count: int) -> Iterator[str]:
    """Read archives with so many entries in all; what was written that should not have been."""
    (folder / "beside").mkdir()
    (folder / "beside" / "kept").write_text("kept")
    before = _all_below(folder)
    for number in range(-(-count // _ENTRIES)):
        data = _archive(chance, folder)
        artifacts = folder / f"artifacts-{number}"
        artifacts.mkdir()
        reader = ArtifactReader(artifacts, ArtifactGlobs(_ROOT, ["**"]), _CAPS)
        pieces = (data[start : start + 999] for start in range(0, len(data), 999))
        # As `ArtifactReader.fetch`: the rest is left out.
        with suppress(tarfile.TarError, OSError, ValueError, LimitReachedError):
            reader.take(CappedReader(pieces, _CAPS.read_bytes), "web-test-0", _ROOT)
        yield from (f"archive {number}: {each}" for each in _wrong_below(artifacts, reader))
        shutil.rmtree(artifacts)
        if _all_below(folder) != before or (folder / "beside" / "kept").read_text() != "kept":
            yield f"archive {number}: written beside the artifacts: {sorted(_all_below(folder) - before)}"
    yield from hostile_payloads.written_outside(folder)


def _archive(chance: random.Random, folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for _ in range(_ENTRIES):
            entry = tarfile.TarInfo(_name(chance, folder))
            entry.type = chance.choice(_KINDS)
            if entry.isreg() and chance.random() < 0.8:
                entry.name += str(chance.randrange(1000))  # a name that comes twice ends the reading
            entry.mode = chance.choice((0o644, 0o6777, 0))
            entry.linkname = _name(chance, folder)
            if chance.random() < 0.1:
                entry.pax_headers = {"path": _name(chance, folder), "comment": "x" * 100}
            content = b"x" * chance.choice((0, 3, 600, 70_000)) if entry.isreg() else b""
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    data = bytearray(buffer.getvalue())
    if chance.random() < 0.2:
        for _ in range(4):
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _name(chance: random.Random, folder: Path) -> str:
    if chance.random() < 0.2:
        return chance.choice((hostile_payloads.text(chance), str(folder / ESCAPED), f"../{ESCAPED}"))
    return "/".join(chance.choice(_PARTS) for _ in range(chance.randrange(1, 5)))


def _all_below(folder: Path) -> set[Path]:
    return {Path(place, name) for place, *names in os.walk(folder) for each in names for name in each}


def _wrong_below(artifacts: Path, reader: ArtifactReader) -> Iterator[str]:
    found = set()
    for path in _all_below(artifacts):
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            found.add(str(path.relative_to(artifacts)))
            if not stat.S_ISREG(mode) or mode & 0o7133:
                yield f"{path} has the mode {mode:o}"
        if any(ord(each) < 32 or each in "\u202e\\" for each in path.name):
            yield f"a name: {path.name!r}"
    listed = {each["file"] for each in reader.harvest.files}
    # What could not be written to its end is there, and not listed.
    if not listed <= found or len(found - listed) > 1:
        yield f"listed {sorted(listed)}, found {sorted(found)}"
