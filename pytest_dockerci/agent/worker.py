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
from .channel import Channel, claim_descriptor


def _cache_options() -> List[str]:
    """Where pytest's cache goes: not into the image's folders, which may not be writable."""
    try:
        return ["-o", "cache_dir=%s" % Path(tempfile.gettempdir(), "dockerci-pytest-cache")]
    except OSError:
        return ["-p", "no:cacheprovider"]


def main(arguments: List[str]) -> None:
    """Run one session; the arguments are the descriptors to read from and to write to."""
    read_descriptor, write_descriptor = (int(argument) for argument in arguments)
    channel = Channel(claim_descriptor(read_descriptor), claim_descriptor(write_descriptor))
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
    import pytest

    from .session import WorkerSession

    args = [*_cache_options(), *start.args]
    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), *args]
    session = WorkerSession(channel, start)
    exit_status = pytest.main(args, plugins=[session])
    sys.stdout.flush()
    sys.stderr.flush()
    channel.send(
        wire.Finished(exit_status=int(exit_status), received=session.received, reported=session.reported)
    )
