"""What a seeded service's state comes from, and a digest of it. Loads no client of Docker's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_dockerci.engine.service_state import service_state

SEED_REPOSITORY = "dockerci-seed"
_MAX_FILES = 10_000
# What a service says that does not decide what is in its volumes.
_NOT_STATE = frozenset(
    {
        "build",
        "container_name",
        "depends_on",
        "expose",
        "healthcheck",
        "labels",
        "links",
        "logging",
        "networks",
        "ports",
        "profiles",
        "pull_policy",
        "restart",
        "stop_grace_period",
        "x-dockerci",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """The state with which a service starts.

    Attributes:
        service: The service.
        command: Brings it to that state once it is ready; empty where it is ready with it.
        reference: Name of the image that holds it.
        files: What else it comes from.
        targets: Where the service's volumes are mounted, as far as the Compose file says.
    """

    service: str
    command: tuple[str, ...]
    reference: str
    files: tuple[Path, ...]
    targets: tuple[str, ...]


def seed_of(model: Mapping[str, Any], name: str, image_id: str, repository: str) -> Seed | None:
    """The seed of a service; None for one that has none.

    Args:
        model: The resolved model.
        name: The service.
        image_id: Its image, as it is without the seed.
        repository: For the image that holds it.

    Raises:
        SettingsError: The service says what cannot be meant.
    """
    definition = model["services"][name]
    state = service_state(name, definition)
    if not state.has_seed:
        return None
    volumes = definition.get("volumes") or []
    named = [
        str((model.get(section) or {}).get(str(entry.get("source")), {}).get("file") or "")
        for section in ("configs", "secrets")
        for entry in definition.get(section) or []
    ]
    bound = [str(volume["source"]) for volume in volumes if volume.get("type") == "bind"]
    files = tuple(Path(path.replace("$$", "$")) for path in [*bound, *named, *state.inputs] if path)
    parts = [
        image_id,
        {key: value for key, value in definition.items() if key not in _NOT_STATE},
        list(state.seed),
        files_digest(files),
    ]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Seed(
        service=name,
        command=state.seed,
        reference=f"{repository}:{key}",
        files=files,
        targets=tuple(str(volume["target"]) for volume in volumes if volume.get("type") == "volume"),
    )


def files_digest(files: Sequence[Path]) -> str:
    """Changes when the content of any of these files, or of a file below these folders, changes."""
    digest = hashlib.sha256()
    for number, file in enumerate(each for path in files for each in _files_below(path)):
        if number >= _MAX_FILES:
            break
        digest.update(f"{file}\0".encode("utf-8", "surrogateescape"))
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            digest.update(b"absent")
    return digest.hexdigest()


def _files_below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path
