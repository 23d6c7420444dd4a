"""Whether a service is ready: an observation in, a verdict with its reason out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dockerci.engine.command import mask_secrets

_MAX_PROBE_CHARACTERS = 300

HOW_HEALTHY = "healthy"
HOW_COMPLETED = "completed"
HOW_LISTENING = "listening; no health check: a guess"
HOW_RUNNING = "running; no health check: a guess"
# A process that cannot start has usually ended by then.
GUESS_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at the container of a service.

    Attributes:
        state: The engine's word (``created``, ``running``, ``restarting``, ``exited`` ...), or ``absent``.
        health: ``starting``, ``healthy`` or ``unhealthy``; empty without a health check.
        last_probe: Exit code and output of the last probe; empty before the first.
        failed_probes: Failed probes in a row.
        exit_code: Of its last end.
        is_out_of_memory: The kernel ended it for its memory limit.
        restarts: How often the engine has restarted it.
        error: What the engine says if it could not start it.
        running_seconds: How long it has been seen running.
        is_listening: One of its ports takes connections; None when there is no port to ask, or nobody to ask it.
        container_id: The container.
        pid: Its first process, where the engine runs; 0 for none.
    """

    state: str
    health: str = ""
    last_probe: str = ""
    failed_probes: int = 0
    exit_code: int = 0
    is_out_of_memory: bool = False
    restarts: int = 0
    error: str = ""
    running_seconds: float = 0.0
    is_listening: bool | None = None
    container_id: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """It can be used.

    Attributes:
        how: How that is known.
    """

    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """Not yet.

    Attributes:
        reason: What was last seen.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not become ready by itself.

    Attributes:
        cause: What happened.
        why: What the engine says of it; empty where it says nothing.
    """

    cause: str
    why: str = ""


Verdict = Ready | NotReady | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReadiness:
    """When and how a service became ready.

    Attributes:
        name: The service, with the worker's project where each worker has a stack.
        seconds: Since its container was started; since its stack was, where nobody saw that.
        how: How that is known.
    """

    name: str
    seconds: float
    how: str


def judge(
    seen: Observation, *, must_complete: bool = False, guess_after_seconds: float = GUESS_AFTER_SECONDS
) -> Verdict:
    """What an observation means.

    Args:
        seen: The observation.
        must_complete: Another service waits for this one to complete, so running is not enough.
        guess_after_seconds: How long it must have been running where nothing else tells.
    """
    match seen.state:
        case "exited" | "dead" | "removing":
            return _judge_ended(seen, must_complete=must_complete)
        case "running":
            return (
                NotReady(reason="running, not completed")
                if must_complete
                else _judge_running(seen, guess_after_seconds)
            )
        case "restarting":
            return NotReady(reason=f"restarting after {shown_end(seen)} (restart {seen.restarts + 1})")
        case "created" if seen.error:
            return Failed(cause="could not be started", why=seen.error)
        case "absent":
            return NotReady(reason="not created yet")
        case _:
            return NotReady(reason=seen.state)


def _judge_ended(seen: Observation, *, must_complete: bool) -> Verdict:
    if (
        seen.state == "exited"
        and seen.exit_code == 0
        and not seen.error
        and (must_complete or not seen.health)
    ):
        return Ready(how=HOW_COMPLETED)
    cause = "could not be started" if seen.error else f"ended with {shown_end(seen)}"
    if seen.restarts:
        cause += f", after {seen.restarts} restarts"
    return Failed(cause=cause, why=seen.error)


def _judge_running(seen: Observation, guess_after_seconds: float) -> Verdict:
    if seen.health not in ("", "healthy"):
        probes = f" after {seen.failed_probes} failed probes" if seen.failed_probes else ""
        probe = f", last probe {seen.last_probe}" if seen.last_probe else ", no probe yet"
        return NotReady(reason=f'running, health "{seen.health}"{probes}{probe}')
    if seen.is_listening is False:
        return NotReady(reason=f"{seen.health or 'running'}, no port takes connections yet")
    if seen.health:
        return Ready(how=HOW_HEALTHY)
    if seen.is_listening:
        return Ready(how=HOW_LISTENING)
    if seen.running_seconds < guess_after_seconds:
        return NotReady(reason="just started")
    return Ready(how=HOW_RUNNING)


def shown_end(seen: Observation) -> str:
    """How a container ended, in words."""
    text = f"exit code {seen.exit_code}"
    if seen.is_out_of_memory:
        return f"{text}, out of memory"
    if seen.exit_code > 128:  # noqa: PLR2004 - the shell's convention for signals
        return f"{text} (signal {seen.exit_code - 128})"
    return text


def observation_of(data: Mapping[str, Any]) -> Observation:
    """What the engine's inspection of a container says. Pure."""
    state = data["State"]
    health = state.get("Health") or {}
    probes = health.get("Log") or []
    return Observation(
        state=str(state["Status"]),
        health=str(health.get("Status") or "").replace("none", ""),
        last_probe=_shown_probe(probes[-1]) if probes else "",
        failed_probes=int(health.get("FailingStreak") or 0),
        exit_code=int(state.get("ExitCode") or 0),
        is_out_of_memory=bool(state.get("OOMKilled")),
        restarts=int(data.get("RestartCount") or 0),
        error=str(state.get("Error") or ""),
        container_id=str(data.get("Id") or ""),
        pid=int(state.get("Pid") or 0),
    )


def _shown_probe(probe: Mapping[str, Any]) -> str:
    output = " ".join(str(probe.get("Output") or "").split())[:_MAX_PROBE_CHARACTERS]
    return f"exit code {probe.get('ExitCode')}" + (f": {mask_secrets(output)}" if output else "")
