"""Replaces the container of a seeded service by one like it, with new volumes: these are filled by its image.

Source: Engine API, `ContainerCreate`; what an inspection says of a container is what another is created from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_dockerci.engine.connection import require_answer
from pytest_dockerci.engine.labels import CACHE, COMPOSE_PROJECT, SEED_UPPER
from pytest_dockerci.engine.seed_overlay import OverlayError, renew_overlay
from pytest_dockerci.errors import DockerCIError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

SEED_CACHE = "seed"
_SHORT_ID = 12
_TIMEOUT_SECONDS = 60.0


def restore_container(engine: Engine, container_id: str, name: str) -> None:
    """Remove a container with its volumes, and start another one in its place.

    Args:
        engine: The engine.
        container_id: The container.
        name: Its service, for messages.

    Raises:
        DockerCIError: The container holds no seed, or the engine refuses.
    """
    data = _ask(engine, name, "GET", f"containers/{container_id}/json")
    if (data["Config"].get("Labels") or {}).get(CACHE) != SEED_CACHE:
        raise DockerCIError(
            f'service "{name}" cannot be restored',
            why="it was not started from a seed",
            fix=f'add to "{name}" in the Compose file: x-dockerci: {{seed: COMMAND}}',
        )
    volumes = [mount["Name"] for mount in data["Mounts"] if mount["Type"] == "volume" and mount.get("Name")]
    described = [_ask(engine, name, "GET", f"volumes/{quote(volume, safe='')}") for volume in volumes]
    _ask(engine, name, "DELETE", f"containers/{container_id}?force=1&v=1")
    # Those without a name of their own went with the container.
    own = [volume for volume in described if COMPOSE_PROJECT in (volume.get("Labels") or {})]
    for volume in own:
        _ask(engine, name, "DELETE", f"volumes/{quote(volume['Name'], safe='')}")
    try:
        for upper in {volume["Labels"][SEED_UPPER] for volume in own if SEED_UPPER in volume["Labels"]}:
            renew_overlay(engine, upper)
    except OverlayError as error:
        raise _not_restored(name, str(error)) from error
    for volume in own:
        wanted = {key: volume.get(key) for key in ("Name", "Driver", "Labels")}
        _ask(engine, name, "POST", "volumes/create", {**wanted, "DriverOpts": volume.get("Options")})
    created = _ask(
        engine,
        name,
        "POST",
        f"containers/create?name={quote(data['Name'].lstrip('/'))}",
        creation_of(data),
    )
    _ask(engine, name, "POST", f"containers/{created['Id']}/start")


def creation_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a container like an inspected one is created from. Pure."""
    short_id = str(data["Id"])[:_SHORT_ID]
    config = dict(data["Config"])
    if config.get("Hostname") == short_id:  # its own, by default
        del config["Hostname"]
    networks = {
        network: {
            "Aliases": [alias for alias in endpoint.get("Aliases") or [] if alias != short_id],
            "IPAMConfig": endpoint.get("IPAMConfig"),
            "Links": endpoint.get("Links"),
            "DriverOpts": endpoint.get("DriverOpts"),
        }
        for network, endpoint in (data["NetworkSettings"].get("Networks") or {}).items()
    }
    return {**config, "HostConfig": data["HostConfig"], "NetworkingConfig": {"EndpointsConfig": networks}}


def _ask(engine: Engine, name: str, method: str, path: str, values: Any = None) -> Any:
    try:
        return require_answer(engine, method, path, values, timeout_seconds=_TIMEOUT_SECONDS)
    except OSError as error:
        raise _not_restored(name, str(error)) from error


def _not_restored(name: str, why: str) -> DockerCIError:
    return DockerCIError(
        f'service "{name}" could not be restored',
        why=why,
        fix="run again; if the engine refuses each time, leave restore() out for this service",
    )
