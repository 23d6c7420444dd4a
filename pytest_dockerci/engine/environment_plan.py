"""What the user asked for, as the engine side needs to know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.labels import RunIdentity, folder_name

if TYPE_CHECKING:
    from pytest_dockerci.engine.early_agents import EarlyAgents
    from pytest_dockerci.engine.stack_model import CommandContainerPlan
    from pytest_dockerci.kept_stack import KeptStack
    from pytest_dockerci.last_image import LastImage
    from pytest_dockerci.state import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """What is wanted of the engine.

    Attributes:
        logs: Folder for the logs; exists not yet, or is empty.
        artifacts: Folder for the artifacts; the same.
        globs: What is an artifact.
    """

    logs: Path
    artifacts: Path
    globs: tuple[str, ...] = ()


def _leave(_: Any) -> None:
    """Change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlan:
    """What the user asked for.

    Attributes:
        run_id: Short, unique on the engine.
        nonce: Long and random.
        rootdir: The project on the host.
        state_dir: Folder for this project's run files and caches; exists.
        service: The Compose service under test.
        compose_files: Empty: what ``docker compose`` finds from rootdir.
        image_ref: An image to test as it is; None to build.
        start: Services to start; empty for what the service depends on.
        runs_pytest: The image runs a suite of pytest; else nothing of Python's is looked for in it.
        suite: Files and folders to lay over the image, relative to rootdir.
        commands: Commands of suites that are not pytest.
        config_file: pytest's configuration file, relative to rootdir.
        host_only: What below the suite stays on the host.
        container_root: The folder in the image that stands for rootdir; None for its WORKDIR.
        environ: The testing environment, without its secrets.
        secret_environ: Those: never part of a container but a command's, given to the workers only.
        requirements: What to bring, pytest included.
        host_versions: Versions by name, preferred where the image lacks that distribution.
        workers: Number of test containers.
        per_worker_stacks: Each has services of its own.
        ready_timeout_seconds: 0 for no limit.
        build_timeout_seconds: 0 for no limit.
        build_number: Of the CI system.
        allow: Names of `dockerci_allow`.
        edit_compose_files: Changes the list of Compose files in place.
        edit_build_args: Changes the build arguments of the image under test in place.
        edit_model: Changes the resolved model in place.
        edit_tags: Changes the tags in place.
        only_collects: Nothing will be run: one test container, no services.
        known_image: The last image that was built; taken as it is where nothing is run and it is still there.
        last_image: The image that the project's last run has built.
        extra_services: Alias to a `testcontainers` container that is not started.
        lease: Says that the run goes on; released when it has been removed.
        reaper_image: Image of the reaper, or ``none``.
        is_strict: Without a reaper the run does not go on.
        keep_expiry_seconds: How long after its last use the stack is kept; None where the run removes it.
        kept: A kept stack to go on with; `lease` is that one's.
        early_agents: Agents of a kept stack that run already; None for none.
        report: What to bring back before the run is removed; None for nothing.
    """

    run_id: str
    nonce: str
    rootdir: Path
    state_dir: Path
    service: str
    compose_files: tuple[Path, ...] = ()
    image_ref: str | None = None
    start: tuple[str, ...] = ()
    runs_pytest: bool = True
    suite: tuple[PurePosixPath, ...] = ()
    commands: tuple[CommandContainerPlan, ...] = ()
    config_file: PurePosixPath | None = None
    host_only: tuple[PurePosixPath, ...] = ()
    container_root: PurePosixPath | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    secret_environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    requirements: tuple[str, ...] = ("pytest",)
    host_versions: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    per_worker_stacks: bool = False
    ready_timeout_seconds: float = 120.0
    build_timeout_seconds: float = 1800.0
    build_number: str | None = None
    allow: frozenset[str] = frozenset()
    edit_compose_files: Callable[[list[Path]], None] = _leave
    edit_build_args: Callable[[dict[str, str]], None] = _leave
    edit_model: Callable[[dict[str, Any]], None] = _leave
    edit_tags: Callable[[list[str]], None] = _leave
    only_collects: bool = False
    known_image: LastImage | None = None
    last_image: LastImage | None = None
    extra_services: Mapping[str, Any] = field(default_factory=dict)
    lease: Lease | None = None
    reaper_image: str = "none"
    is_strict: bool = False
    report: ReportRequest | None = None
    keep_expiry_seconds: float | None = None
    kept: KeptStack | None = None
    early_agents: EarlyAgents | None = None

    @property
    def run_folder(self) -> Path:
        """What the run, or the kept stack that it goes on with, writes down."""
        return self.state_dir / "runs" / self.identity.run_id

    @property
    def identity(self) -> RunIdentity:
        """The labels of all that belongs to the run: those of the run that made the stack, where one is kept."""
        owner = self if self.kept is None else self.kept
        return RunIdentity(run_id=owner.run_id, nonce=owner.nonce, folder=folder_name(self.rootdir))

    @property
    def workers_by_project(self) -> dict[str, tuple[int, ...]]:
        """Compose's project of each stack to the workers that use it."""
        project = self.identity.project
        if self.per_worker_stacks and self.runs_pytest:
            return {f"{project}-gw{worker}": (worker,) for worker in range(self.workers)}
        return {project: tuple(range(self.workers if self.runs_pytest else 0))}
