"""What cleans up when a run cannot do so itself: a watchdog, a reaper, and the next run's sweep.

The net before these is `Environment.close`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.engine.background import Background
from pytest_dockerci.engine.reaper import Reaper
from pytest_dockerci.engine.watchdog import Watchdog
from pytest_dockerci.errors import DockerCIError, ReaperError
from pytest_dockerci.kept_stack import read_kept
from pytest_dockerci.state import find_owners

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.plain_engine import PlainEngine
    from pytest_dockerci.progress import Progress

NO_REAPER = "none"
_REAPER_READY_SECONDS = 20.0


class Nets:
    """The nets under one run.

    Args:
        identity: The run.
        progress: Told what cannot be had, and what was swept up.

    Attributes:
        background: Starts the reaper beside the main thread, and runs what else goes on beside it.
        watchdog: Wants to be told of the run's commands; None where a kept stack has nets of its own.
        has_to_pull: The reaper's image is not there.
    """

    def __init__(self, identity: RunIdentity, progress: Progress) -> None:
        self.background = Background()
        self.watchdog: Watchdog | None = None
        self._identity = identity
        self._progress = progress
        self._reaper: Reaper | None = None
        self._reaper_start: Future[None] | None = None
        self.has_to_pull = False

    def spread(
        self,
        engine: Engine | PlainEngine,
        folder: Path,
        reaper_image: str,
        *,
        pull: Callable[[], None] | None,
    ) -> None:
        """Begin to set them up; to be called before the run's first object exists.

        Args:
            engine: The engine.
            folder: The run's folder.
            reaper_image: Image of the reaper, or `NO_REAPER`.
            pull: Brings that image, where it is not there; None to do without the reaper then.

        Raises:
            OSError: The watchdog cannot be started, or the engine does not answer.
        """
        self.watchdog = Watchdog(engine, self._identity, folder)
        if reaper_image != NO_REAPER:
            self._reaper = Reaper(engine, self._identity, reaper_image)
            self.has_to_pull = not self._reaper.has_image
            if not self.has_to_pull or pull is not None:
                self._reaper_start = self.background.submit(self._reaper.start, pull)

    def complete(self, engine: Engine, commands: Commands, plan: EnvironmentPlan) -> None:
        """Spread what has not been spread yet, and begin to remove what earlier runs have left.

        Args:
            engine: The engine.
            commands: The run's commands, which the watchdog has to know.
            plan: What the user asked for; a kept stack has nets of its own.
        """
        from pytest_dockerci.engine.images import pull_image  # noqa: PLC0415 - the nets come before Docker's client

        self.background.submit(self._sweep, engine, plan.state_dir.parent)
        if plan.kept is None and self.watchdog is None:
            self.spread(
                engine,
                plan.run_folder,
                plan.reaper_image,
                pull=lambda: pull_image(engine, plan.reaper_image, None, self._progress, service="reaper"),
            )
        if self.watchdog is not None:
            commands.tell(self.watchdog)

    def are_spread(self, *, is_strict: bool) -> bool:
        """Block until objects may be created; False when the reaper cannot be had, or its image has to be pulled first.

        Args:
            is_strict: The reaper must be known to work.
        """
        if self._reaper is None or self._reaper_start is None:
            return True
        if self.has_to_pull:
            return False
        try:
            self._reaper.await_begin(_REAPER_READY_SECONDS)
            if is_strict or self._reaper_start.done():
                self._reaper_start.result(_REAPER_READY_SECONDS)
        except (FutureTimeoutError, ReaperError):
            return False
        return True

    def await_reaper(self, *, is_strict: bool) -> None:
        """Wait for the reaper, unless its image has to be pulled first; without it, the other nets have to do.

        Args:
            is_strict: It must be there, however long its image takes.

        Raises:
            ReaperError: It cannot be had, and that is strict.
        """
        if self._reaper_start is None:
            return
        if self.has_to_pull and not is_strict:
            self._reaper_start.add_done_callback(self._tell_failure)
            return
        try:
            self._reaper_start.result(None if self.has_to_pull else _REAPER_READY_SECONDS)
        except FutureTimeoutError:
            error = ReaperError(f"it was not ready after {_REAPER_READY_SECONDS:g} s")
        except ReaperError as raised:
            error = raised
        else:
            return
        if is_strict:
            raise ReaperError(
                f"the reaper cannot be had (--dockerci-strict): {error.what}",
                why=error.why,
                fix="set dockerci_reaper_image to an image with python3 that this engine has or can pull",
            ) from error
        self._tell(error)

    def keep(self, seconds: float) -> bool:
        """The run's stack stays: the reaper waits for its time to be up, the watchdog goes home.

        Returns:
            False when the reaper has not started yet: it would see this process's end, and remove everything.
        """
        if self._reaper is not None and self._reaper_start is not None:
            try:
                self._reaper_start.result(_REAPER_READY_SECONDS)
            except FutureTimeoutError:
                return False
            except ReaperError:
                pass  # there is none
            else:
                self._reaper.keep(seconds)
        self.close()
        return True

    def close(self) -> None:
        """Take them down, when the run has been removed. Safe to repeat."""
        if self._reaper is not None:
            self._reaper.close()
        if self.watchdog is not None:
            self.watchdog.close()
            self.watchdog = None

    def abandon(self) -> bool:
        """Take them down where there is no run: nothing but the reaper exists, and that goes too.

        Returns:
            False where it may still be there.
        """
        is_gone = True
        if self._reaper is not None and self._reaper_start is not None:
            wait([self._reaper_start], _REAPER_READY_SECONDS)
            is_gone = self._reaper.remove()
        self.close()
        return is_gone

    def _tell_failure(self, start: Future[None]) -> None:
        error = start.exception()
        if isinstance(error, ReaperError):
            self._tell(error)

    def _tell(self, error: DockerCIError) -> None:
        why = f"\n  why: {error.why.splitlines()[0]}" if error.why else ""
        self._progress.line(
            f"dockerci: no reaper: {error.what}{why}\n"
            "  so: if this machine dies, what is on the engine stays until its next run\n"
            f"  try: dockerci_reaper_image = an image with python3 that the engine has, or `{NO_REAPER}`"
        )

    def _sweep(self, engine: Engine, state_base: Path) -> None:
        from pytest_dockerci.engine.leftovers import sweep  # noqa: PLC0415 - the nets come before Docker's client

        owners = [owner for owner in find_owners(state_base, engine.id) if owner.is_abandoned]
        kept = {owner.run_id for owner in owners if read_kept(owner.folder) is not None}
        for run_id, count in sweep(engine, owners).items():
            what = f"kept stack {run_id} has expired" if run_id in kept else f"run {run_id} was killed"
            self._progress.line(f"dockerci: {what}; {count} objects that it left are removed")
