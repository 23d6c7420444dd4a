"""The engine's part of a push: it sends the image, under a tag of the run alone."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.auth
import docker.errors
import requests.exceptions
import urllib3.exceptions

from pytest_dockerci.engine.registry_credentials import Credentials
from pytest_dockerci.errors import RegistryError
from pytest_dockerci.image_reference import Repository

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.progress import Progress

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePush:
    """What the engine is to send.

    Attributes:
        image_id: The image.
        repository: Where to.
        tag: Under which tag.
        credentials: Of the account.
        silence_seconds: How long it may say nothing.
    """

    image_id: str
    repository: Repository
    tag: str
    credentials: Credentials
    silence_seconds: float


def push_by_engine(engine: Engine, order: EnginePush, progress: Progress) -> str:
    """Have the engine push; the digest of the manifest that it has sent, empty where it does not say.

    The name that this takes on the engine is gone afterwards.

    Raises:
        RegistryError: The engine or the registry refused, failed, or said nothing for too long.
    """
    api = engine.client.api
    name = str(order.repository)
    failed = f"the engine could not push to {order.repository}"
    try:
        api.tag(order.image_id, name, order.tag)
        try:
            return _stream_push(engine, order, progress, failed)
        finally:
            with contextlib.suppress(docker.errors.APIError):
                api.remove_image(f"{name}:{order.tag}", noprune=True)
    except docker.errors.APIError as error:
        raise RegistryError(failed, why=str(error.explanation or error)) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        is_silent = isinstance(error, (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError))
        why = f"it said nothing for {order.silence_seconds:g} s" if is_silent else f"it hung up: {error}"
        raise RegistryError(failed, why=why, fix="look at the registry, then run again") from error


def _stream_push(engine: Engine, order: EnginePush, progress: Progress, failed: str) -> str:
    api: Any = engine.client.api
    header = docker.auth.encode_header(dict(order.credentials.for_engine))
    # `APIClient.push` has no time-out of its own: it takes the one of short calls.
    response = api._post_json(  # noqa: SLF001 - see above
        api._url("/images/{0}/push", str(order.repository)),  # noqa: SLF001 - as above
        None,
        headers={"X-Registry-Auth": header},
        params={"tag": order.tag},
        stream=True,
        timeout=order.silence_seconds,
    )
    meter, sent = PushMeter(), ""
    with response:
        api._raise_for_status(response)  # noqa: SLF001 - as above
        for event in api._stream_helper(response, decode=True):  # noqa: SLF001 - as above
            if "error" in event:
                raise RegistryError(
                    failed, why=str(event["error"]), fix=_advice(str(event["error"]), order.repository)
                )
            sent = str((event.get("aux") or {}).get("Digest") or sent)
            shown = meter.feed(event)
            if shown:
                progress.status(f"pushing to {order.repository}: {shown}")
    return sent


def _advice(said: str, repository: Repository) -> str:
    lowered = said.lower()
    if any(
        word in lowered for word in ("denied", "unauthorized", "authentication", "forbidden", "no basic auth")
    ):
        return f"`docker login {repository.registry}` as an account that may push to {repository.path}"
    return "look at the network and at the registry, then run again; to repeat is safe"


class PushMeter:
    """Adds up the layers of one push."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    def feed(self, event: Mapping[str, Any]) -> str:
        """How far it is, ``1.2 of 30.5 MB``, when the event says something about that; else empty."""
        detail = event.get("progressDetail") or {}
        layer = str(event.get("id") or "")
        if event.get("status") != "Pushing" or not layer or not detail.get("total"):
            return ""
        total = int(detail["total"])
        self._layers[layer] = (min(int(detail.get("current") or 0), total), total)
        current = sum(done for done, _ in self._layers.values())
        whole = sum(size for _, size in self._layers.values())
        return f"{current / _MEGABYTE:.1f} of {whole / _MEGABYTE:.1f} MB"
