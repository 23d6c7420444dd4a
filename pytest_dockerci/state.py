"""What a host remembers: a folder for each project's caches, and in it one for each run that goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_OWNER_FILE = "owner.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOwner:
    """The process that a run belongs to, written down before the run's first object exists.

    Attributes:
        run_id: The run.
        nonce: Proof that an object with this run's id is this run's.
        pid: Process id of pytest.
        process_start: When that process started, in the system's own unit; tells it from a later one with its id.
        folder: The run's folder.
    """

    run_id: str
    nonce: str
    pid: int
    process_start: str
    folder: Path

    @property
    def is_alive(self) -> bool:
        """True while that very process exists."""
        return bool(self.process_start) and process_start(self.pid) == self.process_start


def base_directory(environ: Mapping[str, str]) -> Path:
    """The folder of all projects.

    Source: the XDG Base Directory specification for ``XDG_CACHE_HOME`` and its default.
    """
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-dockerci"


def state_directory(environ: Mapping[str, str], rootdir: Path) -> Path:
    """The folder of a project, made if it is not there; only its owner may read it."""
    key = hashlib.sha256(str(rootdir).encode()).hexdigest()[:12]
    directory = base_directory(environ) / f"{rootdir.name or 'root'}-{key}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def record_owner(state_dir: Path, run_id: str, nonce: str) -> None:
    """Write down that this process owns a run."""
    folder = state_dir / "runs" / run_id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pid = os.getpid()
    text = json.dumps({"nonce": nonce, "pid": pid, "process_start": process_start(pid)})
    (folder / _OWNER_FILE).write_text(text, encoding="utf-8")


def find_owners(environ: Mapping[str, str]) -> list[RunOwner]:
    """Every run of this host that was not ended in good order, or still goes on."""
    files = sorted(base_directory(environ).glob(f"*/runs/*/{_OWNER_FILE}"))
    return [owner for owner in map(_read_owner, files) if owner is not None]


def _read_owner(file: Path) -> RunOwner | None:
    """The owner; None for a file half written by a run that was killed then, before it created anything."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return RunOwner(
            run_id=file.parent.name,
            nonce=str(values["nonce"]),
            pid=int(values["pid"]),
            process_start=str(values["process_start"]),
            folder=file.parent,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def process_start(pid: int) -> str:
    """When a process started; empty when there is none with this id.

    Source: proc(5), field 22 of ``/proc/PID/stat``, with the boot's id; elsewhere ``ps`` tells.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _process_start_by_ps(pid)
    except OSError:
        return ""
    return f"{boot}/{fields[19]}"


def _process_start_by_ps(pid: int) -> str:
    from pytest_dockerci.engine.command import Commands  # noqa: PLC0415 - only where there is no /proc

    return Commands(os.environ).run(["ps", "-o", "lstart=", "-p", str(pid)], timeout_seconds=5).stdout.strip()
