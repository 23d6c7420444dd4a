"""Removal of everything that a run left on the engine: by its labels, whatever created it."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from pytest_dockerci.engine.labels import REAPER_NAME

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_PARALLEL = 16
# What can be removed at the same time, in this order: containers have been taken off their networks before.
_STAGES = (("container", "network"), ("volume",), ("image",), ("reaper",))
# In the order in which they can be removed.
KINDS = tuple(kind for kinds in _STAGES for kind in kinds)
# After a pass that could not remove everything.
_PAUSES_SECONDS = (0.01, 0.05, *[0.15] * 6)
_PAUSE_SECONDS = 0.1
_GONE = (404, 304)
_CONFLICT = 409
_REMOVAL_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineObject:
    """Something on the engine that can be removed.

    Attributes:
        kind: ``container``, ``network``, ``volume``, ``image``, or ``reaper``: a container that goes last.
        key: What the engine knows it by.
        name: What a person knows it by.
        labels: Its labels.
        created: When it was created, in seconds since the epoch; 0 where the engine does not say.
        networks: Keys of the networks that a container is on.
    """

    kind: str
    key: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0
    networks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def list_objects(engine: Engine, filters: Mapping[str, list[str]]) -> list[EngineObject]:
    """The containers, networks and volumes that carry labels, in the order in which they can be removed."""
    api = engine.client.api
    wanted = dict(filters)
    containers = [
        EngineObject(
            kind="reaper" if is_reaper(data) else "container",
            key=data["Id"],
            name=(data.get("Names") or [data["Id"][:12]])[0].lstrip("/"),
            labels=data.get("Labels") or {},
            created=float(data.get("Created") or 0),
            networks=networks_of(data),
        )
        for data in api.containers(all=True, filters=wanted)
    ]
    networks = [
        EngineObject(
            kind="network",
            key=data["Id"],
            name=data["Name"],
            labels=data.get("Labels") or {},
            created=parse_time(str(data.get("Created") or "")),
        )
        for data in api.networks(filters=wanted)
    ]
    volumes = [
        EngineObject(
            kind="volume",
            key=data["Name"],
            name=data["Name"],
            labels=data.get("Labels") or {},
            created=parse_time(str(data.get("CreatedAt") or "")),
        )
        for data in api.volumes(filters=wanted).get("Volumes") or []
    ]
    return [*containers, *networks, *volumes]


def is_reaper(data: Mapping[str, Any]) -> bool:
    """True for the container of a run's reaper, as the engine lists it: no service's container is called so."""
    return any(name.endswith(REAPER_NAME) for name in data.get("Names") or ())


def networks_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of the networks that a container is on, as the engine lists it: while it runs, it has an end in each."""
    entries = ((data.get("NetworkSettings") or {}).get("Networks") or {}).values()
    return tuple(str(entry["NetworkID"]) for entry in entries if entry and entry.get("EndpointID"))


