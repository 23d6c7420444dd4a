"""A process that runs pytest again and again, as IDEs and watchers do, and says after each run what it holds.

``python -m chaos.runs_in_a_row COUNT``, in the folder of a project: a line of JSON on standard output for each run.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest

# pytest-rerunfailures 16.7 leaves a thread and a socket with each run, whatever runs.
_ARGUMENTS = ["-p", "no:cacheprovider", "-p", "no:rerunfailures", "-s"]
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def _held() -> dict[str, float]:
    """What this process has now."""
    gc.collect()
    own = Path("/proc/self")
    children = sum(len(path.read_text().split()) for path in own.glob("task/*/children"))
    return {
        "file descriptors": len(list((own / "fd").iterdir())),
        "threads": threading.active_count(),
        "child processes": children,
        "memory in KiB": int((own / "statm").read_text().split()[1]) * _PAGE_BYTES / 1024,
        "temporary files": _files(Path(os.environ["TMPDIR"])),
        "cache files": _files(Path(os.environ["XDG_CACHE_HOME"])),
    }


def _files(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*"))


def main(count: int) -> None:
    """Run so often."""
    answers = sys.stdout
    for _ in range(count):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = int(pytest.main(_ARGUMENTS))
        line = {"status": status, "output": "" if status == 0 else output.getvalue()[-3000:], "held": _held()}
        answers.write(json.dumps(line) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
