"""Names and labels of what a run creates. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RUN = "org.pytest-dockerci.run"
NONCE = "org.pytest-dockerci.nonce"
WORKER = "org.pytest-dockerci.worker"
CACHE = "org.pytest-dockerci.cache"
# On the volumes that hold a seed: of which seed, of which making, and what each is of the service's.
SEED = "org.pytest-dockerci.seed"
SEED_VOLUMES = "org.pytest-dockerci.seed-volumes"
SEED_FOLDER = "org.pytest-dockerci.seed-folder"
# On what lies over them in a run: the volume that takes what is written.
SEED_UPPER = "org.pytest-dockerci.seed-upper"
PROJECT_PREFIX = "dockerci-"
EMPTY_IMAGE = "dockerci-empty:1"
BUILD_REPOSITORY = "dockerci-build"
# What follows is the run's id: the tag under which it pushes.
RUN_TAG = "dockerci-run-"
# The end of its container's name, after that of the run. The names of services' containers end with a number.
REAPER_NAME = "-reaper"
COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
_MAX_FOLDER_CHARACTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Whose objects they are.

    Attributes:
        run_id: Short, unique on the engine; part of names.
        nonce: Long and random; proof that an object with this run's id is really this run's.
        folder: Name of rootdir, as Docker allows it in names.
    """

    run_id: str
    nonce: str
    folder: str

    @property
    def labels(self) -> dict[str, str]:
        """On every container, network and named volume of the run."""
        return {RUN: self.run_id, NONCE: self.nonce}

    @property
    def filters(self) -> dict[str, list[str]]:
        """Finds exactly these objects."""
        return run_filters(self.run_id, self.nonce)

    @property
    def project(self) -> str:
        """Compose's project of the shared stack; first part of every name."""
        return f"{PROJECT_PREFIX}{self.folder}-{docker_name(self.run_id)}"


def run_filters(run_id: str, nonce: str) -> dict[str, list[str]]:
    """Finds exactly the objects of a run."""
    return {"label": [f"{RUN}={run_id}", f"{NONCE}={nonce}"]}


def is_called_after(name: str, run_id: str) -> bool:
    """True for a name that begins as those of a run's objects do."""
    return re.match(f"{PROJECT_PREFIX}.+-{re.escape(docker_name(run_id))}[-_]", name) is not None


def docker_name(text: str) -> str:
    """The text as far as Compose allows it in a project's name: lower case, digits, dashes, underscores."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_") or "project"


def folder_name(rootdir: Path) -> str:
    """The name of a folder, short enough to be part of others."""
    return docker_name(rootdir.name)[:_MAX_FOLDER_CHARACTERS].strip("-_") or "project"


def image_name(rootdir: Path, service: str) -> str:
    """The name of another service's built image: from rootdir, not from the run, so that builds reuse it."""
    identity = hashlib.sha256(str(rootdir).encode()).hexdigest()[:8]
    return f"{BUILD_REPOSITORY}/{folder_name(rootdir)}-{identity}-{docker_name(service)}:current"


def cache_label(kind: str) -> Mapping[str, str]:
    """On what outlives runs: ``toolkit`` or ``empty``."""
    return {CACHE: kind}
