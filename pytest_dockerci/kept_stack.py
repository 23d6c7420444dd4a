"""What is written down of a stack that outlives its run: whose it is, how old, until when, and what fits it.

Lies in the folder of the run that made the stack (`KEPT_FILE`); its lock is that run's lease, which each run
that uses the stack takes. Imported by the host's side, the engine's and the command; imports none of them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_dockerci.last_image import write_whole

KEPT_FILE = "kept.json"
END_COMMAND = "dockerci down"
_USER_FILE = "user"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStack:
    """A stack that is kept.

    Attributes:
        folder: The folder of the run that made it.
        run_id: That run; the stack's objects carry its id.
        nonce: And its random number.
        engine_id: What the engine calls itself.
        rootdir: The project.
        made_at: When, in seconds since 1970.
        used_at: When a run last used it, in seconds since 1970.
        expiry_seconds: How long after that it lives.
        facts: What a run has to know to use it, as plain JSON values; `engine.kept_facts` makes and reads them.
    """

    folder: Path
    run_id: str
    nonce: str
    engine_id: str
    rootdir: Path
    made_at: float
    used_at: float
    expiry_seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def left_seconds(self) -> float:
        """How long it still lives; 0 or less once it has expired."""
        return self.used_at + self.expiry_seconds - time.time()

    @property
    def age_seconds(self) -> float:
        """How old it is."""
        return max(0.0, time.time() - self.made_at)

    def touch(self) -> None:
        """It is being used: its time begins anew."""
        os.utime(self.folder / KEPT_FILE)

    def note_user(self) -> None:
        """Write down which process uses it, for people."""
        (self.folder / _USER_FILE).write_text(f"{os.getpid()}\n", encoding="ascii")

    @property
    def user(self) -> str:
        """The process that uses it, or was the last to; empty where that is not known."""
        try:
            return (self.folder / _USER_FILE).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""


def write_kept(stack: KeptStack) -> None:
    """Write it down, in place of what was written before; `used_at` becomes now."""
    data = {
        "format": _FORMAT,
        "nonce": stack.nonce,
        "engine_id": stack.engine_id,
        "rootdir": str(stack.rootdir),
        "made_at": stack.made_at,
        "expiry_seconds": stack.expiry_seconds,
        "facts": stack.facts,
    }
    write_whole(stack.folder / KEPT_FILE, json.dumps(data))


def read_kept(folder: Path) -> KeptStack | None:
    """The stack that a run's folder tells of; None for none, and for what cannot be read."""
    file = folder / KEPT_FILE
    try:
        used_at = file.stat().st_mtime
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            return None
        return KeptStack(
            folder=folder,
            run_id=folder.name,
            nonce=str(data["nonce"]),
            engine_id=str(data["engine_id"]),
            rootdir=Path(data["rootdir"]),
            made_at=float(data["made_at"]),
            used_at=used_at,
            expiry_seconds=float(data["expiry_seconds"]),
            facts=dict(data["facts"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_kept(state_dir: Path) -> KeptStack | None:
    """The stack that a project keeps, the youngest if there are several; None for none that still lives."""
    folders = [file.parent for file in (state_dir / "runs").glob(f"*/{KEPT_FILE}")]
    stacks = [stack for stack in map(read_kept, folders) if stack is not None and stack.left_seconds > 0]
    return max(stacks, key=lambda stack: stack.used_at, default=None)


def describe_kept(stack: KeptStack, remark: str) -> str:
    """The line of a run that uses a kept stack."""
    return (
        f"dockerci: uses the stack that was kept {describe_seconds(stack.age_seconds)} ago ({remark}); "
        f"`{END_COMMAND}` ends it"
    )


def describe_left(stack: KeptStack) -> str:
    """The line at the end of a run that leaves its stack."""
    return (
        f"dockerci: the stack is kept, for {describe_seconds(stack.expiry_seconds)} after its last use; "
        f"it is {describe_seconds(stack.age_seconds)} old; `{END_COMMAND}` ends it"
    )


def describe_seconds(seconds: float) -> str:
    """A duration for people, roughly: ``40 seconds``, ``12 minutes``."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a second"
