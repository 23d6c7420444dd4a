"""Volumes that lie over those of a seed: where they can, and that a seed is never changed."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import docker.errors
import pytest
from docker.types import Mount

from pytest_dockerci.engine.labels import CACHE, SEED_UPPER
from pytest_dockerci.engine.seed_inputs import SEED_REPOSITORY, Seed
from pytest_dockerci.engine.seed_overlay import (
    OverlayError,
    OverlayVolume,
    SeedVolume,
    can_be_overlaid,
    is_mountable,
    lay_overlay,
    remove_overlay,
    renew_overlay,
)
from pytest_dockerci.engine.seed_volumes import (
    FolderOwner,
    find_seed_volumes,
    keep_seed_volumes,
    remove_older_seed_volumes,
)
from pytest_dockerci.engine.volumes import ensure_empty_image

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity

PYTHON_IMAGE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
DATA = {"type": "volume", "source": "data", "target": "/data"}


def model(*entries: dict[str, Any], volumes: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A database with these volumes, and another service."""
    other = {"image": "x", "volumes": changes.pop("of_other", [])}
    return {
        "services": {"db": {"image": "x", "volumes": list(entries), **changes}, "other": other},
        "volumes": {"data": {}} if volumes is None else volumes,
    }


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(model(), id="one that the image declares"),
        pytest.param(model(DATA), id="one with a name"),
        pytest.param(model({"type": "volume", "target": "/data"}), id="one without"),
        pytest.param(model(DATA, deploy={"replicas": 1}), id="one replica"),
        pytest.param(model(DATA, of_other=[{**DATA, "source": "more"}]), id="others have others"),
        pytest.param(model(DATA, volumes={"data": {"driver": "local"}}), id="the driver by its name"),
        pytest.param(model({"type": "volume", "source": "logs", "target": "/logs"}), id="no seed's"),
        pytest.param(model(DATA, volumes={"data": None}), id="a name and nothing else"),
        pytest.param(model(DATA, of_other=[{**DATA, "type": "bind"}]), id="a folder of that name elsewhere"),
        pytest.param({"services": {"db": {"image": "x"}, "other": {"image": "x"}}}, id="no volume anywhere"),
        pytest.param(
            {"services": {"db": {"image": "x", "volumes": [DATA]}, "other": {"image": "x"}}, "volumes": None},
            id="no volume declared",
        ),
    ],
)
def test_a_volume_that_can_lie_over_its_seed(described: dict[str, Any]) -> None:
    """It is one container's alone, and nothing else is said of it."""
    assert can_be_overlaid(described, "db", ["/data"])


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(model(DATA, deploy={"replicas": 2}), id="two replicas"),
        pytest.param(model(DATA, scale=2), id="two by scale"),
        pytest.param(model(DATA, of_other=[DATA]), id="another service has it too"),
        pytest.param(model({**DATA, "read_only": True}), id="read only"),
        pytest.param(model({**DATA, "volume": {"subpath": "x"}}), id="a part of it"),
        pytest.param(model({**DATA, "type": "tmpfs"}), id="no volume"),
        pytest.param(model(DATA, volumes={"data": {"external": True}}), id="not the project's"),
        pytest.param(model(DATA, volumes={"data": {"driver": "nfs"}}), id="another driver"),
        pytest.param(model(DATA, volumes={"data": {"driver_opts": {"type": "nfs"}}}), id="options"),
    ],
)
def test_a_volume_that_is_filled_from_its_image(described: dict[str, Any]) -> None:
    """Others see it, or it is something else."""
    assert not can_be_overlaid(described, "db", ["/data"])


@pytest.fixture
def kept(engine: Engine, identity: RunIdentity) -> Iterator[tuple[Seed, tuple[SeedVolume, ...]]]:
    """A seed and its two volumes, on the engine."""
    reference = f"{SEED_REPOSITORY}/test-{uuid4().hex[:6]}-db:0123"
    seed = Seed(service="db", command=(), reference=reference, files=(), targets=())
    repository, _, tag = reference.rpartition(":")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in ("data", "data/inner", "logs"):
            folder = tarfile.TarInfo(path)
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o750, 70, 71
            archive.addfile(folder)
        file = tarfile.TarInfo("data/inner/file")
        file.size = 4
        archive.addfile(file, io.BytesIO(b"seed"))
    engine.client.api.import_image_from_data(data.getvalue(), repository=repository, tag=tag)
    owner = FolderOwner(uid=70, gid=71, mode=0o750)
    keep_seed_volumes(engine, identity, seed, reference, {"/data": owner, "/logs": owner})
    volumes = find_seed_volumes(engine, reference, identity.run_id)
    yield seed, volumes
    for volume in volumes:
        with suppress(docker.errors.NotFound):
            engine.client.api.remove_volume(volume.name, force=True)
    engine.client.api.remove_image(reference)


@pytest.fixture
def laid(
    engine: Engine, identity: RunIdentity, kept: tuple[Seed, tuple[SeedVolume, ...]]
) -> Iterator[tuple[str, tuple[OverlayVolume, ...]]]:
    """Overlays over it, by the name of what takes what is written."""
    ensure_empty_image(engine)
    name = f"{identity.project}_seed-db"
    yield name, lay_overlay(engine, name, identity.labels, kept[1])
    remove_overlay(engine, name)


