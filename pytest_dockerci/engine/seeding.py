"""Makes the images that hold the state of seeded services.

A service is started, brought to its state by its own seed command, and stopped; what is in its volumes then
becomes an image on top of the service's own, and volumes that new ones are laid over. Where that cannot be, each
new volume is filled from the image by the engine itself.
"""

from __future__ import annotations

import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from pytest_dockerci.engine.command import mask_secrets
from pytest_dockerci.engine.container import run_in_container
from pytest_dockerci.engine.images import inspect_image
from pytest_dockerci.engine.labels import CACHE, COMPOSE_PROJECT, SEED_VOLUMES, image_name
from pytest_dockerci.engine.restoring import SEED_CACHE
from pytest_dockerci.engine.seed_inputs import SEED_REPOSITORY, Seed, seed_of
from pytest_dockerci.engine.seed_overlay import OverlayError, can_be_overlaid, lay_overlay
from pytest_dockerci.engine.seed_volumes import (
    FolderOwner,
    find_seed_volumes,
    keep_seed_volumes,
    remove_older_seed_volumes,
)
from pytest_dockerci.engine.volumes import ensure_empty_image
from pytest_dockerci.errors import ServiceNotReadyError, SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.seed_overlay import OverlayVolume, SeedVolume
    from pytest_dockerci.engine.stack import Stack
    from pytest_dockerci.engine.stacks import Stacks
    from pytest_dockerci.progress import Progress

_MAX_BYTES = 4 << 30
_COMMAND_SECONDS = 600.0
_STOP_SECONDS = 60
_BUILD_SECONDS = 600.0


class Seeding:
    """The seeds of one run's services.

    Args:
        engine: The engine.
        commands: Runs the builder.
        progress: Told what happens.
        plan: What the user asked for.

    Attributes:
        seeds: All of them, by service.
        missing: Those that are still to be made.
    """

    def __init__(self, engine: Engine, commands: Commands, progress: Progress, plan: EnvironmentPlan) -> None:
        self.seeds: dict[str, Seed] = {}
        self.missing: tuple[Seed, ...] = ()
        self._engine = engine
        self._commands = commands
        self._progress = progress
        self._plan = plan
        self._volumes: dict[str, tuple[SeedVolume, ...]] = {}
        self._overlays: dict[tuple[str, str], tuple[OverlayVolume, ...]] = {}
        self._lock = threading.Lock()

    def find(self, model: Mapping[str, Any], images: Mapping[str, str]) -> dict[str, str]:
        """Look for the images that hold the seeds of services.

        Args:
            model: The resolved model.
            images: Service to image id, for those that are to run.

        Returns:
            Service to the id of the image that holds its seed, for those that are there.
        """
        there = {}
        missing = []
        for name, image_id in images.items():
            # Asked beside the build already, it is not made up again: its files are read for that.
            seed = self.seeds.get(name) or seed_of(
                model, name, image_id, seed_repository(self._plan.rootdir, name)
            )
            if seed is None:
                continue
            self.seeds[name] = seed
            data = inspect_image(self._engine, seed.reference)
            if data is None:
                missing.append(seed)
            else:
                there[name] = str(data["Id"])
                self._note_volumes(seed, data)
        self.missing = tuple(missing)
        return there

    def make(
        self,
        stacks: Stacks,
        stack: Stack,
        workers: Sequence[int],
        prepare: Callable[[tuple[str, ...], Stack], None],
    ) -> dict[str, str]:
        """Start the services whose seed is missing, one after the other, and keep what they come to.

        Args:
            stacks: Starts them.
            stack: Where.
            workers: The workers of that stack: their containers ask whether a service is ready.
            prepare: As for `Stacks.service`.

        Returns:
            Service to the id of the image that holds its seed.
        """
        made = {}
        with self._progress.phase("containers/seeds"):
            stacks.start(stack, workers, ())
            stacks.await_test_containers()
            for seed in self.missing:
                began = time.monotonic()
                container_id = stacks.service(seed.service, workers[0], prepare).container_id
                made[seed.service] = make_seed(
                    self._engine,
                    self._commands,
                    seed,
                    container_id,
                    identity=self._plan.identity,
                    progress=self._progress,
                )
                self._note_volumes(seed, inspect_image(self._engine, seed.reference) or {})
                stacks.forget(stack, seed.service)
                seconds = time.monotonic() - began
                self._progress.line(
                    f"dockerci: {seed.service} is seeded, for later runs too ({seconds:.1f} s)"
                )
        self.missing = ()
        return made

    def overlays(
        self, model: Mapping[str, Any], project: str, services: Sequence[str]
    ) -> dict[str, tuple[OverlayVolume, ...]]:
        """What the volumes of seeded services are in a stack, made ready where it is not yet.

        Args:
            model: The resolved model.
            project: Compose's project of the stack.
            services: Those that are to run.

        Returns:
            Service to its volumes; those are left out whose volumes are filled from their image.
        """
        with self._lock:
            for name in services:
                if name in self._volumes and (project, name) not in self._overlays:
                    self._overlays[project, name] = self._lay(model, project, name)
            return {
                name: self._overlays[project, name]
                for name in services
                if self._overlays.get((project, name))
            }

    def _lay(self, model: Mapping[str, Any], project: str, service: str) -> tuple[OverlayVolume, ...]:
        volumes = self._volumes[service]
        is_shared = service in {command.service for command in self._plan.commands}
        if is_shared or not can_be_overlaid(model, service, [volume.target for volume in volumes]):
            return ()
        ensure_empty_image(self._engine)
        try:
            return lay_overlay(self._engine, f"{project}_seed-{service}", self._plan.identity.labels, volumes)
        except OverlayError as error:
            self._progress.line(f"dockerci: the seed of {service} is copied: {error}")
            return ()

    def _note_volumes(self, seed: Seed, data: Mapping[str, Any]) -> None:
        key = ((data.get("Config") or {}).get("Labels") or {}).get(SEED_VOLUMES)
        if key and seed.service not in self._volumes:
            volumes = find_seed_volumes(self._engine, seed.reference, key)
            if volumes:
                self._volumes[seed.service] = volumes


