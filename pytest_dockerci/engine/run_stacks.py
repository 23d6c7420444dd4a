"""The stacks of one run, as its plan wants them: their files, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.stack import Stack
from pytest_dockerci.engine.stack_model import (
    CommandContainerPlan,
    StackPlan,
    TestContainerPlan,
    command_name,
    plan_stack,
    secret_variable,
)

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.python_suite import PythonSuite
    from pytest_dockerci.engine.seeding import Seeding
    from pytest_dockerci.engine.stack_images import StackImages
    from pytest_dockerci.engine.stack_model import ImageFacts


def new_stack(engine: Engine, commands: Commands, plan: EnvironmentPlan, folder: Path, project: str) -> Stack:
    """A stack of a run, of which nothing runs yet.

    Args:
        engine: The engine.
        commands: Runs Compose.
        plan: What the user asked for.
        folder: Takes its files.
        project: Compose's project.
    """
    return Stack(
        engine,
        commands,
        plan.identity,
        project=project,
        folder=folder,
        rootdir=plan.rootdir,
        secret_environ={secret_variable(name): value for name, value in plan.secret_environ.items()},
    )


def model_of_stack(
    plan: EnvironmentPlan,
    model: ComposeModel,
    images: StackImages,
    suite: PythonSuite | None,
    seeding: Seeding,
    *,
    project: str,
    services: Sequence[str],
) -> dict[str, Any]:
    """What Compose is to run.

    Args:
        plan: What the user asked for.
        model: The resolved model after the project's hooks.
        images: The services' images.
        suite: What the test containers have beside theirs; None where there are none.
        seeding: Has the seeds that services start from.
        project: Compose's project.
        services: Those that are started.
    """
    tests = tuple(
        TestContainerPlan(worker=worker, mounts=suite.mounts(volume_prefix(plan, worker)) if suite else ())
        for worker in plan.workers_by_project[project]
    )
    whole = replace(
        _services_plan(plan, project, [*services, plan.service], images.built, images.facts),
        overlays=seeding.overlays(model.data, project, services),
        python="" if suite is None else suite.python.executable,
        tests=tests,
        commands=commands_of(plan, project),
    )
    return plan_stack(model.data, whole)


def model_of_early_services(
    plan: EnvironmentPlan,
    model: ComposeModel,
    facts: Mapping[str, ImageFacts],
    built: Mapping[str, str],
    seeding: Seeding,
    *,
    project: str,
    services: Sequence[str],
) -> dict[str, Any]:
    """What Compose is to run while the image under test is still being built: services alone.

    Args:
        plan: What the user asked for.
        model: The resolved model after the project's hooks.
        facts: Service to what its image says.
        built: Service to the image that it starts from in place of its own: its seed.
        seeding: As for `model_of_stack`.
        project: Compose's project.
        services: Those that are started.
    """
    early = _services_plan(plan, project, services, built, facts)
    return plan_stack(model.data, replace(early, overlays=seeding.overlays(model.data, project, services)))


def _services_plan(
    plan: EnvironmentPlan,
    project: str,
    services: Sequence[str],
    built: Mapping[str, str],
    facts: Mapping[str, ImageFacts],
) -> StackPlan:
    return StackPlan(
        identity=plan.identity,
        project=project,
        service=plan.service,
        services=tuple(dict.fromkeys(services)),
        built=built,
        images=facts,
        python="",
        environ=plan.environ,
        worker_count=plan.workers,
    )


def commands_of(plan: EnvironmentPlan, project: str) -> tuple[CommandContainerPlan, ...]:
    """The commands that run beside the services of a stack: the first one."""
    return plan.commands if project == next(iter(plan.workers_by_project)) else ()


def command_names(plan: EnvironmentPlan, project: str) -> list[str]:
    """The Compose services of those containers."""
    return [command_name(each.service, each.number) for each in commands_of(plan, project)]


def volume_prefix(plan: EnvironmentPlan, worker: int) -> str:
    """Starts the names of the volumes of a worker's test container."""
    return f"{plan.identity.project}-{worker}"
