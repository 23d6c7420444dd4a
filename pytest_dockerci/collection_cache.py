"""Collections of the container, kept for discovery by an IDE: exact for as long as nothing has changed.

One JSON file for each key; the key is made of everything that a collection depends on. What is read
is checked as if a stranger had written it: a file that does not fit counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci import __version__
from pytest_dockerci.agent import wire
from pytest_dockerci.last_image import LastImage, write_whole
from pytest_dockerci.worker_ledger import Collection

if TYPE_CHECKING:
    from pytest_dockerci.settings import Settings

MAX_FILES = 8
MAX_BYTES = 32 << 20
MAX_ROWS = 50_000
_FORMAT = 1
_FOLDER = "collections"
_HASHED_BYTES = 1 << 20
_LEFT_OUT = frozenset({"__pycache__", ".git", ".hg", ".pytest_cache"})
_KINDS = frozenset({"item", "class", "directory", "file", "collector"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCollection:
    """A collection and what it was made from.

    Attributes:
        collection: As the container sent it.
        container_root: The folder in the image that stood for rootdir.
        files: Suite file relative to rootdir to the digest of its content.
        frame: From `collection_frame`.
    """

    collection: Collection
    frame: str
    container_root: PurePosixPath
    files: Mapping[str, str]


def suite_files(settings: Settings) -> dict[str, str]:
    """Every file of the suite, relative to rootdir, with a digest of its content.

    Of a file above 1 MiB, size and time of change stand for the content.
    """
    left_out = {settings.rootdir / path for path in settings.host_suite}
    found = {}
    for path in settings.suite:
        for file in _files_below(settings.rootdir / path, left_out):
            found[file.relative_to(settings.rootdir).as_posix()] = _digest(file)
    return dict(sorted(found.items()))


def collection_frame(settings: Settings, arguments: Sequence[str], host_files: Iterable[Path]) -> str:
    """How the suite is collected, whatever it holds: SHA-256 (hex).

    Args:
        settings: Those of the run.
        arguments: The command line of the container's pytest, without what selects or shows.
        host_files: Further files that decide: configuration, conftest files of the host, requirements.
    """
    return _hash(
        [__version__, _FORMAT],
        {str(path): _digest(path) for path in host_files},
        list(arguments),
        [settings.service, *map(str, settings.compose_files)],
        [list(map(str, settings.suite)), list(map(str, settings.host_suite))],
        dict(settings.environ),
        list(settings.requirements),
        [str(settings.container_root), settings.image_ref],
    )


def collection_key(frame: str, files: Mapping[str, str], image: LastImage) -> str:
    """What identifies a collection: SHA-256 (hex) over all that it depends on.

    Args:
        frame: From `collection_frame`.
        files: From `suite_files`.
        image: The image that it is made in.
    """
    return _hash(frame, dict(files), [image.id, image.fingerprint])


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def keep(state_dir: Path, key: str, kept: KeptCollection) -> None:
    """Save a collection under a key, unless it is there; the oldest beyond `MAX_FILES` go.

    One that is too large is not kept. A disk that refuses is no reason to fail: discovery will do without.
    """
    collection = kept.collection
    if len(collection.rows) > MAX_ROWS:
        return
    folder = state_dir / _FOLDER
    file = folder / f"{key}.json"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        if file.exists():
            os.utime(file)
            return
        text = json.dumps(
            {
                "format": _FORMAT,
                "container_root": str(kept.container_root),
                "files": dict(kept.files),
                "frame": kept.frame,
                "pytest": collection.configured.pytest,
                "rootdir": collection.configured.rootdir,
                "inifile": collection.configured.inifile,
                "digest": collection.digest,
                "markers": list(collection.sides.markers),
                "items": list(collection.items),
                "deselected": list(collection.deselected),
                "reports": [list(report) for report in collection.reports],
                "rows": list(collection.rows),
            }
        )
        if len(text) <= MAX_BYTES:
            write_whole(file, text)
        for old in _by_age(folder)[MAX_FILES:]:
            old.unlink(missing_ok=True)


def kept_collection(state_dir: Path, key: str) -> KeptCollection | None:
    """The collection of a key; None when there is none that can be used."""
    return _read(state_dir / _FOLDER / f"{key}.json")


def newest_collection(state_dir: Path) -> KeptCollection | None:
    """The collection that was made or confirmed last, of whatever state of the project."""
    return next(filter(None, map(_read, _by_age(state_dir / _FOLDER))), None)


def _by_age(folder: Path) -> list[Path]:
    """Newest first."""
    dated = []
    for file in folder.glob("*.json"):
        with suppress(OSError):
            dated.append((file.stat().st_mtime_ns, file))
    return [file for _, file in sorted(dated, reverse=True)]


def _read(file: Path) -> KeptCollection | None:
    try:
        if file.stat().st_size > MAX_BYTES:
            return None
        return _checked(json.loads(file.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _checked(data: Any) -> KeptCollection:
    """The collection in a file's data.

    Raises:
        ValueError: It does not fit.
    """
    rows, items, deselected, reports = (data[name] for name in ("rows", "items", "deselected", "reports"))
    _require(data["format"] == _FORMAT and isinstance(rows, list) and len(rows) <= MAX_ROWS)
    for number, row in enumerate(rows):
        _require(_is_row(row, number))
    for numbers in (items, deselected):
        _require(isinstance(numbers, list) and all(_is_number_below(value, len(rows)) for value in numbers))
        _require(all(rows[value]["kind"] == "item" for value in numbers))
    _require(isinstance(reports, list) and all(_is_report(report, len(rows)) for report in reports))
    texts = [data[name] for name in ("container_root", "frame", "pytest", "rootdir", "inifile", "digest")]
    _require(_are_texts(texts) and data["container_root"].startswith("/"))
    _require(isinstance(data["markers"], list) and _are_texts(data["markers"]))
    _require(isinstance(data["files"], dict) and _are_texts(data["files"].values()))
    return KeptCollection(
        collection=Collection(
            rows=rows,
            items=items,
            deselected=deselected,
            reports=[(number, report) for number, report in reports],
            digest=data["digest"],
            sides=wire.Sides(plugins={}, markers=data["markers"], values=[]),
            configured=wire.Configured(
                pytest=data["pytest"], rootdir=data["rootdir"], inifile=data["inifile"]
            ),
        ),
        frame=data["frame"],
        container_root=PurePosixPath(data["container_root"]),
        files=data["files"],
    )


def _require(condition: bool) -> None:  # noqa: FBT001 - the one thing that it is about
    if not condition:
        raise ValueError("not a collection")


def _is_row(row: Any, number: int) -> bool:
    if not isinstance(row, dict) or row.get("kind") not in _KINDS:
        return False
    parent = row["parent"]
    if type(parent) is not int or not -1 <= parent < number:
        return False
    if not _are_texts([row["type"], row["name"], row["path"], row["nodeid"], *row["keywords"]]):
        return False
    if not all(
        isinstance(mark, list)
        and len(mark) == 3  # noqa: PLR2004 - name, args, kwargs
        and isinstance(mark[0], str)
        and isinstance(mark[1], list)
        and isinstance(mark[2], dict)
        for mark in row["markers"]
    ):
        return False
    return row["kind"] != "item" or _has_item_fields(row)


def _has_item_fields(row: Mapping[str, Any]) -> bool:
    path, line, domain = row["location"]
    callspec = row.get("callspec")
    return (
        _are_texts([path, domain])
        and (line is None or type(line) is int)
        and isinstance(row.get("originalname"), (str, type(None)))
        and (
            callspec is None
            or (
                isinstance(callspec, list)
                and len(callspec) == 2  # noqa: PLR2004 - id, parameters
                and isinstance(callspec[0], str)
                and isinstance(callspec[1], dict)
            )
        )
    )


def _is_report(report: Any, count: int) -> bool:
    return (
        isinstance(report, list)
        and len(report) == 2  # noqa: PLR2004 - node, data
        and (report[0] == -1 or _is_number_below(report[0], count))
        and isinstance(report[1], dict)
    )


def _is_number_below(value: Any, count: int) -> bool:
    return type(value) is int and 0 <= value < count


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _files_below(path: Path, left_out: set[Path]) -> Iterator[Path]:
    if path in left_out:
        return
    if not path.is_dir():
        yield path
        return
    for entry in os.scandir(path):
        if entry.name in _LEFT_OUT or entry.name.endswith((".pyc", ".pyo")):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path), left_out)
        elif Path(entry.path) not in left_out:
            yield Path(entry.path)


def _digest(file: Path) -> str:
    try:
        status = file.stat()
        if status.st_size > _HASHED_BYTES or not stat.S_ISREG(status.st_mode):
            return f"{status.st_size}-{status.st_mtime_ns}"
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "absent"
