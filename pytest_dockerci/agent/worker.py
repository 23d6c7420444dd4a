"""The worker: a whole pytest session in the container, driven test by test from the host.

It configures and collects as ``python -m pytest ARGS`` would, sends the tree, then runs the
tests it is asked for, in that order, through pytest's own protocol. It has no thread and
holds no lock, so that a suite finds the process as plain pytest would leave it.
"""

import os
import site
import sys
import tempfile
from pathlib import Path
from typing import List

from . import wire
from .channel import WorkerChannel, claim_descriptor
from .worker_memory import WorkerMemory


def _cache_options() -> List[str]:
    """Where pytest's cache goes: not into the image's folders, which may not be writable."""
    try:
        return ["-o", "cache_dir=%s" % Path(tempfile.gettempdir(), "dockerci-pytest-cache")]
    except OSError:
        return ["-p", "no:cacheprovider"]


def main(arguments: List[str]) -> None:
    """Run one session.

    Args:
        arguments: The descriptors to read from, to write to, of a `WorkerMemory`, and that a debugger may use;
            -1 for none.
    """
    read_descriptor, write_descriptor, memory, device = (int(argument) for argument in arguments)
    channel = WorkerChannel(claim_descriptor(read_descriptor), claim_descriptor(write_descriptor))
    notes = WorkerMemory(memory)
    os.close(memory)
    if device >= 0:
        device = claim_descriptor(device)
    start = channel.receive(wait=True)
    if not isinstance(start, wire.Start):
        raise wire.WireError("the worker was not told to start")
    os.environ.update(start.environ)
    os.chdir(start.cwd)
    # `python -m pytest` puts the current directory first, `python -c` puts "" there.
    if sys.path and sys.path[0] == "":
        sys.path[0] = start.cwd
    if start.toolkit:
        # Appended, never prepended: the image's own libraries win.
        site.addsitedir(start.toolkit)
    if start.coverage.get("left_behind"):
        from .measurement import send_left_behind

        send_left_behind(start.coverage, channel)
        channel.send(wire.Finished(exit_status=0, received=0, reported=0))
        return
    import pytest

    from .debugging import Debugging
    from .session import WorkerSession
    from .two_sides import ContainerSide

    side = ContainerSide(channel, start)
    args = [*([] if "no:cacheprovider" in start.plugins else _cache_options()), *side.arguments()]
    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), *args]
    session = WorkerSession(channel, start, notes)
    debugging = []
    if device >= 0:
        session.debugging = Debugging(channel, start.terminal, device, session.quiet)
        debugging = [session.debugging]
    measuring = []
    if start.coverage:
        from .measurement_plugin import MeasurementPlugin

        measuring = [MeasurementPlugin(start.coverage, start.toolkit)]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr] # as on a terminal; what is shown is live
    exit_status = pytest.main(args, plugins=[session, side, *debugging, *measuring])
    sys.stdout.flush()
    sys.stderr.flush()
    for plugin in measuring:
        plugin.send(channel)
    channel.send(
        wire.Finished(exit_status=int(exit_status), received=session.received, reported=session.reported)
    )
