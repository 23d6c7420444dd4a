"""What a service says about its own state: ``x-dockerci: {seed: command, reset: command}``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.container import run_in_container
from pytest_dockerci.engine.model_cache import EXTENSION
from pytest_dockerci.errors import DockerCIError, ServiceNotReadyError, SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.plain_engine import PlainEngine

_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """How a service comes to its state.

    Attributes:
        reset: Run in its container between two runs on a kept stack; empty for nothing.
        has_seed: The content of its volumes is kept, and later stacks start with it.
        seed: Run in its container before that; empty for nothing.
        inputs: Further files and folders that its seed comes from.
    """

    reset: tuple[str, ...] = ()
    has_seed: bool = False
    seed: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


def service_state(name: str, definition: Mapping[str, Any]) -> ServiceState:
    """What a service of the resolved model says.

    Raises:
        SettingsError: It says what cannot be meant.
    """
    said = definition.get(EXTENSION) or {}
    unknown = (
        sorted(set(said) - {"reset", "seed", "seed_inputs"}) if isinstance(said, Mapping) else [str(said)]
    )
    if unknown:
        raise SettingsError(
            f"the service {name!r} has {EXTENSION}: {unknown[0]}, which means nothing",
            fix=f"write {EXTENSION}: {{seed: COMMAND, seed_inputs: [FILES], reset: COMMAND}}",
        )
    seed = said.get("seed")
    return ServiceState(
        reset=_command(name, said.get("reset")),
        has_seed=seed is not None and seed is not False,
        seed=() if isinstance(seed, bool) else _command(name, seed),
        inputs=tuple(map(str, said.get("seed_inputs") or ())),
    )


def _command(name: str, value: Any) -> tuple[str, ...]:
    """A command as Compose has them: a text that is split as a shell does, or a list."""
    if value is None:
        return ()
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        words = []
    if not words or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise SettingsError(
            f"the service {name!r} has a command in {EXTENSION} that cannot be run: {value!r}",
            fix="write it as a text, or as a list of texts",
        )
    return tuple(word.replace("$$", "$") for word in words)


def reset_services(
    engine: Engine | PlainEngine, containers: Mapping[str, Sequence[str]], resets: Mapping[str, Sequence[str]]
) -> None:
    """Run the reset commands of services, all at the same time.

    Args:
        engine: The engine.
        containers: Service to its running containers.
        resets: Service to its command.

    Raises:
        ServiceNotReadyError: One failed: the state of that service is not what tests expect.
    """
    jobs = [(name, each, argv) for name, argv in resets.items() for each in containers.get(name, ())]
    if not jobs:
        return
    with ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        list(pool.map(lambda job: _reset(engine, *job), jobs))


def _reset(engine: Engine | PlainEngine, name: str, container_id: str, argv: Sequence[str]) -> None:
    shown = " ".join(argv)
    fix = f"correct {EXTENSION} of {name!r}; `dockerci down` ends the kept stack"
    try:
        result = run_in_container(
            engine, container_id, argv, name=f'service "{name}"', timeout_seconds=_TIMEOUT_SECONDS
        )
    except DockerCIError as error:
        raise ServiceNotReadyError(
            f'service "{name}" could not be reset', why=error.why or error.what, fix=fix
        ) from error
    if result.exit_code:
        raise ServiceNotReadyError(
            f'service "{name}" could not be reset',
            why=f"`{shown}` ended with exit code {result.exit_code}",
            fix=fix,
            output=result.output.splitlines(),
        )
