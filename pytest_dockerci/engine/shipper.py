"""What a run can do with its image once it is green: say what it was built from, and push it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.engine.git_facts import GitFacts, read_git_tags
from pytest_dockerci.engine.push import Pushed, PushPlan, push_image

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
        """As `push_image`."""
        return push_image(self._engine, plan, self._progress)
