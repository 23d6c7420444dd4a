"""What cleans up when a run cannot do so itself: a watchdog, a reaper, and the next run's sweep.

The net before these is `Environment.close`.
"""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.engine.leftovers import sweep
from pytest_dockerci.engine.reaper import Reaper
from pytest_dockerci.engine.watchdog import Watchdog
from pytest_dockerci.errors import DockerCIError, ReaperError
from pytest_dockerci.kept_stack import read_kept
from pytest_dockerci.state import find_owners

if TYPE_CHECKING:
    from pytest_dockerci.engine.background import Background
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.progress import Progress

NO_REAPER = "none"
_REAPER_READY_SECONDS = 20.0


class Nets:
    """The nets under one run.

    Args:
        engine: The engine.
        identity: The run.
        background: Starts the reaper and sweeps beside the main thread.
        progress: Told what cannot be had, and what was swept up.
    """

    def __init__(
        self, engine: Engine, identity: RunIdentity, background: Background, progress: Progress
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._background = background
        self._progress = progress
        self._watchdog: Watchdog | None = None
        self._reaper: Reaper | None = None
        self._reaper_start: Future[None] | None = None
        self._has_to_pull = False

    def spread(
        self, commands: Commands, folder: Path, state_base: Path, reaper_image: str, *, is_kept: bool
    ) -> None:
        """Begin to set them up; to be called before the run's first object exists.

        Args:
            commands: The run's commands, which the watchdog has to know.
            folder: The run's folder.
            state_base: The folder of all projects' runs.
            reaper_image: Image of the reaper, or `NO_REAPER`.
            is_kept: The stack is one that is kept; it has nets of its own.
        """
        self._background.submit(self._sweep, state_base)
        if is_kept:
            return
        self._watchdog = Watchdog(self._engine, self._identity, folder)
        commands.tell(self._watchdog)
        if reaper_image != NO_REAPER:
            self._reaper = Reaper(self._engine, self._identity, reaper_image, self._progress)
            self._has_to_pull = not self._reaper.has_image
            self._reaper_start = self._background.submit(self._reaper.start)

    def are_spread(self, *, is_strict: bool) -> bool:
        """Block until objects may be created; False when the reaper cannot be had, or its image has to be pulled first.

        Args:
            is_strict: The reaper must be known to work.
        """
        if self._reaper is None or self._reaper_start is None:
            return True
        if self._has_to_pull:
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
        if self._has_to_pull and not is_strict:
            self._reaper_start.add_done_callback(self._tell_failure)
            return
        try:
            self._reaper_start.result(None if self._has_to_pull else _REAPER_READY_SECONDS)
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
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

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

    def _sweep(self, state_base: Path) -> None:
        owners = [owner for owner in find_owners(state_base, self._engine.id) if owner.is_abandoned]
        kept = {owner.run_id for owner in owners if read_kept(owner.folder) is not None}
        for run_id, count in sweep(self._engine, owners).items():
            what = f"kept stack {run_id} has expired" if run_id in kept else f"run {run_id} was killed"
            self._progress.line(f"dockerci: {what}; {count} objects that it left are removed")
