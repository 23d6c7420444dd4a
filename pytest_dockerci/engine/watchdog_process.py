"""The watchdog's process. It waits at its standard input; pytest's end without a word is its cue.

Started as a file with ``python -I -S``: nothing is imported that is not needed for waiting.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DONE = "done"
_QUIET_SECONDS = 2.0


def watch() -> tuple[dict[str, Any], set[int]] | None:
    """Wait for the end of the input.

    Returns:
        The plan and the process groups that still run; None when all was done, or nothing begun.
    """
    lines = sys.stdin
    plan: dict[str, Any] | None = None
    groups: set[int] = set()
    for raw in lines:
        line = raw.rstrip("\n")
        if line == DONE:
            return None
        if plan is None:
            plan = json.loads(line)
        elif line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    return None if plan is None else (plan, groups)


def end_groups(groups: set[int]) -> None:
    """Kill what a run has started on the host and that still runs, before it creates anything more."""
    for group in groups:
        # Each leads a session of its own; a later process with that number would not.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(group) == group:
                os.killpg(group, signal.SIGKILL)


def clean_up(plan: dict[str, Any]) -> None:
    """Remove the run from the engine, and its files from the host.

    Whose the run was stays written down: a request that its programs had sent can outlast any wait of ours on an
    engine that is busy, and the next run looks once more.
    """
    sys.path[:] = plan["sys_path"]
    # Heavy, and only now needed.
    from pathlib import Path  # noqa: PLC0415

    from pytest_dockerci.engine.cleanup import list_objects, remove_objects  # noqa: PLC0415
    from pytest_dockerci.engine.client import attach_engine  # noqa: PLC0415
    from pytest_dockerci.engine.labels import RunIdentity  # noqa: PLC0415
    from pytest_dockerci.state import empty_run_folder  # noqa: PLC0415

    engine = attach_engine(os.environ, **plan["engine"])
    identity = RunIdentity(**plan["identity"])
    left = remove_objects(
        engine, lambda: list_objects(engine, identity.filters), quiet_seconds=_QUIET_SECONDS
    )
    if left:
        sys.stderr.write("\n".join(left) + "\n")
    else:
        empty_run_folder(Path(plan["run_folder"]))


def main() -> None:
    """Wait, and clean up."""
    # What ends pytest must not end this: Ctrl-C, a closed terminal, a CI job that is cancelled.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched = watch()
    if watched is not None:
        plan, groups = watched
        end_groups(groups)
        clean_up(plan)
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
