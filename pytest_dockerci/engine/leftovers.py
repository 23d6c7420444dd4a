"""What runs have left on the engine, and the caches that they keep: for ``dockerci gc``.

`find_leftovers` looks, `gc_plan` decides (pure), `remove_leftovers` does. `sweep` is what every run does
for those before it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from pytest_dockerci.engine.cleanup import KINDS, EngineObject, list_objects, remove_objects
from pytest_dockerci.engine.keeper import dismiss_keeper
from pytest_dockerci.engine.labels import (
    BUILD_REPOSITORY,
    CACHE,
    EMPTY_IMAGE,
    RUN,
    RUN_TAG,
    docker_name,
    is_called_after,
    run_filters,
)
from pytest_dockerci.engine.seed_inputs import SEED_REPOSITORY
from pytest_dockerci.state import empty_run_folder, take_lease

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.state import RunOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Everything of ours on an engine.

    Attributes:
        runs: Run id to its containers, networks and volumes.
        caches: Toolkit volumes, the images of services that projects build, and the empty image.
    """

    runs: Mapping[str, tuple[EngineObject, ...]]
    caches: tuple[EngineObject, ...]


def find_leftovers(engine: Engine) -> Leftovers:
    """Look for all that carries our labels or names."""
    runs: dict[str, list[EngineObject]] = {}
    for thing in list_objects(engine, {"label": [RUN]}):
        runs.setdefault(thing.labels.get(RUN, ""), []).append(thing)
    caches = [thing for thing in list_objects(engine, {"label": [CACHE]}) if RUN not in thing.labels]
    for name in (f"{BUILD_REPOSITORY}/*/*", f"{BUILD_REPOSITORY}/*", f"{SEED_REPOSITORY}/*", EMPTY_IMAGE):
        caches += [
            EngineObject(kind="image", key=tag, name=tag, created=float(data.get("Created") or 0))
            for data in engine.client.api.images(filters={"reference": name})
            for tag in data.get("RepoTags") or ()
            if tag.startswith((f"{BUILD_REPOSITORY}/", f"{SEED_REPOSITORY}/", EMPTY_IMAGE))
        ]
    return Leftovers(
        runs={run_id: tuple(things) for run_id, things in runs.items()},
        caches=tuple({(thing.kind, thing.key): thing for thing in caches}.values()),
    )


def gc_plan(
    leftovers: Leftovers, *, live_runs: frozenset[str] = frozenset(), include_caches: bool = False
) -> tuple[EngineObject, ...]:
    """What is to be removed, in an order in which it can be.

    Args:
        leftovers: What there is.
        live_runs: Runs that are still going on, or kept.
        include_caches: Remove the caches as well.
    """
    things = [
        thing
        for run_id, of_run in sorted(leftovers.runs.items())
        if run_id not in live_runs
        for thing in of_run
    ]
    if include_caches:
        things += leftovers.caches
    return tuple(sorted(things, key=lambda thing: KINDS.index(thing.kind)))


def remove_leftovers(engine: Engine, things: Sequence[EngineObject]) -> tuple[str, ...]:
    """Remove what was planned.

    Returns:
        What is still there, and why.
    """
    wanted = {(thing.kind, thing.key) for thing in things}

    def list_them() -> list[EngineObject]:
        found = find_leftovers(engine)
        everything = [*found.caches, *(thing for of_run in found.runs.values() for thing in of_run)]
        return [thing for thing in everything if (thing.kind, thing.key) in wanted]

    return remove_objects(engine, list_them, quiet_seconds=0)


def untag_pushes(engine: Engine, run_id: str) -> None:
    """Take away the names under which a run was pushing when it was killed; the image keeps its others."""
    for data in engine.client.api.images():
        for name in data.get("RepoTags") or ():
            if name.endswith(f":{RUN_TAG}{run_id}"):
                with suppress(docker.errors.APIError):  # gone already
                    engine.client.api.remove_image(name, noprune=True)


def sweep(engine: Engine, dead_runs: Sequence[RunOwner]) -> Mapping[str, int]:
    """Remove what runs of this host have left on this engine, whose processes are gone, and their folders.

    Returns:
        Run id to the number of its objects that were there, for runs that had any.
    """
    found = {}
    for owner in dead_runs:
        # Held meanwhile: another run must not begin to use a stack that is being removed.
        lease = take_lease(owner.folder)
        if lease is None:
            continue
        try:
            count = len(_objects_of(engine, owner.run_id, owner.nonce))
            left = remove_run(engine, owner.run_id, owner.nonce, owner.folder, is_settled=owner.is_settled)
        finally:
            lease.release()
        if count and not left:
            found[owner.run_id] = count
    return found


def remove_run(
    engine: Engine, run_id: str, nonce: str, folder: Path, *, is_settled: bool = True
) -> tuple[str, ...]:
    """Remove all that a run has on the engine, and its folder; the caller holds its lease.

    Args:
        engine: The engine.
        run_id: The run.
        nonce: Its random number.
        folder: Its folder.
        is_settled: Nothing of it can come any more; else it stays written down whose the run was.

    Returns:
        What is still there, and why; then the folder stays as well.
    """
    left = remove_objects(engine, partial(_objects_of, engine, run_id, nonce), quiet_seconds=0)
    if not left:
        dismiss_keeper(folder)
        untag_pushes(engine, run_id)
        if is_settled:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            empty_run_folder(folder)
    return left


def _objects_of(engine: Engine, run_id: str, nonce: str) -> list[EngineObject]:
    """What carries a run's labels, and volumes that are called after it and carry none.

    An engine that is killed when it makes a volume has its folder, and not what was to be written down of it
    (seen with Engine 26.1: one of forty kills).
    """
    named = engine.client.api.volumes(filters={"name": docker_name(run_id)}).get("Volumes") or []
    bare = [
        data["Name"] for data in named if not data.get("Labels") and is_called_after(data["Name"], run_id)
    ]
    return [
        *list_objects(engine, run_filters(run_id, nonce)),
        *(EngineObject(kind="volume", key=name, name=name) for name in bare),
    ]
