"""The Compose model as a run takes it: read, changed by the project's hooks, and what of it is started and tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.build_inputs import compose_files
from pytest_dockerci.engine.compose_model import (
    choose_started,
    read_model,
    require_free_names,
    require_services,
)
from pytest_dockerci.engine.edited_model import edited_model
from pytest_dockerci.engine.model_cache import model_cache
from pytest_dockerci.engine.powers import require_allowed
from pytest_dockerci.engine.stack_model import check_name, command_name

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.model_cache import ComposeModel


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModel:
    """What a run takes from the Compose files.

    Attributes:
        resolved: As Compose resolved them.
        model: The same after the project's hooks.
        started: The services that are started for the tests.
        tested: Those in whose image something is tested: the one under test first.
        compose_files: The files.
    """

    resolved: Mapping[str, Any]
    model: ComposeModel
    started: tuple[str, ...]
    tested: tuple[str, ...]
    compose_files: tuple[Path, ...]


def read_resolved(
    engine: Engine, commands: Commands, plan: EnvironmentPlan, cache_folder: Path
) -> tuple[ComposeModel, list[Path]]:
    """The model as Compose resolves it, or has resolved it from the same files; and those files.

    Args:
        engine: The engine.
        commands: Runs Compose.
        plan: What the user asked for.
        cache_folder: Takes what Compose has answered.

    Raises:
        SettingsError: Compose cannot resolve it, or it wants what is not allowed.
    """
    files = list(plan.compose_files)
    plan.edit_compose_files(files)
    question = [".".join(map(str, engine.compose_version)), *sorted(plan.allow)]
    cache = model_cache(cache_folder, plan.rootdir, files, engine.child_environ, question)
    project = plan.identity.project
    return read_model(commands, plan.rootdir, files, project=project, allow=plan.allow, cache=cache), files


def run_model(plan: EnvironmentPlan, resolved: ComposeModel, files: Sequence[Path]) -> RunModel:
    """What the run takes from it.

    Args:
        plan: What the user asked for.
        resolved: The model.
        files: The files that it comes from.

    Raises:
        SettingsError: A setting names what is not there, or a service wants what is not allowed.
    """
    model = edited_model(
        resolved,
        edit_model=plan.edit_model,
        built=plan.service if plan.image_ref is None else "",
        edit_build_args=plan.edit_build_args,
    )
    require_services(model, [plan.service], "dockerci_service")
    require_services(model, plan.start, "dockerci_start")
    tested = tuple(dict.fromkeys([plan.service, *(command.service for command in plan.commands)]))
    require_services(model, tested, "dockerci_command")
    require_free_names(
        model,
        [
            *(check_name(plan.service, worker) for worker in range(plan.workers)),
            *(command_name(command.service, command.number) for command in plan.commands),
        ],
    )
    started = dict.fromkeys(name for each in tested for name in choose_started(model, each, plan.start))
    chosen = RunModel(
        resolved=resolved.data,
        model=model,
        started=() if plan.only_collects else tuple(started),
        tested=tested,
        compose_files=compose_files(plan.rootdir, files),
    )
    require_allowed(model, [*chosen.started, *tested], plan.allow)
    return chosen
