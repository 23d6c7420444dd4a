"""Brings up the engine that a command runs on, and stops it afterwards if it was brought up for that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap.debian_packages import install_packages
from bootstrap.engine_choice import (
    InstallEngine,
    Machine,
    RefuseEngine,
    StartEngine,
    UseEngine,
    choose_engine,
)
from bootstrap.engine_lease import STATE_FOLDER, EngineLease, StartedEngine, process_start_ticks
from bootstrap.machine import look_at_machine
from bootstrap.steps import BootstrapError, read_output, run_logged, say, step

# runc and iptables come from the machine's own suite: what it has is new enough, and security updates stay its own.
DEBIAN_NEWER = ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "containerd")
DEBIAN_PACKAGES = (*DEBIAN_NEWER, "iptables", "ca-certificates")
UBUNTU_PACKAGES = ("docker.io", "docker-compose-v2", "docker-buildx", "iptables", "ca-certificates")

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_PID_FILE = Path("/var/run/docker.pid")
_SERVICE_MANAGER = Path("/run/systemd/system")
_LOG = STATE_FOLDER / "dockerd.log"


@contextmanager
def running_engine(log: Path) -> Iterator[Machine]:
    """An engine that answers, for as long as the block lasts.

    Args:
        log: Where the output of an installation goes.

    Yields:
        What was seen on the machine, engine included.

    Raises:
        BootstrapError: No engine, and none can be had here.
    """
    if os.getuid() != 0 and not STATE_FOLDER.exists():
        # Without a bootstrap's engine on this machine, and without the rights to start one, nothing is shared.
        yield _bring_up(None, log)
        return
    lease = EngineLease()
    try:
        with lease.turn():
            lease.take()
            machine = _bring_up(lease, log)
        yield machine
    finally:
        lease.leave(stop_engine)


def _bring_up(lease: EngineLease | None, log: Path) -> Machine:
    """Look, install, look, start, look; each at most once."""
    undone = {InstallEngine, StartEngine}
    while True:
        machine = look_at_machine()
        choice = choose_engine(machine)
        if isinstance(choice, RefuseEngine):
            raise BootstrapError(choice.what, why=choice.why, fix=choice.fix)
        if isinstance(choice, UseEngine):
            _greet(machine, lease)
            return machine
        if type(choice) not in undone or lease is None:
            raise BootstrapError(
                f"no Docker Engine answers at {machine.endpoint}",
                why=f"it was installed and started, but: {machine.refusal}",
                fix=f"read {_LOG} and {log}",
            )
        undone.remove(type(choice))
        if isinstance(choice, InstallEngine):
            say(
                "engine",
                f"no Docker Engine answers at {machine.endpoint}, and none that is new enough is installed",
            )
            _install(choice, machine, log)
            _record_service(lease)
        else:
            _start(lease, machine)


def _greet(machine: Machine, lease: EngineLease | None) -> None:
    """Say which engine it is and what becomes of it."""
    ours = lease is not None and lease.started() is not None
    end = "stopped by the last command that uses it" if ours else "it was there before, and stays"
    say(
        "engine",
        f"Docker {machine.engine}, compose {machine.compose}, buildx {machine.buildx} at {machine.endpoint}",
    )
    say("engine", end)


def _install(choice: InstallEngine, machine: Machine, log: Path) -> None:
    """Install the engine, its compose and buildx plugins, and nothing that a machine has already."""
    origin = f"Debian {choice.suite}" if choice.suite else "Ubuntu"
    packages = DEBIAN_PACKAGES if choice.suite else UBUNTU_PACKAGES
    with step(
        "engine", f"installing {', '.join(packages)} from {origin} (nothing else of this machine changes)"
    ):
        install_packages(
            packages, own_suite=machine.codename, suite=choice.suite, from_suite=DEBIAN_NEWER, log=log
        )


def _record_service(lease: EngineLease) -> None:
    """With a service manager, installing starts the engine: then it is ours to stop."""
    deadline = time.monotonic() + (START_SECONDS if _SERVICE_MANAGER.exists() else 0)
    while time.monotonic() < deadline and not look_at_machine().engine:
        time.sleep(0.2)
    if pid := _daemon_pid():
        lease.record(StartedEngine(pid=pid, start_ticks=process_start_ticks(pid)))


def _start(lease: EngineLease, machine: Machine) -> None:
    """Start the installed engine and wait until it answers."""
    with step("engine", f"starting dockerd (log: {_LOG})"):
        if _SERVICE_MANAGER.exists():
            run_logged(
                ["systemctl", "start", "docker"],
                log=_LOG,
                what="the engine's service could not be started",
                fix="systemctl status docker",
            )
            pid = _daemon_pid()
        else:
            with _LOG.open("ab") as output:
                # A session of its own: Ctrl-C in the terminal is for the command, and not for the engine under it.
                pid = subprocess.Popen(
                    ["dockerd"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                ).pid
        lease.record(StartedEngine(pid=pid, start_ticks=process_start_ticks(pid)))
        wait_for_engine(pid, machine.endpoint, _LOG)


def wait_for_engine(pid: int, endpoint: str, log: Path) -> None:
    """Wait until an engine that was just started answers.

    Raises:
        BootstrapError: Its process ended, or it took longer than `START_SECONDS`; shows the end of its log.
    """
    argv = ["docker", "--host", endpoint, "version", "--format", "{{.Server.Version}}"]
    deadline = time.monotonic() + START_SECONDS
    while (answer := read_output(argv)).returncode:
        alive = process_start_ticks(pid) >= 0
        if not alive or time.monotonic() > deadline:
            raise BootstrapError(
                f"dockerd did not answer at {endpoint}",
                why=answer.stderr.strip() if alive else "its process ended",
                fix="the log says why; iptables, cgroups and a file system for overlay2 are what it needs",
                output_title=f"end of {log}",
                output=log.read_text(errors="replace").splitlines(),
            )
        time.sleep(0.1)


def stop_engine(engine: StartedEngine) -> None:
    """Stop an engine that a bootstrap started, unless somebody's containers run on it."""
    running = read_output(["docker", "ps", "--format", "{{.Names}}"]).stdout.split()
    if running:
        say("engine", f"left running, because containers run on it: {', '.join(running)}")
        say("engine", f"to stop it: docker stop {' '.join(running)} && kill {engine.pid}")
        return
    with step("engine", "stopping dockerd"):
        if _SERVICE_MANAGER.exists():
            read_output(
                ["systemctl", "stop", "docker.socket", "docker.service"], timeout_seconds=STOP_SECONDS
            )
        else:
            end_process(engine)


def end_process(engine: StartedEngine) -> None:
    """Ask a daemon to end, and wait.

    Raises:
        BootstrapError: It still runs after `STOP_SECONDS`.
    """
    if engine.is_alive():
        os.kill(engine.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while engine.is_alive():
        if time.monotonic() > deadline:
            raise BootstrapError(
                f"dockerd (process {engine.pid}) did not end within {STOP_SECONDS:.0f} seconds",
                fix=f"read its log, then kill -9 {engine.pid}",
            )
        time.sleep(0.05)


def _daemon_pid() -> int:
    """The process of the default engine, 0 where none runs."""
    try:
        pid = int(_PID_FILE.read_text())
    except (OSError, ValueError):
        return 0
    return pid if process_start_ticks(pid) >= 0 else 0
