"""The newest engine that Debian carries, beside the machine's own and apart from it.

It lives in a root file system of its own (nothing is installed on the machine), with its own socket, data, process
folder, containerd and network namespace, and gets the base images from the first engine.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bootstrap.debian_packages import install_packages, machine_mirror
from bootstrap.engine import end_process, wait_for_engine
from bootstrap.engine_choice import Machine
from bootstrap.engine_lease import STATE_FOLDER, StartedEngine, process_start_ticks
from bootstrap.private_network import enter_argv, private_network
from bootstrap.standins import CERTIFICATES, STALE_MIRROR, certificates
from bootstrap.steps import BootstrapError, read_output, run_logged, say, step

SUITE = "sid"
PACKAGES = (
    "docker.io",
    "docker-cli",
    "docker-compose",
    "docker-buildx",
    "containerd",
    "iptables",
    "ca-certificates",
)
TOOLS = {"mmdebstrap": "mmdebstrap", "ip": "iproute2", "nsenter": "util-linux", "iptables": "iptables"}
ROOT_LIFE_SECONDS = 7 * 86_400

CACHE = Path("/var/cache/dockerci-bootstrap")
_ROOT, _DATA = CACHE / "newest-root", CACHE / "newest-data"
_STATE = STATE_FOLDER / "newest"
_SOCKET = _STATE / "run" / "docker.sock"
_RECORD = _STATE / "engine.json"
_LOG = _STATE / "dockerd.log"

# In a mount namespace of its own, so that the mounts end with the processes. A root that is only changed
# (chroot) is not enough: `docker load` makes it private first, which the kernel allows on a mount alone.
# What tests have an engine mount lies in /tmp.
_ENTER_ROOT = """
set -e
mount --bind "$1" "$1"
cd "$1"
for tree in proc sys dev tmp; do mount --rbind "/$tree" "$tree"; done
mount --bind "$2" run
mount --bind "$3" var/lib/docker
pivot_root . mnt
umount -l /mnt
exec dockerd --host unix:///run/docker.sock --cgroup-parent /dockerci-newest
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestEngine:
    """How a command runs on it.

    Attributes:
        environ: Variables that point the docker command and the SDK at it, with its own plugins.
        command_prefix: Arguments before the command: inside its network, where its published ports are.
    """

    environ: Mapping[str, str]
    command_prefix: Sequence[str]


@contextmanager
def running_newest_engine(
    machine: Machine, images: Mapping[str, str], folder: Path
) -> Iterator[NewestEngine]:
    """The newest engine with the base images, for as long as the block lasts. One at a time on a machine.

    Args:
        machine: What was seen on this machine.
        images: Image references of the first engine, by environment variable.
        folder: For the logs.

    Raises:
        BootstrapError: Not Debian, not root, or something refused.
    """
    if machine.distribution != "debian" or machine.user_id != 0:
        raise BootstrapError(
            "the newest engine runs only on Debian and as root",
            why="it is taken from Debian's packages and needs a network namespace",
            fix="make test runs the tests on the engine that this machine has",
        )
    for path in (_STATE / "run", _DATA):
        path.mkdir(parents=True, exist_ok=True)
    with (_STATE / "one-at-a-time.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _end_leftover()
        _install_tools(machine, folder)
        _make_root(folder)
        with private_network():
            engine = _start()
            try:
                newest = NewestEngine(environ=client_environ(os.environ["PATH"]), command_prefix=enter_argv())
                _bring_images(images, newest)
                yield newest
            finally:
                with step("newest", "stopping its dockerd"):
                    end_process(engine)
                    _RECORD.unlink()


def client_environ(path: str) -> dict[str, str]:
    """Variables for programs that talk to the newest engine.

    Args:
        path: PATH as it is.
    """
    return {
        "DOCKER_HOST": f"unix://{_SOCKET}",
        "DOCKER_CONFIG": str(_STATE / "config"),
        "PATH": f"{_STATE / 'bin'}{os.pathsep}{path}",
    }


def _install_tools(machine: Machine, folder: Path) -> None:
    """Install what makes root file systems and networks, where it is missing."""
    missing = [package for program, package in TOOLS.items() if not shutil.which(program)]
    if missing:
        suite = machine.codename
        with step("newest", f"installing {', '.join(missing)}"):
            install_packages(
                missing, own_suite=suite, suite=suite, from_suite=missing, log=folder / "apt.log"
            )


def _make_root(folder: Path) -> None:
    """A root file system with the newest engine, at most a week old."""
    stamp = _ROOT / "dockerci-made"
    if not stamp.exists() or time.time() - stamp.stat().st_mtime > ROOT_LIFE_SECONDS:
        with step(
            "newest", f"{', '.join(PACKAGES)} from Debian {SUITE} into {_ROOT} (not onto this machine)"
        ):
            shutil.rmtree(_ROOT, ignore_errors=True)
            hook = f'--customize-hook=cp "{certificates()}" "$1{CERTIFICATES}"; mkdir -p "$1/var/lib/docker"'
            argv = [
                "mmdebstrap",
                "--mode=root",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                hook,
                STALE_MIRROR,
            ]
            run_logged(
                [*argv, SUITE, str(_ROOT), machine_mirror()],
                log=folder / "newest-root.log",
                what="the newest engine could not be installed into a folder",
                fix=f"check that the mirror carries {SUITE}, then repeat the command",
            )
            stamp.touch()
    shutil.copy("/etc/resolv.conf", _ROOT / "etc/resolv.conf")
    _make_client()


def _make_client() -> None:
    """Its docker command on a PATH of its own, with its own compose and buildx."""
    for name in ("bin", "config"):
        (_STATE / name).mkdir(exist_ok=True)
    program = _STATE / "bin" / "docker"
    program.unlink(missing_ok=True)
    program.symlink_to(_ROOT / "usr/bin/docker")
    plugins = str(_ROOT / "usr/libexec/docker/cli-plugins")
    (_STATE / "config" / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [plugins]}))


