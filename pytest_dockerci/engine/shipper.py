"""What a run can do with its image once it is green: say what it was built from, and push it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from pytest_dockerci.engine.git_facts import GitFacts, read_git_tags
from pytest_dockerci.engine.push import Pushed, PushPlan, push_image
from pytest_dockerci.errors import PushError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.progress import Progress

__all__ = ["PushPlan", "Pushed", "Shipper"]


class Shipper:
    """Ships the image of one run.

    Args:
        engine: The engine that has it.
        commands: Runs git.
        git: The commit that it was built from.
        rootdir: The project.
        progress: Told what happens.

    Attributes:
        git: As given.
    """

    def __init__(
        self, engine: Engine, commands: Commands, git: GitFacts, rootdir: Path, progress: Progress
    ) -> None:
        self.git = git
        self._engine = engine
        self._commands = commands
        self._rootdir = rootdir
        self._progress = progress

    def git_tags(self) -> tuple[str, ...]:
        """Names of the tags that point exactly at the image's commit."""
        return read_git_tags(self._commands, self._rootdir, self.git.commit)

    def push(self, plan: PushPlan) -> Pushed:
        """As `push_image`; what the engine refuses is told in the same way."""
        try:
            return push_image(self._engine, plan, self._progress)
        except docker.errors.DockerException as error:
            raise PushError(
                f"the tested image was not pushed to {plan.repository}",
                why=f"the engine: {getattr(error, 'explanation', None) or error}",
                fix="look at the engine's log, then run again; to repeat is safe",
            ) from error
