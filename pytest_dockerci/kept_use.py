"""Whether a run uses the stack that its project keeps, and what is said about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.kept_stack import END_COMMAND, describe_seconds, find_kept, read_kept
from pytest_dockerci.state import take_lease

if TYPE_CHECKING:
    from pytest_dockerci.engine.early_agents import EarlyAgents
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.warm_environment import WarmEnvironment
    from pytest_dockerci.kept_stack import KeptStack
    from pytest_dockerci.progress import Progress

EARLY_AGENTS: pytest.StashKey[EarlyAgents] = pytest.StashKey()


def start_early_agents(config: pytest.Config) -> None:
    """Start the agents of the stack that the project keeps, where it looks as if this run would use it."""
    option = config.known_args_namespace
    is_distributed = getattr(option, "numprocesses", None) or getattr(option, "tx", None)
    if not option.dockerci_keep or option.collectonly or is_distributed or hasattr(config, "workerinput"):
        return
    from pytest_dockerci.engine.early_agents import EarlyAgents  # noqa: PLC0415 - few runs keep stacks

    config.stash[EARLY_AGENTS] = agents = EarlyAgents(os.environ, config.rootpath)
    config.add_cleanup(agents.drop)


def use_kept(
    plan: EnvironmentPlan, environ: Mapping[str, str], progress: Progress
) -> tuple[WarmEnvironment | None, EnvironmentPlan]:
    """The environment on the project's kept stack, where the run wants one and it fits as it is.

    Args:
        plan: What the user asked for.
        environ: The host's environment.
        progress: Told what is kept, and why it is not used.

    Returns:
        The environment, or None; and the plan, with a stack to go on with and its lease where there is one.
    """
    found, plan = _use_kept(plan, environ, progress)
    if found is None and plan.early_agents is not None:
        plan.early_agents.drop()
    return found, plan


def _use_kept(
    plan: EnvironmentPlan, environ: Mapping[str, str], progress: Progress
) -> tuple[WarmEnvironment | None, EnvironmentPlan]:
    if plan.keep_expiry_seconds is not None and (plan.extra_services or plan.commands):
        progress.notice(
            "dockerci: with pytest_dockerci_extra_services, or commands, no stack is kept, or used"
        )
        return None, replace(plan, keep_expiry_seconds=None)
    kept = find_kept(plan.state_dir)
    if plan.keep_expiry_seconds is None:
        if kept is not None:
            progress.notice(
                f"dockerci: a stack of this project is kept since {describe_seconds(kept.age_seconds)}; "
                f"--dockerci-keep uses it, `{END_COMMAND}` ends it"
            )
        return None, plan
    if kept is None:
        return None, _without(plan) if plan.only_collects else plan
    return _use(plan, kept, environ, progress)


def _use(
    plan: EnvironmentPlan, kept: KeptStack, environ: Mapping[str, str], progress: Progress
) -> tuple[WarmEnvironment | None, EnvironmentPlan]:
    early = plan.early_agents
    lease = take_lease(kept.folder) if early is None else early.take_lease(kept.folder)
    if lease is None:
        by = f" by process {kept.user}" if kept.user else ""
        progress.notice(f"dockerci: the kept stack is in use{by}; this run starts its own, and removes it")
        return None, _without(plan)
    # The run before may have changed what is written down until it let go.
    now = read_kept(kept.folder)
    if now is None:
        lease.release()
        return None, plan
    now.note_user()
    plan = replace(plan, kept=now, lease=lease)
    from pytest_dockerci.engine.warm_start import open_warm  # noqa: PLC0415 - few runs keep stacks

    found = open_warm(plan, now, environ, progress)
    if not isinstance(found, str):
        return found, plan
    if plan.only_collects:
        lease.release()
        return None, _without(plan)
    progress.line(f"dockerci: not all of the kept stack can be used: {found}")
    return None, plan


def leave_other_engine(plan: EnvironmentPlan, engine_id: str, *, is_local: bool) -> EnvironmentPlan:
    """The plan without a stack that is on another engine, which stays until its time is up; none is kept elsewhere."""
    if is_local and (plan.kept is None or plan.kept.engine_id == engine_id):
        return plan
    if plan.lease is not None:
        plan.lease.release()
    return _without(plan)


def _without(plan: EnvironmentPlan) -> EnvironmentPlan:
    lease = None if plan.kept is not None else plan.lease
    return replace(plan, keep_expiry_seconds=None, kept=None, lease=lease)
