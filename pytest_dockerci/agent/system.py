"""System functions as they are, for what runs while a test's fixtures are active.

Tests replace functions of `os`, `select` and `time` (with `monkeypatch`, for instance), and libraries replace these
modules and functions in every module that has them (pyfakefs 6.0, freezegun 1.5). Attributes of a class neither finds.
"""

import fcntl
import os
import select
import time
from typing import Tuple


class System:
    """The functions that a worker's end of the channel calls."""

    clock_gettime = staticmethod(time.clock_gettime)
    close = staticmethod(os.close)
    dup = staticmethod(os.dup)
    dup2 = staticmethod(os.dup2)
    exit = staticmethod(os._exit)
    fcntl = staticmethod(fcntl.fcntl)
    fstat = staticmethod(os.fstat)
    getpid = staticmethod(os.getpid)
    getppid = staticmethod(os.getppid)
    monotonic = staticmethod(time.monotonic)
    read = staticmethod(os.read)
    sleep = staticmethod(time.sleep)
    select = staticmethod(select.select)
    write = staticmethod(os.write)


def identity_of(descriptor: int) -> Tuple[int, int]:
    """What a descriptor stands for: equal for two of the same file, pipe or device.

    Raises:
        OSError: It is closed.
    """
    status = System.fstat(descriptor)
    return status.st_dev, status.st_ino
