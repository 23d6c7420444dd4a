"""Runs a program for as long as the process that started this one lives, and no longer.

Started as a file with ``python -I -S tied_process.py FOLDER PROGRAM [ARGUMENTS]``. Its standard input is a
pipe that nobody else holds: at the pipe's end, whatever ended the other side, the program is ended and the
folder removed. With the program's own end, this one ends, with its exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

_GRACE_SECONDS = 2.0


def main(folder: str, argv: list[str]) -> int:
    """Run it; the exit code as a shell has it."""
    started: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def hand_on(number: int, _: object) -> None:
        asked.append(number)
        for each in started:
            each.terminate()

    # Before it runs: it would be left behind by a signal that ends this process. Ctrl-C and the end of a terminal
    # are for who started this, who then ends it or not.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGTERM, hand_on)
    program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    started.append(program)
    if asked:
        program.terminate()
    threading.Thread(target=_await_end, args=(program,), daemon=True).start()
    code = program.wait()
    _remove(folder)
    return code if code >= 0 else 128 - code


def _await_end(program: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):
        pass
    program.terminate()
    try:
        program.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        for file in Path(folder).iterdir():
            file.unlink()
        Path(folder).rmdir()


if __name__ == "__main__":
    os._exit(main(sys.argv[1], sys.argv[2:]))
