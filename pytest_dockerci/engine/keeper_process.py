"""The keeper's process. It sleeps until the time of a kept stack is up, and removes the stack then.

Started as a file with ``python -I -S``; nothing is imported that is not needed for sleeping. It has no pipe to
any run: whether a run uses the stack, and when the last one did, it sees in the run's folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BELL = "keeper.bell"
LOCK = "keeper.lock"
_KEPT_FILE = "kept.json"
_OWNER_FILE = "owner.json"
# A machine that slept, and a clock that was set, are noticed within this time.
_LONGEST_SLEEP_SECONDS = 60.0
_IN_USE_PAUSE_SECONDS = 5.0


def left_seconds(folder: str) -> float | None:
    """How long the stack still lives; None when it is gone, or nothing of it can be read."""
    file = f"{folder}/{_KEPT_FILE}"
    try:
        with open(file, encoding="utf-8") as text:  # noqa: PTH123 - pathlib is not loaded here
            expiry_seconds = float(json.load(text)["expiry_seconds"])
        return os.stat(file).st_mtime + expiry_seconds - time.time()  # noqa: PTH116 - as above
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(folder: str, bell: int) -> None:
    """Wait for the stack's end; returns when there is nothing left to wait for."""
    while True:
        left = left_seconds(folder)
        if left is None:
            return
        pause = min(left, _LONGEST_SLEEP_SECONDS)
        if left <= 0:
            lease = take(f"{folder}/{_OWNER_FILE}")
            if lease is None:
                pause = _IN_USE_PAUSE_SECONDS
            elif (left_seconds(folder) or 1.0) > 0:  # used meanwhile, or gone
                os.close(lease)
                continue
            else:
                remove(folder)
                os.close(lease)
                return
        if select.select([bell], [], [], pause)[0]:
            os.read(bell, 4096)


def take(file: str) -> int | None:
    """The lock on a file; None while somebody else has it, or the file is gone."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def remove(folder: str) -> None:
    """Remove the stack from the engine and the folder from the host."""
    with open(f"{folder}/{_KEPT_FILE}", encoding="utf-8") as text:  # noqa: PTH123 - as above
        kept: dict[str, Any] = json.load(text)
    sys.path[:] = kept["facts"]["sys_path"]
    # Heavy, and only now needed.
    from pathlib import Path  # noqa: PLC0415

    from pytest_dockerci.engine.client import attach_engine  # noqa: PLC0415
    from pytest_dockerci.engine.leftovers import remove_run  # noqa: PLC0415

    engine = attach_engine(os.environ, **kept["facts"]["engine"])
    path = Path(folder)
    left = remove_run(engine, path.name, kept["nonce"], path)
    if left:
        # Its files go; whose objects these are stays known: the next run tries again.
        with contextlib.suppress(OSError):
            os.unlink(f"{folder}/{_KEPT_FILE}")  # noqa: PTH108 - as above
        sys.stderr.write("\n".join(left) + "\n")


def main() -> None:
    """Wait, and remove."""
    # What ends the shell, or the run that started this, must not end this.
    with contextlib.suppress(OSError):
        os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder = sys.argv[1]
    if take(f"{folder}/{LOCK}") is None:
        return  # another one is there
    keep(folder, os.open(f"{folder}/{BELL}", os.O_RDWR | os.O_NONBLOCK))


if __name__ == "__main__":
    main()
