"""The volumes that hold the seeds of services: made once with a seed, and never written to again.

A service's own volume is an overlay over one of them (`seed_overlay`), so that nothing is copied when it starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import docker.errors

from pytest_dockerci.engine.labels import CACHE, SEED, SEED_FOLDER, SEED_VOLUMES
from pytest_dockerci.engine.restoring import SEED_CACHE
from pytest_dockerci.engine.seed_overlay import (
    OverlayError,
    SeedVolume,
    is_mountable,
    lay_overlay,
    remove_overlay,
    seed_volume,
)
from pytest_dockerci.engine.volumes import copy_from_image, create_volume, ensure_empty_image

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.seed_inputs import Seed

# Where a file's owner is another one on the engine's machine, or its overlays lack what a database needs.
_OTHER_OWNERS = ("name=rootless", "name=userns", "name=selinux")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderOwner:
    """Whose the folder of a volume is: an overlay has to say so once more.

    Attributes:
        uid: Owner.
        gid: Group.
        mode: Permissions.
    """

    uid: int
    gid: int
    mode: int


def keep_seed_volumes(
    engine: Engine, identity: RunIdentity, seed: Seed, image_id: str, folders: Mapping[str, FolderOwner]
) -> None:
    """Make the volumes of a seed, where the engine can lay something over them; else each start copies the image.

    Args:
        engine: The engine.
        identity: The run; its id becomes part of the names.
        seed: The seed.
        image_id: The image that holds it.
        folders: The targets of the service's volumes, and whose they are.
    """
    security = engine.client.api.info().get("SecurityOptions") or ()
    if any(option.startswith(_OTHER_OWNERS) for option in security):
        return
    prefix = re.sub(r"[^\w.-]", "_", f"{seed.reference}-{identity.run_id}")
    names = [f"{prefix}-{number}" for number in range(len(folders))]
    for name, (target, owner) in zip(names, folders.items(), strict=True):
        said = {
            "target": target,
            "uid": owner.uid,
            "gid": owner.gid,
            "mode": owner.mode,
            "count": len(folders),
        }
        labels = {
            CACHE: SEED_CACHE,
            SEED: seed.reference,
            SEED_VOLUMES: identity.run_id,
            SEED_FOLDER: json.dumps(said),
        }
        create_volume(engine, name, labels)
    try:
        for name, target in zip(names, folders, strict=True):
            copy_from_image(engine, identity, image_id, [(name, PurePosixPath(target))])
        is_usable = _can_be_laid_over(
            engine, identity, find_seed_volumes(engine, seed.reference, identity.run_id)
        )
    except BaseException:
        _remove(engine, names)
        raise
    if not is_usable:
        _remove(engine, names)


def find_seed_volumes(engine: Engine, reference: str, key: str) -> tuple[SeedVolume, ...]:
    """The volumes that hold a seed; empty where they are not all there.

    Args:
        engine: The engine.
        reference: Of the image that holds it.
        key: That image's label `SEED_VOLUMES`.
    """
    wanted = {"label": [f"{SEED}={reference}", f"{SEED_VOLUMES}={key}"]}
    found = sorted(
        (seed_volume(data) for data in engine.client.api.volumes(filters=wanted).get("Volumes") or ()),
        key=lambda each: each[0].name,
    )
    return tuple(volume for volume, _ in found) if found and len(found) == found[0][1] else ()


def remove_older_seed_volumes(engine: Engine, reference: str, key: str) -> None:
    """Remove the volumes of other seeds of the same service, unless a run uses them.

    Args:
        engine: The engine.
        reference: Of the image that holds the seed that stays.
        key: Label `SEED_VOLUMES` of its volumes.
    """
    repository = reference.rpartition(":")[0]
    listed = engine.client.api.volumes(filters={"label": [SEED]}).get("Volumes") or ()
    _remove(
        engine,
        [
            data["Name"]
            for data in listed
            if data["Labels"][SEED].rpartition(":")[0] == repository
            and (data["Labels"][SEED], data["Labels"].get(SEED_VOLUMES)) != (reference, key)
        ],
    )


def _can_be_laid_over(engine: Engine, identity: RunIdentity, volumes: Sequence[SeedVolume]) -> bool:
    ensure_empty_image(engine)
    name = f"{identity.project}_seed-trial"
    try:
        overlay = lay_overlay(engine, name, identity.labels, volumes)
        return all(is_mountable(engine, each, identity.labels) for each in overlay)
    except OverlayError:
        return False
    finally:
        with suppress(OverlayError):  # it has the run's labels, and goes with it
            remove_overlay(engine, name)


def _remove(engine: Engine, names: Sequence[str]) -> None:
    for name in names:
        with suppress(docker.errors.APIError):  # a run uses it
            engine.client.api.remove_volume(name)
