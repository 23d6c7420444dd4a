"""What a host remembers: a folder for each project's caches, and in it one for each run that goes on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_dockerci.errors import StateError
from pytest_dockerci.kept_stack import read_kept

_OWNER_FILE = "owner.json"
# An engine that is busy creates a network seconds after the program that asked for it was killed.
_SETTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOwner:
    """The process that a run belongs to, written down before the run's first object exists.

    Attributes:
        run_id: The run.
        nonce: Proof that an object with this run's id is this run's.
        engine_id: What the engine that its objects are on calls itself.
        pid: Process id of pytest, for people: in a container, it is that container's.
        folder: The run's folder.
    """

    run_id: str
    nonce: str
    engine_id: str
    pid: int
    folder: Path

    @property
    def is_alive(self) -> bool:
        """True while the process lives, in whichever container of this machine: it holds its lease."""
        try:
            with (self.folder / _OWNER_FILE).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False  # somebody else has removed it meanwhile
        except OSError:
            return True  # held, or a file system that cannot tell
        return False

    @property
    def is_settled(self) -> bool:
        """False for so long after the run's start as something that its programs asked for may still come."""
        try:
            return time.time() - (self.folder / _OWNER_FILE).stat().st_mtime >= _SETTLED_SECONDS
        except FileNotFoundError:
            return True  # somebody else has removed it meanwhile

    @property
    def is_abandoned(self) -> bool:
        """True when its process is gone and the stack, if it was to be kept, has expired: it is to be removed."""
        if self.is_alive:
            return False
        kept = read_kept(self.folder)
        return kept is None or kept.left_seconds <= 0


class Lease:
    """Held by a run's process for as long as it lives; the system itself takes it back at its end.

    A lock, not a process id: those of another container mean nothing here.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back. Safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"{folder} cannot be written",
            why=error.strerror or str(error),
            fix="make room there, or let XDG_CACHE_HOME name a folder that can be written",
        ) from error


def base_directory(environ: Mapping[str, str]) -> Path:
    """The folder of all projects.

    Source: the XDG Base Directory specification for ``XDG_CACHE_HOME`` and its default.
    """
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-dockerci"


def state_directory(environ: Mapping[str, str], rootdir: Path) -> Path:
    """The folder of a project, made if it is not there; only its owner may read it.

    Raises:
        StateError: It cannot be made.
    """
    key = hashlib.sha256(str(rootdir).encode()).hexdigest()[:12]
    directory = base_directory(environ) / f"{rootdir.name or 'root'}-{key}"
    with _told(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def record_owner(state_dir: Path, run_id: str, nonce: str, engine_id: str) -> Lease:
    """Write down that this process owns a run on an engine.

    Raises:
        StateError: It cannot be written down; without that, no run begins.
    """
    folder = state_dir / "runs" / run_id
    with _told(folder):
        return _written_owner(folder, nonce, engine_id)


def _written_owner(folder: Path, nonce: str, engine_id: str) -> Lease:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = folder / f"{_OWNER_FILE}.new"
    descriptor = os.open(new, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    # Locked before it has its name: nobody ever sees it without its owner.
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(
        descriptor, json.dumps({"nonce": nonce, "engine_id": engine_id, "pid": os.getpid()}).encode("ascii")
    )
    new.rename(folder / _OWNER_FILE)
    return Lease(descriptor)


def take_lease(folder: Path) -> Lease | None:
    """The lease of a run whose process is gone, for a process that goes on with what it left; None while it is held.

    Others look whether it is held by taking it for a moment, so it is asked for more than once.

    Args:
        folder: The run's folder.
    """
    for pause_seconds in (0.0, 0.01, 0.05):
        time.sleep(pause_seconds)
        try:
            descriptor = os.open(folder / _OWNER_FILE, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have removed the folder.
            if os.fstat(descriptor).st_nlink:
                return Lease(descriptor)
        except OSError:
            pass
        os.close(descriptor)
    return None


def empty_run_folder(folder: Path) -> None:
    """Remove what a run has written down, values of its environment among it, but for whose it was."""
    for path in folder.glob("*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != _OWNER_FILE:
            path.unlink(missing_ok=True)


def find_owners(base: Path, engine_id: str) -> list[RunOwner]:
    """Every run of this user on an engine that was not ended in good order, or still goes on.

    Args:
        base: The folder of all projects.
        engine_id: What the engine calls itself.
    """
    files = sorted(base.glob(f"*/runs/*/{_OWNER_FILE}"))
    owners = [owner for owner in map(_read_owner, files) if owner is not None]
    return [owner for owner in owners if owner.engine_id == engine_id]


def _read_owner(file: Path) -> RunOwner | None:
    """The owner; None for a file that is none, or that is gone by now."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return RunOwner(
            run_id=file.parent.name,
            nonce=str(values["nonce"]),
            engine_id=str(values["engine_id"]),
            pid=int(values["pid"]),
            folder=file.parent,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
