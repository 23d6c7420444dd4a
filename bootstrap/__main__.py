"""Run a command with everything that it needs: ``python3 -m bootstrap --images example -- pytest -v``.

Brings up an engine, the base images and the virtual environment, says what it does and how long it took, runs the
command with them, and stops what it started. Exit code: the command's own; 6 where something cannot be had.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

if sys.version_info < (3, 10):  # noqa: UP036 - older ones start this file too
    sys.exit("bootstrap: this needs Python 3.10 or newer; make PYTHON=python3.12 picks one")

from bootstrap.base_images import IMAGE_SETS, PYTHON
from bootstrap.child_processes import CHILDREN, ENDING_SIGNALS
from bootstrap.engine import running_engine
from bootstrap.images import prepare_images
from bootstrap.newest_engine import running_newest_engine
from bootstrap.registry import prepare_registry
from bootstrap.standins import certificates
from bootstrap.steps import BootstrapError, complain, say
from bootstrap.venv import prepare_venv
from pytest_dockerci.errors import DockerCIError

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / ".bootstrap"


def main(argv: Sequence[str] | None = None) -> int:
    """Bring up, run, put back."""
    parser = argparse.ArgumentParser(prog="python3 -m bootstrap", description=__doc__)
    parser.add_argument(
        "--images", choices=IMAGE_SETS, default="none", help="which base images the command needs"
    )
    parser.add_argument("--directory", default=".", help="where the command runs, from the project's root")
    parser.add_argument(
        "--newest-engine", action="store_true", help="run on the newest engine that Debian carries"
    )
    parser.add_argument("command", nargs="+", help="after --; programs of the virtual environment come first")
    options = parser.parse_args(argv)
    for number in ENDING_SIGNALS:
        signal.signal(number, _end)
    try:
        return bootstrap_and_run(options)
    except DockerCIError as error:
        complain(error)
        return error.exit_status


def bootstrap_and_run(options: argparse.Namespace) -> int:
    """The list of steps; each puts its own things back, last first."""
    FOLDER.mkdir(exist_ok=True)
    trust_what_the_machine_trusts()
    begin = time.monotonic()
    with ExitStack() as stack:
        machine = stack.enter_context(running_engine(FOLDER / "apt.log"))
        programs = prepare_venv(PROJECT, machine, FOLDER)
        images = prepare_images(IMAGE_SETS[options.images], machine, FOLDER)
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        registry = prepare_registry(machine, FOLDER) if options.images == "test" else None
        if registry is not None:
            os.environ["PATH"] += f"{os.pathsep}{registry}"
            os.environ["DOCKERCI_TEST_REQUIRE_REGISTRY"] = "1"
        environ = {**reaper_image(images), **os.environ, **images}
        command = list(options.command)
        if options.newest_engine:
            newest = stack.enter_context(running_newest_engine(machine, images, FOLDER))
            environ |= newest.environ
            command = [*newest.command_prefix, *command]
        say("run", f"everything is there after {time.monotonic() - begin:.1f} s: {' '.join(options.command)}")
        begin = time.monotonic()
        status = run_command(command, environ, PROJECT / options.directory)
        say("run", f"exit code {status} after {time.monotonic() - begin:.1f} s")
    return status


def reaper_image(images: Mapping[str, str]) -> dict[str, str]:
    """The run's reaper takes an image that is there anyway."""
    return {"DOCKERCI_REAPER_IMAGE": images[PYTHON.variable]} if PYTHON.variable in images else {}


def trust_what_the_machine_trusts() -> None:
    """Point pip and uv, which bring authorities of their own, to the machine's; what a person set stays."""
    bundle = certificates()
    if bundle.is_file():
        os.environ.setdefault("SSL_CERT_FILE", str(bundle))
        os.environ.setdefault("PIP_CERT", str(bundle))


def run_command(command: Sequence[str], environ: dict[str, str], directory: Path) -> int:
    """Run the command in the foreground and wait for its end, whatever signals come.

    Ctrl-C reaches it through the terminal; TERM and HUP, which reach only us, are handed on.
    """
    sys.stdout.flush()
    try:
        child = subprocess.Popen(command, env=environ, cwd=directory)
    except OSError as error:
        raise BootstrapError(f"{command[0]} could not be started", why=str(error)) from error

    def hand_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        status = child.wait()
    finally:
        _ignore_signals()
    return status if status >= 0 else 128 - status


def _ignore_signals() -> None:
    """What follows puts things back, and must finish."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, _frame: FrameType | None) -> None:
    """While things are brought up, an ending signal ends what runs and unwinds what is there."""
    _ignore_signals()
    CHILDREN.end()
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