def _start() -> StartedEngine:
    """Start it and wait until it answers."""
    with step("newest", f"starting its dockerd (log: {_LOG})"), _LOG.open("wb") as output:
        argv = [*enter_argv(), "unshare", "--mount", "--propagation", "private", "--"]
        argv += ["sh", "-c", _ENTER_ROOT, "dockerd", str(_ROOT), str(_STATE / "run"), str(_DATA)]
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        engine = StartedEngine(pid=process.pid, start_ticks=process_start_ticks(process.pid))
        _RECORD.write_text(json.dumps({"pid": engine.pid, "start_ticks": engine.start_ticks}))
        try:
            wait_for_engine(process.pid, f"unix://{_SOCKET}", _LOG)
        except BaseException:
            end_process(engine)
            raise
    return engine


def _end_leftover() -> None:
    """End the engine of a run that was killed."""
    try:
        engine = StartedEngine(**json.loads(_RECORD.read_text()))
    except (OSError, ValueError, TypeError):
        return
    if engine.is_alive():
        with step("newest", "stopping the engine of a run that was killed"):
            end_process(engine)


def _bring_images(images: Mapping[str, str], newest: NewestEngine) -> None:
    """Copy the base images from the first engine, those that changed since the last time."""
    environ = {**os.environ, **newest.environ}
    stamp = _DATA / "dockerci-images.json"
    ids = {
        reference: read_output(
            ["docker", "image", "inspect", "--format", "{{.Id}}", reference]
        ).stdout.strip()
        for reference in sorted(set(images.values()))
    }
    known = json.loads(stamp.read_text()) if stamp.exists() else {}
    changed = [reference for reference, image_id in ids.items() if known.get(reference) != image_id]
    if changed:
        with step("newest", f"copying {len(changed)} base images to it"):
            save = subprocess.Popen(["docker", "save", *changed], stdout=subprocess.PIPE)
            load = subprocess.run(
                ["docker", "load", "--quiet"],
                stdin=save.stdout,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            if save.stdout:
                save.stdout.close()
            if save.wait() or load.returncode:
                raise BootstrapError(
                    "the base images could not be copied", why=load.stderr.strip(), fix="repeat"
                )
            stamp.write_text(json.dumps(ids))
    version = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    say(
        "newest",
        f"Docker {version.stdout.strip()} at {newest.environ['DOCKER_HOST']}, in a network of its own",
    )