def in_overlay(engine: Engine, volume: OverlayVolume, script: str) -> str:
    """What a shell script prints in a container that has the volume, which is created and removed."""
    api = engine.client.api
    api.create_volume(volume.name, driver="local", driver_opts=dict(volume.options))
    try:
        output = engine.client.containers.run(
            PYTHON_IMAGE,
            ["sh", "-ec", script],
            mounts=[Mount("/data", volume.name, type="volume", no_copy=True)],
            remove=True,
        )
    finally:
        api.remove_volume(volume.name)
    return bytes(output).decode()


@pytest.mark.engine
def test_a_service_writes_over_its_seed(
    engine: Engine,
    kept: tuple[Seed, tuple[SeedVolume, ...]],
    laid: tuple[str, tuple[OverlayVolume, ...]],
) -> None:
    """It sees the seed with its owner, changes, renames and removes what is there; renewed, it is as it was."""
    name, volumes = laid
    assert [volume.target for volume in volumes] == ["/data", "/logs"]
    assert [volume.labels[SEED_UPPER] for volume in volumes] == [name, name]
    look = "stat -c '%u %g %a' /data; cat /data/inner/file; ls /data"
    change = "echo more >> /data/inner/file; mv /data/inner /data/other; cat /data/other/file"
    assert in_overlay(engine, volumes[0], look) == "70 71 750\nseedinner\n"
    assert in_overlay(engine, volumes[0], change) == "seedmore\n"
    assert in_overlay(engine, volumes[0], "ls /data; rm -r /data/other; ls /data") == "other\n"
    assert in_overlay(engine, volumes[1], "ls /data") == ""
    renew_overlay(engine, name)
    assert in_overlay(engine, volumes[0], look) == "70 71 750\nseedinner\n"
    assert find_seed_volumes(engine, kept[0].reference, "another making") == ()


@pytest.mark.engine
def test_laid_twice_it_stays(
    engine: Engine,
    identity: RunIdentity,
    kept: tuple[Seed, tuple[SeedVolume, ...]],
    laid: tuple[str, tuple[OverlayVolume, ...]],
) -> None:
    """A run on a kept stack finds what the run before it has written."""
    in_overlay(engine, laid[1][0], "touch /data/new")
    again = lay_overlay(engine, laid[0], identity.labels, kept[1])
    assert again == laid[1]
    assert "new" in in_overlay(engine, again[0], "ls /data")


@pytest.mark.engine
def test_volumes_in_use_are_not_removed(
    engine: Engine,
    identity: RunIdentity,
    kept: tuple[Seed, tuple[SeedVolume, ...]],
    laid: tuple[str, tuple[OverlayVolume, ...]],
) -> None:
    """A newer seed of the service takes those of the older away, once no run lies over them."""
    seed, volumes = kept
    repository = seed.reference.rpartition(":")[0]
    remove_older_seed_volumes(engine, seed.reference, identity.run_id)
    remove_older_seed_volumes(engine, f"{repository}-other:1", "another")
    assert find_seed_volumes(engine, seed.reference, identity.run_id) == volumes
    remove_older_seed_volumes(engine, seed.reference, "another")
    assert find_seed_volumes(engine, seed.reference, identity.run_id) == volumes
    remove_overlay(engine, laid[0])
    # A kept stack makes both under one id.
    remove_older_seed_volumes(engine, f"{repository}:4567", identity.run_id)
    assert find_seed_volumes(engine, seed.reference, identity.run_id) == ()


@pytest.mark.engine
def test_a_part_of_a_seed_is_none(
    engine: Engine, identity: RunIdentity, kept: tuple[Seed, tuple[SeedVolume, ...]]
) -> None:
    """Somebody removed one of its volumes: it is not found, and one that was found before is not taken for it."""
    seed, volumes = kept
    engine.client.api.remove_volume(volumes[1].name)
    assert find_seed_volumes(engine, seed.reference, identity.run_id) == ()
    ensure_empty_image(engine)
    name = f"{identity.project}_seed-db"
    with pytest.raises(OverlayError, match=f"the volume {volumes[1].name} was removed"):
        lay_overlay(engine, name, identity.labels, volumes)
    remove_overlay(engine, name)


@pytest.mark.engine
def test_what_the_engine_cannot_mount(
    engine: Engine,
    identity: RunIdentity,
    laid: tuple[str, tuple[OverlayVolume, ...]],
) -> None:
    """Is found out when the seed is made, by trying."""
    volume = laid[1][0]
    assert is_mountable(engine, volume, identity.labels)
    options = {**volume.options, "o": volume.options["o"].replace("lowerdir=", "lowerdir=/not-there")}
    assert not is_mountable(engine, replace(volume, options=options), identity.labels)


@pytest.mark.engine
def test_the_volumes_of_a_seed_are_a_cache(engine: Engine, kept: tuple[Seed, tuple[SeedVolume, ...]]) -> None:
    """`dockerci gc --all` finds them; no run's end does."""
    labels = [engine.client.api.inspect_volume(volume.name)["Labels"] for volume in kept[1]]
    assert [each[CACHE] for each in labels] == ["seed", "seed"]