def seed_repository(rootdir: Path, service: str) -> str:
    """Of the images that hold a service's seed; from rootdir, so that every run of the project finds them."""
    return f"{SEED_REPOSITORY}/{image_name(rootdir, service).rpartition('/')[2].partition(':')[0]}"


def make_seed(
    engine: Engine,
    commands: Commands,
    seed: Seed,
    container_id: str,
    *,
    identity: RunIdentity,
    progress: Progress,
) -> str:
    """Bring a service that is ready to its state, and keep that as an image; the service is removed.

    Args:
        engine: The engine.
        commands: Runs the builder.
        seed: What is wanted.
        container_id: The service's container.
        identity: The run.
        progress: Told what happens.

    Returns:
        The image's id.

    Raises:
        ServiceNotReadyError: The seed command failed.
        SettingsError: The service has no volumes.
    """
    name = seed.service
    progress.status(f"seeding {name}")
    if seed.command:
        result = run_in_container(
            engine, container_id, seed.command, name=f'service "{name}"', timeout_seconds=_COMMAND_SECONDS
        )
        if result.exit_code:
            raise ServiceNotReadyError(
                f'service "{name}" could not be seeded',
                why=f"`{' '.join(seed.command)}` ended with exit code {result.exit_code}",
                fix="correct the seed command in the Compose file",
                output=mask_secrets(result.output).splitlines(),
            )
    api = engine.client.api
    api.stop(container_id, timeout=_STOP_SECONDS)
    data = api.inspect_container(container_id)
    targets = [str(mount["Destination"]) for mount in data["Mounts"] if mount["Type"] == "volume"]
    if not targets:
        raise SettingsError(
            f"the service {name!r} has a seed, and no volume that could hold it",
            fix="give it a volume, or leave the seed out",
        )
    with tempfile.TemporaryDirectory(prefix="dockerci-seed-") as folder:
        owners = {
            target: _save(engine, container_id, target, Path(folder, f"{number}.tar"))
            for number, target in enumerate(targets)
        }
        image_id = _build(engine, commands, seed, str(data["Image"]), targets, Path(folder), identity.run_id)
    _remove(engine, container_id, data)
    # Other runs take the seed for made when the image has its name.
    keep_seed_volumes(engine, identity, seed, image_id, owners)
    repository, _, key = seed.reference.rpartition(":")
    api.tag(image_id, repository, key)
    api.remove_image(f"{repository}:new-{identity.run_id}", noprune=True)
    _remove_older(engine, seed)
    remove_older_seed_volumes(engine, seed.reference, identity.run_id)
    progress.status("")
    return image_id


