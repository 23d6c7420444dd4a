"""Makes a run's environment on the Docker Engine from what the user asked for, and from the project's hooks."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dockerci.coverage_request import find_coverage
from pytest_dockerci.kept_use import EARLY_AGENTS, leave_other_engine, use_kept
from pytest_dockerci.last_image import last_image
from pytest_dockerci.masking import MIN_CHARACTERS, know
from pytest_dockerci.report_folder import ARTIFACTS_FOLDER, LOGS_FOLDER
from pytest_dockerci.state import record_owner, state_directory

if TYPE_CHECKING:
    from pytest_dockerci.commands.settings import CommandLine
    from pytest_dockerci.engine.early_nets import EarlyNets
    from pytest_dockerci.engine.environment import Environment
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.stack_model import CommandContainerPlan
    from pytest_dockerci.engine.tools import Tools
    from pytest_dockerci.settings import Settings
    from pytest_dockerci.terminal import TerminalProgress


EnvironmentFactory = Callable[[pytest.Config, "Settings", "TerminalProgress", str], "Environment"]

# Tests of this project put a factory here that starts the real agent as a local process.
ENVIRONMENT_FACTORY = pytest.StashKey[EnvironmentFactory]()


def make_environment(
    config: pytest.Config, settings: Settings, progress: TerminalProgress, run_id: str
) -> Environment:
    """The environment on the Docker Engine. Docker's client is first imported here, where it is needed at all."""
    plan = plan_environment(config, settings, progress, run_id)
    warm, plan = use_kept(plan, os.environ, progress)
    if warm is not None:
        return cast("Environment", warm)  # it offers as much of it as a run uses
    # Docker's tools, and the engine, answer while Docker's client is loaded: only a run that needs that pays for it.
    from pytest_dockerci.engine.early_nets import EarlyNets  # noqa: PLC0415
    from pytest_dockerci.engine.tools import Tools  # noqa: PLC0415

    early = EarlyNets(plan, os.environ, progress)
    try:
        return _environment_on_engine(plan, settings, progress, Tools(os.environ), early)
    except BaseException:
        early.abandon()
        raise


def _environment_on_engine(
    plan: EnvironmentPlan, settings: Settings, progress: TerminalProgress, tools: Tools, early: EarlyNets
) -> Environment:
    from pytest_dockerci.engine.client import connect_engine  # noqa: PLC0415
    from pytest_dockerci.engine.environment import Environment  # noqa: PLC0415

    engine = connect_engine(os.environ, settings.allow, tools)
    plan = leave_other_engine(plan, engine.id, is_local=engine.target.is_local)
    nets, plan = early.take(plan, engine.id)
    if plan.lease is None:
        plan = replace(plan, lease=record_owner(plan.state_dir, plan.run_id, plan.nonce, engine.id))
    if plan.keep_expiry_seconds is None:
        return Environment(engine, plan, progress, nets)
    from pytest_dockerci.engine.kept_environment import KeptEnvironment  # noqa: PLC0415 - as above

    return KeptEnvironment(engine, plan, progress, nets)


def plan_environment(
    config: pytest.Config, settings: Settings, progress: TerminalProgress, run_id: str
) -> EnvironmentPlan:
    """What the user asked for, as the settings and the project's hooks say it."""
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan, ReportRequest  # noqa: PLC0415 - as above

    hook = config.hook
    environ = dict(settings.environ)
    hook.pytest_dockerci_env(config=config, env=environ)
    secret_environ = take_secrets(settings.secrets, environ, os.environ)
    for name, value in secret_environ.items():
        if len(value) < MIN_CHARACTERS:
            progress.line(
                f"dockerci: {name} is too short to be hidden ({MIN_CHARACTERS} characters at least)"
            )
    extra_services: dict[str, Any] = {}
    if not config.option.collectonly:
        hook.pytest_dockerci_extra_services(config=config, services=extra_services)
    host_versions = {"pytest": pytest.__version__}
    coverage = find_coverage(config)
    if coverage is not None:
        host_versions["coverage"] = coverage.version
    state_dir = state_directory(os.environ, settings.rootdir)
    last = last_image(state_dir, settings.service)
    return EnvironmentPlan(
        run_id=run_id,
        nonce=secrets.token_hex(8),
        rootdir=settings.rootdir,
        state_dir=state_dir,
        service=settings.service,
        compose_files=settings.compose_files,
        image_ref=settings.image_ref,
        start=settings.start,
        runs_pytest=bool(settings.suite),
        suite=settings.suite,
        config_file=settings.config_file,
        host_only=settings.host_suite,
        container_root=settings.container_root,
        environ=environ,
        secret_environ=secret_environ,
        commands=() if config.option.collectonly else command_plans(settings.commands, secret_environ),
        requirements=(
            "pytest",
            *settings.requirements,
            *([] if coverage is None else [coverage.requirement]),
        ),
        host_versions=host_versions,
        workers=settings.workers,
        per_worker_stacks=settings.per_worker_stacks,
        ready_timeout_seconds=settings.ready_timeout_seconds,
        build_timeout_seconds=settings.build_timeout_seconds,
        build_number=settings.build_number,
        allow=settings.allow,
        reaper_image=settings.reaper_image,
        is_strict=settings.is_strict,
        edit_compose_files=lambda files: _call(
            hook.pytest_dockerci_compose_files, config=config, files=files
        ),
        edit_build_args=lambda args: _call(hook.pytest_dockerci_build_args, config=config, args=args),
        edit_model=lambda model: _call(hook.pytest_dockerci_compose_model, config=config, model=model),
        edit_tags=lambda tags: _call(hook.pytest_dockerci_tags, config=config, tags=tags),
        only_collects=config.option.collectonly,
        known_image=last if config.option.collectonly else None,
        last_image=last,
        extra_services=extra_services,
        keep_expiry_seconds=settings.keep_expiry_seconds,
        early_agents=config.stash.get(EARLY_AGENTS, None),
        report=None
        if settings.report.folder is None
        else ReportRequest(
            logs=settings.report.folder / LOGS_FOLDER,
            artifacts=settings.report.folder / ARTIFACTS_FOLDER,
            globs=settings.report.artifacts,
        ),
    )


def command_plans(
    commands: Sequence[CommandLine], secret_environ: Mapping[str, str]
) -> tuple[CommandContainerPlan, ...]:
    """The containers of commands: nothing of ours is in them, so secrets are part of their environment."""
    if not commands:
        return ()
    from pytest_dockerci.engine.stack_model import CommandContainerPlan  # noqa: PLC0415 - as above

    return tuple(
        CommandContainerPlan(
            number=command.number,
            service=command.service,
            argv=command.argv,
            secrets=tuple(sorted(secret_environ)),
        )
        for command in commands
    )


def take_secrets(
    names: Sequence[str], environ: dict[str, str], host_environ: Mapping[str, str]
) -> dict[str, str]:
    """Take the secrets out of the testing environment; from here on their values are hidden in every text.

    Args:
        names: Of the secrets; one that has no value anywhere is left out.
        environ: The testing environment; changed in place.
        host_environ: The host's; its value counts where the testing environment has none.
    """
    taken = {}
    for name in names:
        value = environ.pop(name, host_environ.get(name))
        if value is not None:
            taken[name] = value
    know(taken.values())
    return taken


def _call(hook: Callable[..., object], **arguments: object) -> None:
    hook(**arguments)
