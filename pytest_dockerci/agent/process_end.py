"""How a worker's process came to its end, in words."""

import signal
from typing import Optional

from . import memory_limit
from .channel import DESCRIPTORS_LOST

WITHOUT_DESCRIPTORS = "it closed or overwrote the file descriptors of the agent"


def cause_of_end(returncode: Optional[int], memory_kills: int) -> str:
    """What its exit code says.

    Args:
        returncode: As `subprocess.Popen` gives it.
        memory_kills: What `memory_limit.count_kills` said before it was started.
    """
    if returncode == DESCRIPTORS_LOST:
        return WITHOUT_DESCRIPTORS
    if returncode is None or returncode >= 0:
        return "the Python process ended with exit code %s" % returncode
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = "signal %d" % -returncode
    if returncode == -signal.SIGKILL and memory_limit.count_kills() > memory_kills:
        limit = memory_limit.limit_bytes()
        of = "" if limit is None else " of %.0f MiB" % (limit / (1 << 20))
        return "the Python process was killed by the kernel: the container's memory%s is used up" % of
    return "the Python process was killed by %s" % name