def _save(engine: Engine, container_id: str, target: str, file: Path) -> FolderOwner:
    stream, _ = engine.client.api.get_archive(container_id, f"{target}/.")
    size = 0
    with file.open("wb") as out:
        for chunk in stream:
            size += len(chunk)
            if size > _MAX_BYTES:
                raise SettingsError(
                    f"what is in {target} is too large for a seed",
                    why=f"more than {_MAX_BYTES >> 30} GiB",
                    fix="leave the seed out, or keep large files elsewhere",
                )
            out.write(chunk)
    with tarfile.open(file) as archive:
        root = archive.next()
    assert root is not None  # noqa: S101 - the folder itself
    return FolderOwner(uid=root.uid, gid=root.gid, mode=root.mode)


def _build(
    engine: Engine,
    commands: Commands,
    seed: Seed,
    base: str,
    targets: Sequence[str],
    folder: Path,
    run_id: str,
) -> str:
    repository, _, key = seed.reference.rpartition(":")
    base_name, new_name = f"{repository}:base-{key}", f"{repository}:new-{run_id}"
    engine.client.api.tag(base, repository, f"base-{key}")
    lines = [f"FROM {base_name}", *(f'ADD ["{n}.tar", "{target}/"]' for n, target in enumerate(targets))]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")
    argv = ["docker", "buildx", "build", "--load", "--progress", "plain", "--tag", new_name]
    argv += ["--label", f"{CACHE}={SEED_CACHE}", "--label", f"{SEED_VOLUMES}={run_id}", str(folder)]
    environ = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    try:
        completed = commands.run(argv, timeout_seconds=_BUILD_SECONDS, environ=environ)
        if not completed.is_ok:
            raise completed.error(f'the seed of service "{seed.service}" could not be kept')
    finally:
        with suppress(docker.errors.APIError):
            engine.client.api.remove_image(base_name, noprune=True)
    data = inspect_image(engine, new_name)
    assert data is not None  # noqa: S101 - it was just loaded
    return str(data["Id"])


def _remove(engine: Engine, container_id: str, data: Mapping[str, Any]) -> None:
    """The container and its volumes: what starts next begins with the seed."""
    api = engine.client.api
    api.remove_container(container_id, force=True, v=True)
    for mount in data["Mounts"]:
        if mount["Type"] == "volume" and mount.get("Name"):
            with suppress(docker.errors.APIError):  # one without a name went with the container
                if COMPOSE_PROJECT in (api.inspect_volume(mount["Name"]).get("Labels") or {}):
                    api.remove_volume(mount["Name"])


def _remove_older(engine: Engine, seed: Seed) -> None:
    """Seeds of the same service that came from something else."""
    repository = seed.reference.rpartition(":")[0]
    for data in engine.client.api.images(filters={"reference": f"{repository}:*"}):
        for tag in data.get("RepoTags") or ():
            is_older = tag.startswith(f"{repository}:") and tag != seed.reference
            if is_older and not tag.startswith(
                (f"{repository}:base-", f"{repository}:new-")
            ):  # another run's
                with suppress(docker.errors.APIError):  # a run uses it
                    engine.client.api.remove_image(tag)
