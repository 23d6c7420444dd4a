"""Images on the engine: what they say, and pulling those that are missing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions
from docker.utils import parse_repository_tag

from pytest_dockerci.engine.stack_model import ImageFacts, parse_port
from pytest_dockerci.errors import ImageUnusableError, ServiceNotReadyError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.progress import Progress

_MAX_PARALLEL_PULLS = 4
_SHOWN_EVERY_PERCENT = 10


def inspect_image(engine: Engine, reference: str) -> dict[str, Any] | None:
    """All that the engine knows about an image; None when it has none of that name."""
    try:
        data: dict[str, Any] = engine.client.api.inspect_image(reference)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        return None
    return data


def image_facts(data: Mapping[str, Any]) -> ImageFacts:
    """What the image's configuration says about its containers."""
    config = data.get("Config") or {}
    test = (config.get("Healthcheck") or {}).get("Test")
    return ImageFacts(
        image_id=str(data["Id"]),
        ports=tuple(port for text in config.get("ExposedPorts") or {} for port in parse_port(text)),
        has_healthcheck=bool(test) and test != ["NONE"],
    )


def pull_missing(engine: Engine, wanted: Mapping[str, Mapping[str, Any]], progress: Progress) -> None:
    """Pull the images of services, in parallel, each once.

    Args:
        engine: The engine.
        wanted: Service to its definition in the Compose model; ``pull_policy: always`` is honoured.
        progress: Told about each image.

    Raises:
        ServiceNotReadyError: The registry refuses one, or cannot be reached.
    """
    jobs: dict[tuple[str, str | None], str] = {}
    for name, service in wanted.items():
        reference = str(service["image"]).replace("$$", "$")
        policy = service.get("pull_policy")
        is_there = inspect_image(engine, reference) is not None
        if not is_there and policy == "never":
            raise ServiceNotReadyError(
                f'image {reference} of service "{name}" is not on this engine',
                why="its pull_policy is never",
                fix=f"docker pull {reference}",
            )
        if not is_there or policy == "always":
            jobs.setdefault((reference, service.get("platform")), name)
    if not jobs:
        return
    with ThreadPoolExecutor(max_workers=_MAX_PARALLEL_PULLS) as pool:
        pulls = [
            pool.submit(pull_image, engine, reference, platform, progress, service=name)
            for (reference, platform), name in jobs.items()
        ]
        for pull in pulls:
            pull.result()


def pull_image(
    engine: Engine, reference: str, platform: str | None, progress: Progress, *, service: str
) -> None:
    """Pull one image, with visible progress.

    Raises:
        ServiceNotReadyError: The registry refuses it, or cannot be reached.
    """
    progress.line(f"pulling {reference} ({service})")
    started = time.monotonic()
    repository, tag = parse_repository_tag(reference)
    meter = PullMeter()
    try:
        stream = engine.client.api.pull(
            repository, tag=tag or "latest", platform=platform, stream=True, decode=True
        )
        for status in stream:
            if "error" in status:
                raise _pull_failed(reference, service, str(status["error"]))
            percent = meter.feed(status)
            if percent is not None:
                progress.status(f"pulling {reference}: {percent} %")
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        said = getattr(error, "explanation", None) or str(error)
        raise _pull_failed(reference, service, str(said)) from error
    finally:
        progress.status("")
    progress.detail(f"pulled {reference} in {time.monotonic() - started:.1f} s")


def _pull_failed(reference: str, service: str, why: str) -> ServiceNotReadyError:
    return ServiceNotReadyError(
        f'image {reference} of service "{service}" could not be pulled',
        why=why,
        fix=f"`docker pull {reference}` must work; correct the image's name, log in with `docker login`, "
        "or look at the network",
    )


class PullMeter:
    """Adds up the layers of one pull."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._shown = -1
        self._lock = threading.Lock()

    def feed(self, status: Mapping[str, Any]) -> int | None:
        """The percentage, when the status carries it past the next ten."""
        detail = status.get("progressDetail") or {}
        layer = status.get("id")
        with self._lock:
            if layer and status.get("status") == "Downloading" and detail.get("total"):
                self._layers[str(layer)] = (int(detail.get("current") or 0), int(detail["total"]))
            elif layer in self._layers and status.get("status") in ("Download complete", "Pull complete"):
                total = self._layers[str(layer)][1]
                self._layers[str(layer)] = (total, total)
            else:
                return None
            total = sum(total for _, total in self._layers.values())
            percent = 100 * sum(current for current, _ in self._layers.values()) // max(total, 1)
            step = percent // _SHOWN_EVERY_PERCENT * _SHOWN_EVERY_PERCENT
            if step <= self._shown:
                return None
            self._shown = step
            return step


def require_image(engine: Engine, reference: str, progress: Progress) -> dict[str, Any]:
    """The image that a person named, pulled when it is missing.

    Raises:
        ImageUnusableError: It is neither here nor in its registry.
    """
    data = inspect_image(engine, reference)
    if data is None and not reference.startswith("sha256:"):
        try:
            pull_image(engine, reference, None, progress, service="image under test")
        except ServiceNotReadyError as error:
            raise ImageUnusableError(
                f"the image {reference} is neither on this engine nor can it be pulled",
                why=error.why,
                fix="`docker image ls` shows those that are here; build it, or name another",
            ) from error
        data = inspect_image(engine, reference)
    if data is None:
        raise ImageUnusableError(
            f"the image {reference} is not on this engine", fix="`docker image ls` shows those that are"
        )
    return data