def parse_time(text: str) -> float:
    """RFC 3339 with any number of decimals, as seconds since the epoch; 0 for what is none."""
    match = re.fullmatch(r"([\d-]+T[\d:]+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        return 0.0
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(match[1] + zone).timestamp() + float(f"0.{match[2] or 0}")


def remove_objects(
    engine: Engine, list_them: Callable[[], list[EngineObject]], *, quiet_seconds: float
) -> tuple[str, ...]:
    """Remove what the listing names, until it names nothing.

    Args:
        engine: The engine.
        list_them: Asked again after each pass: a request that was under way when its client was
            killed may still create something.
        quiet_seconds: How long the listing has to stay empty.

    Returns:
        What is still there, and why.
    """
    try:
        return _remove_passes(engine, list_them, quiet_seconds)
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        return (f"what is there cannot be told: {getattr(error, 'explanation', None) or error}",)


def _remove_passes(
    engine: Engine, list_them: Callable[[], list[EngineObject]], quiet_seconds: float
) -> tuple[str, ...]:
    problems: dict[str, str] = {}
    for pause_seconds in _PAUSES_SECONDS:
        objects = _list_until_quiet(list_them, quiet_seconds)
        if not objects:
            return ()
        # The reaper goes when nothing else is left: this process may be killed before that.
        doomed = [thing for thing in objects if thing.kind != "reaper"]
        if not doomed:
            doomed, quiet_seconds = objects, 0  # it has been quiet for as long as it has to be
        problems = _remove_all(engine, doomed)
        if problems:
            time.sleep(pause_seconds)
    return tuple(
        f"{thing}: {problems[thing.key]}" if thing.key in problems else str(thing) for thing in list_them()
    )


def _remove_all(engine: Engine, doomed: Sequence[EngineObject]) -> dict[str, str]:
    """Remove each of them, what can be at the same time; the keys of those that could not be removed, and why."""
    problems: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        departures = _leave_networks(engine, doomed, pool)

        def remove(thing: EngineObject) -> str:
            wait(departures[thing.key])
            return _remove(engine, thing)

        for kinds in _STAGES:
            of_kinds = [thing for thing in doomed if thing.kind in kinds]
            for thing, problem in zip(of_kinds, pool.map(remove, of_kinds), strict=True):
                if problem:
                    problems[thing.key] = problem
    return problems


def _list_until_quiet(
    list_them: Callable[[], list[EngineObject]], quiet_seconds: float
) -> list[EngineObject]:
    """What is there; nothing, or nothing but the reaper, only when that has been so for a while."""
    quiet_at = time.monotonic() + quiet_seconds
    while True:
        objects = list_them()
        if any(thing.kind != "reaper" for thing in objects) or time.monotonic() >= quiet_at:
            return objects
        time.sleep(_PAUSE_SECONDS)


def _leave_networks(
    engine: Engine, doomed: Sequence[EngineObject], pool: ThreadPoolExecutor
) -> defaultdict[str, list[Future[None]]]:
    """Begin to take containers off networks that go as well: such a network need not wait for their end.

    The engine spends most of both on waiting for the kernel. Measured with three containers: 0.31 s, not 0.45 s.

    Returns:
        Container, or network, to what has to be over before it is removed.
    """
    departures: defaultdict[str, list[Future[None]]] = defaultdict(list)
    for container, network in connections(doomed):
        departure = pool.submit(_take_off, engine, container, network)
        departures[container].append(departure)
        departures[network].append(departure)
    return departures


def connections(objects: Sequence[EngineObject]) -> list[tuple[str, str]]:
    """Containers and the networks that they are on, by key, where both are among the objects. Pure."""
    networks = {thing.key for thing in objects if thing.kind == "network"}
    return [(thing.key, key) for thing in objects for key in thing.networks if key in networks]


def _take_off(engine: Engine, container: str, network: str) -> None:
    """Take a container off a network; why it could not be done, the network's removal tells."""
    with suppress(docker.errors.APIError, requests.exceptions.RequestException):
        engine.client.api.disconnect_container_from_network(container, network, force=True)


def _remove(engine: Engine, thing: EngineObject) -> str:
    """Remove one object; why it could not be done, empty when it is gone."""
    api = engine.client.api
    try:
        match thing.kind:
            case "container" | "reaper":
                api.remove_container(thing.key, force=True, v=True)
            case "network":
                api.remove_network(thing.key)
            case "image":
                api.remove_image(thing.key)
            case _:
                api.remove_volume(thing.key, force=True)
    except docker.errors.APIError as error:
        said = str(error.explanation or error)
        if error.status_code == _CONFLICT and "already in progress" in said:
            return _await_removal(engine, thing, said)
        return "" if error.status_code in _GONE else said
    except requests.exceptions.RequestException as error:
        return str(error)
    return ""


def _await_removal(engine: Engine, thing: EngineObject, said: str) -> str:
    """Block until a container that removes itself, the reaper's at its end, is gone; else what the engine had said."""
    try:
        engine.client.api.wait(thing.key, timeout=_REMOVAL_SECONDS, condition="removed")
    except docker.errors.NotFound:
        return ""
    except (docker.errors.APIError, requests.exceptions.RequestException):
        return said
    return ""
