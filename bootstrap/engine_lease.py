"""Who uses the engine that the bootstrap started, and who may stop it.

Every command holds a shared lock while it uses the engine; the kernel drops it with the process, however that
ends. The last one to leave stops the engine, and only if a bootstrap started it. A second lock makes arriving and
leaving happen one at a time. Locks and record are machine-wide, because the engine is.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

STATE_FOLDER = Path("/run/dockerci-bootstrap")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedEngine:
    """An engine that a bootstrap started.

    Attributes:
        pid: Its process.
        start_ticks: The process's start in clock ticks since boot, so that a reused pid is not taken for it.
    """

    pid: int
    start_ticks: int

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return process_start_ticks(self.pid) == self.start_ticks


class EngineLease:
    """This command's share in the engine.

    Args:
        folder: Where locks and record are; it is made when an engine is started, so that nothing is
            written on machines whose engine is their own.
    """

    def __init__(self, folder: Path = STATE_FOLDER) -> None:
        self._folder = folder
        self._record = folder / "engine.json"
        self._share: IO[str] | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Arrive or leave alone: others who want to wait until we are through."""
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _open_lock(self._folder / "turn.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def take(self) -> None:
        """Say that we use the engine, until `leave` or the end of this process."""
        self._share = _open_lock(self._folder / "users.lock")
        fcntl.flock(self._share, fcntl.LOCK_SH)

    def started(self) -> StartedEngine | None:
        """The engine that a bootstrap started and that still runs."""
        try:
            engine = StartedEngine(**json.loads(self._record.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return engine if engine.is_alive() else None

    def record(self, engine: StartedEngine) -> None:
        """Write down that a bootstrap started this engine."""
        unfinished = self._record.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(engine)))
        unfinished.replace(self._record)

    def leave(self, stop: Callable[[StartedEngine], None]) -> None:
        """End our use; if no other command uses the engine and a bootstrap started it, `stop` is called."""
        if self._share is None:
            return
        share, self._share = self._share, None
        with self.turn(), share:
            # One descriptor: turning our share into the whole fails exactly when others hold theirs.
            if _locks_whole(share) and (engine := self.started()):
                stop(engine)
                if not engine.is_alive():
                    self._record.unlink(missing_ok=True)


def process_start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot; -1 where it is gone or a zombie.

    Source: proc_pid_stat(5), fields 3 and 22, counted after the name, which may hold anything.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in {"Z", "X"} else int(fields[19])


def _open_lock(path: Path) -> IO[str]:
    """A lock file that every user can take a share in; reading is enough for flock."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    except PermissionError:
        if not path.exists():
            raise
    return path.open()


def _locks_whole(lock: IO[str]) -> bool:
    """Take a lock alone, if nobody else has a share in it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
