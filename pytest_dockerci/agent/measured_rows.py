"""What coverage has measured, read from its data files in the container, as plain values for the host.

Source of the tables: coverage's documentation, "Coverage.py database schema", version 7 (coverage 5.0 and newer).
"""

import hashlib
import sqlite3
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List

from coverage.numbits import numbits_to_nums

from . import wire

_SCHEMA = 7
_NUMBERS_PER_MESSAGE = 50_000


def messages_of(folder: Path, notes: List[str]) -> Iterator[wire.Measured]:
    """Everything in the data files of a folder; at least one message, the last one with the notes."""
    rows: List[Dict[str, Any]] = []
    numbers = 0
    for row in _rows_of(folder, notes):
        rows.append(row)
        numbers += 10 + len(row.get("numbers", ()))
        if numbers > _NUMBERS_PER_MESSAGE:
            yield wire.Measured(rows=rows, notes=[])
            rows, numbers = [], 0
    yield wire.Measured(rows=rows, notes=notes)


def _rows_of(folder: Path, notes: List[str]) -> Iterator[Dict[str, Any]]:
    named: Dict[str, str] = {}
    for file in sorted(folder.glob("data.*")):
        if file.name.endswith("-journal"):
            continue
        try:
            with closing(sqlite3.connect(str(file))) as connection:
                yield from _rows_of_file(connection, named)
        except (sqlite3.Error, ValueError) as error:
            notes.append("a process that was killed has left a data file that cannot be read: %s" % error)
    for path, tracer in named.items():
        yield {"file": path, "tracer": tracer, "digest": _digest(path)}


def _rows_of_file(connection: sqlite3.Connection, named: Dict[str, str]) -> Iterator[Dict[str, Any]]:
    [version] = connection.execute("select version from coverage_schema").fetchone() or [None]
    if version != _SCHEMA:
        raise ValueError("its schema is %s, not %d" % (version, _SCHEMA))
    files = dict(connection.execute("select id, path from file"))
    contexts = dict(connection.execute("select id, context from context"))
    tracers = dict(connection.execute("select file_id, tracer from tracer"))
    for file, path in files.items():
        named[path] = tracers.get(file) or named.get(path, "")
    for file, context, numbits in connection.execute("select file_id, context_id, numbits from line_bits"):
        yield _row(files[file], contexts[context], "lines", numbits_to_nums(numbits))
    arcs = connection.execute(
        "select file_id, context_id, fromno, tono from arc order by context_id, file_id, fromno, tono"
    )
    for (file, context), group in groupby(arcs, key=lambda arc: arc[:2]):
        flat = [number for arc in group for number in arc[2:]]
        yield _row(files[file], contexts[context], "arcs", flat)


def _row(file: str, context: str, kind: str, numbers: Iterable[int]) -> Dict[str, Any]:
    return {"file": file, "context": context, "kind": kind, "numbers": list(numbers)}


def _digest(path: str) -> str:
    """SHA-256 (hex) of a file; empty when it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
