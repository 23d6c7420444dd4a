"""A tiny image on the engine, with layers that no registry has seen yet."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.engine.images import inspect_image

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

LAYERS = 2


@contextlib.contextmanager
def fresh_image(engine: Engine, folder: Path) -> Iterator[str]:
    """Build an image from nothing; yields its id. It is removed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"shipped-{uuid.uuid4().hex[:12]}"
    lines = ["FROM scratch"]
    for number in range(LAYERS):
        (folder / f"layer{number}").write_text(f"{name} {number}\n" * 2000)
        lines.append(f"COPY layer{number} /")
    (folder / "Dockerfile").write_text("\n".join(lines))
    subprocess.run(
        ["docker", "buildx", "build", "--quiet", "--load", "--provenance=false", "--tag", name, str(folder)],
        env=dict(engine.child_environ),
        check=True,
        capture_output=True,
    )
    data = inspect_image(engine, name)
    assert data is not None
    try:
        yield str(data["Id"])
    finally:
        engine.client.api.remove_image(name, force=True)
