"""The image that a project's last run has built: written down when it is there, read without an engine."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_dockerci.build_inputs import BuildInputs

_FILE = "last-image.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LastImage:
    """An image as it was known when it was built or taken.

    Attributes:
        service: The Compose service that it was made for.
        id: The engine's id.
        tags: Its names.
        commit: Full hash of the commit; None when it is not known.
        is_dirty: The working tree differed from the commit.
        made_at: When, in seconds since 1970.
        inputs: Where the things lie that it was built from.
        fingerprint: Of these, as they were before the build; empty when they are too many.
    """

    service: str
    id: str
    tags: tuple[str, ...]
    commit: str | None
    is_dirty: bool
    made_at: float
    inputs: BuildInputs
    fingerprint: str

    def is_current(self) -> bool:
        """True when nothing that it was built from has changed."""
        return bool(self.fingerprint) and self.inputs.fingerprint() == self.fingerprint


def record_image(state_dir: Path, image: LastImage) -> None:
    """Write down the last image, in place of the one before."""
    data = {
        "format": _FORMAT,
        "service": image.service,
        "id": image.id,
        "tags": list(image.tags),
        "commit": image.commit,
        "is_dirty": image.is_dirty,
        "made_at": image.made_at,
        "contexts": [str(path) for path in image.inputs.contexts],
        "files": [str(path) for path in image.inputs.files],
        "left_out": [str(path) for path in image.inputs.left_out],
        "fingerprint": image.fingerprint,
    }
    write_whole(state_dir / _FILE, json.dumps(data))


def last_image(state_dir: Path, service: str) -> LastImage | None:
    """The last image of a service; None when none is known, or the record cannot be read."""
    try:
        data = json.loads((state_dir / _FILE).read_text(encoding="utf-8"))
        if data["format"] != _FORMAT or data["service"] != service:
            return None
        commit = data["commit"]
        return LastImage(
            service=service,
            id=_text(data, "id"),
            tags=_texts(data, "tags"),
            commit=None if commit is None else _text(data, "commit"),
            is_dirty=bool(data["is_dirty"]),
            made_at=float(data["made_at"]),
            inputs=BuildInputs(
                contexts=tuple(map(Path, _texts(data, "contexts"))),
                files=tuple(map(Path, _texts(data, "files"))),
                left_out=tuple(map(Path, _texts(data, "left_out"))),
            ),
            fingerprint=_text(data, "fingerprint"),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def describe_age(image: LastImage) -> str:
    """How old an image is, roughly: ``3 minutes``."""
    seconds = max(0.0, time.time() - image.made_at)
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def listing_remarks(image: LastImage, last: LastImage | None) -> list[str]:
    """What a person who lists tests has to know of the image that they are listed in.

    Args:
        image: That image.
        last: The one that was remembered before; it is taken as it is, not built anew.
    """
    if image != last:
        return []
    remarks = [f"dockerci: to list, nothing is built; this image is {describe_age(image)} old"]
    if not image.is_current():
        remarks.append("dockerci: what it is built from has changed since; `pytest` builds it anew")
    return remarks


def write_whole(file: Path, text: str) -> None:
    """Write a file that other processes see whole or not at all; only its owner may read it."""
    draft = file.with_name(f"{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as out:
            out.write(text)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _texts(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = data[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(name)
    return tuple(values)
