"""What is wrong with a container, or with its engine, when its stream has ended or says nothing."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests.exceptions

from pytest_dockerci.engine.api import EngineLostError
from pytest_dockerci.engine.readiness import Observation, observation_of, shown_end

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_ANSWER_SECONDS = 3
# The engine tells of a container's end a moment after the end of its streams.
_SECOND_LOOK_SECONDS = 0.3


def trouble_of(engine: Engine, container_id: str) -> str:
    """What is wrong, in words; empty when the engine says that the container runs.

    Args:
        engine: Asked twice, for 3 s each at most.
        container_id: The container.
    """
    return _look(engine, container_id) or _look(engine, container_id, after_seconds=_SECOND_LOOK_SECONDS)


def _look(engine: Engine, container_id: str, after_seconds: float = 0.0) -> str:
    time.sleep(after_seconds)
    api = engine.client.api
    version = ".".join(map(str, engine.api_version))
    url = f"{api.base_url}/v{version}/containers/{container_id}/json"
    try:
        response = api.get(url, timeout=_ANSWER_SECONDS)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return shown_trouble(Observation(state="absent"))
        return shown_trouble(observation_of(response.json())) if response.ok else ""
    except EngineLostError as error:
        return error.explanation
    except requests.exceptions.ReadTimeout:
        return EngineLostError(engine.endpoint, f"no answer in {_ANSWER_SECONDS} s").explanation


def shown_trouble(seen: Observation) -> str:
    """What an observation of a container that should run says is wrong; empty for nothing. Pure."""
    match seen.state:
        case "running":
            return ""
        case "absent" | "removing":
            return "the container was removed"
        case "exited" | "dead":
            return f"the container ended with {shown_end(seen)}"
        case state:
            return f"the container is {state}"
