"""The plain lines that say what the bootstrap does and how long each step took."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bootstrap.child_processes import CHILDREN, run_unbroken
from pytest_dockerci.errors import DockerCIError


class BootstrapError(DockerCIError):
    """Something that the bootstrap needs is not there, with the way to get it."""


def say(topic: str, text: str) -> None:
    """Print one line about a topic (``engine``, ``images``, ...), at once."""
    print(f"bootstrap: {topic:<7} {text}", flush=True)


@contextmanager
def step(topic: str, text: str) -> Iterator[None]:
    """Say what is being done, and once it is done how many seconds it took."""
    say(topic, f"{text} ...")
    begin = time.monotonic()
    yield
    say(topic, f"{text}: done in {time.monotonic() - begin:.1f} s")


def run_logged(
    argv: Sequence[str],
    *,
    log: Path,
    what: str,
    fix: str,
    environ: Mapping[str, str] | None = None,
    unbroken: bool = False,
) -> None:
    """Run a long command with its output in a log file.

    Args:
        argv: The command.
        log: The file that its output is appended to.
        what: The error's first line if it fails.
        fix: The error's way out.
        environ: The whole environment, default ours.
        unbroken: It must not be broken off by a signal.

    Raises:
        BootstrapError: The command is missing or failed; shows the end of its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+b") as output:
        begin = output.tell()
        output.write(f"$ {' '.join(argv)}\n".encode())
        output.flush()
        try:
            if unbroken:
                returncode = run_unbroken(argv, output=output, environ=environ)
            else:
                with CHILDREN.started(argv, output=output, environ=environ) as child:
                    returncode = child.wait()
        except OSError as error:
            raise BootstrapError(what, why=str(error), fix=fix) from error
        output.seek(begin)
        lines = output.read().decode(errors="replace").splitlines()
    if returncode:
        raise BootstrapError(
            what,
            why=f"{Path(argv[0]).name} ended with exit code {returncode}",
            fix=fix,
            output_title=f"end of {log}",
            output=lines,
        )


def read_output(argv: Sequence[str], *, timeout_seconds: float = 20) -> subprocess.CompletedProcess[str]:
    """Run a short command and keep what it says; a missing or hanging one counts as failed (127, 124)."""
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(list(argv), 127, "", f"{argv[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(
            list(argv), 124, "", f"{argv[0]} gave no answer within {timeout_seconds:.0f} seconds"
        )


def complain(error: DockerCIError) -> None:
    """Print an error in the layout of all our errors."""
    sys.stdout.flush()
    print(f"bootstrap: {error}", file=sys.stderr, flush=True)
