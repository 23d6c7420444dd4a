"""What is wrong with a container, or with its engine, when its stream has ended or says nothing."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from pytest_dockerci.engine.connection import ask
from pytest_dockerci.engine.endpoint import shown_loss
from pytest_dockerci.engine.readiness import Observation, observation_of, shown_end

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.plain_engine import PlainEngine

_ANSWER_SECONDS = 3
# The engine tells of a container's end a moment after the end of its streams.
_SECOND_LOOK_SECONDS = 0.3


def trouble_of(engine: Engine | PlainEngine, container_id: str) -> str:
    """What is wrong, in words; empty when the engine says that the container runs.

    Args:
        engine: Asked twice, for 3 s each at most.
        container_id: The container.
    """
    return _look(engine, container_id) or _look(engine, container_id, after_seconds=_SECOND_LOOK_SECONDS)


def _look(engine: Engine | PlainEngine, container_id: str, after_seconds: float = 0.0) -> str:
    time.sleep(after_seconds)
    try:
        status, data = ask(engine, "GET", f"containers/{container_id}/json", timeout_seconds=_ANSWER_SECONDS)
    except TimeoutError:
        engine.suspect()
        return shown_loss(engine.endpoint, f"no answer in {_ANSWER_SECONDS} s")
    except OSError as error:
        return shown_loss(engine.endpoint, error.strerror.lower() if error.strerror else "it hung up")
    if status == HTTPStatus.NOT_FOUND:
        return shown_trouble(Observation(state="absent"))
    return shown_trouble(observation_of(data)) if status == HTTPStatus.OK else ""


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
