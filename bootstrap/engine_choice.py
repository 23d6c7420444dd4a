"""Which engine a command runs on: the one that answers, an installed one, one to install, or none."""

from __future__ import annotations

import re
from dataclasses import dataclass

ENGINE_FLOOR = (25, 0, 0)
COMPOSE_FLOOR = (2, 24, 4)
BUILDX_FLOOR = (0, 13, 0)
DEFAULT_ENDPOINT = "unix:///var/run/docker.sock"

# Debian suites on which the newer suite's engine installs without pulling in another C library.
NEWER_SUITE = {"bookworm": "trixie", "trixie": "trixie", "forky": "forky", "sid": "sid"}

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was seen on this machine.

    Attributes:
        platform: `sys.platform`.
        endpoint: Where the docker command looks for the engine.
        endpoint_chosen_by: ``DOCKER_HOST`` or ``the context "x"`` where a person chose it, else empty.
        engine, compose, buildx: Versions as they print themselves; empty where there is no answer.
        refusal: What the docker command said when the engine did not answer.
        dockerd: Version of the installed daemon, empty where there is none.
        distribution: ``ID`` of /etc/os-release.
        codename: ``VERSION_CODENAME`` of /etc/os-release.
        user_id: 0 may install and start.
    """

    platform: str = "linux"
    endpoint: str = DEFAULT_ENDPOINT
    endpoint_chosen_by: str = ""
    engine: str = ""
    compose: str = ""
    buildx: str = ""
    refusal: str = ""
    dockerd: str = ""
    distribution: str = ""
    codename: str = ""
    user_id: int = 0


@dataclass(frozen=True, slots=True)
class UseEngine:
    """The engine that answers is good."""


@dataclass(frozen=True, slots=True)
class StartEngine:
    """An engine is installed and good; nothing runs."""


@dataclass(frozen=True, slots=True)
class InstallEngine:
    """No usable engine, and this machine can get one.

    Attributes:
        suite: The Debian suite to take it from; empty for the machine's own (Ubuntu).
    """

    suite: str


@dataclass(frozen=True, slots=True)
class RefuseEngine:
    """There is no way that we may take.

    Attributes:
        what, why, fix: The error's three parts.
    """

    what: str
    why: str
    fix: str


Choice = UseEngine | StartEngine | InstallEngine | RefuseEngine


def parse_version(text: str) -> Version | None:
    """The first ``N.N`` or ``N.N.N`` in a text: ``v2.26.1-4`` gives (2, 26, 1); None where there is none."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def reaches(text: str, floor: Version) -> bool:
    """Whether a version, as a program prints it, is at least the floor."""
    version = parse_version(text)
    return version is not None and version >= floor


def choose_engine(machine: Machine) -> Choice:
    """Decide which engine to run on. The one that answers always comes first, and is never replaced."""
    if machine.engine:
        return _judge_running(machine)
    if machine.endpoint_chosen_by:
        return RefuseEngine(
            f"no Docker Engine answers at {machine.endpoint}",
            f"{machine.endpoint_chosen_by} points there, and the docker command says: {machine.refusal}",
            "start that engine, or take the choice away (unset DOCKER_HOST; docker context use default)",
        )
    if "permission denied" in machine.refusal.lower():
        return RefuseEngine(
            f"this user may not talk to the Docker Engine at {machine.endpoint}",
            machine.refusal,
            "sudo usermod -aG docker $USER, log in again, and repeat the command",
        )
    return _judge_silent(machine)


def _judge_running(machine: Machine) -> Choice:
    """An engine answers: it is used, or it is too old."""
    wanted = (
        ("Docker Engine", machine.engine, ENGINE_FLOOR),
        ("docker compose", machine.compose, COMPOSE_FLOOR),
        ("docker buildx", machine.buildx, BUILDX_FLOOR),
    )
    lacking = [
        f"{name} {'.'.join(map(str, floor))} or newer, found {found or 'none'}"
        for name, found, floor in wanted
        if not reaches(found, floor)
    ]
    if not lacking:
        return UseEngine()
    return RefuseEngine(
        f"the Docker set-up at {machine.endpoint} is too old or not complete",
        "needed: " + "; ".join(lacking),
        "update Docker Desktop, or install docker-ce, docker-compose-plugin and docker-buildx-plugin "
        "from Docker's own packages; nothing is installed beside an engine that answers",
    )


def _judge_silent(machine: Machine) -> Choice:
    """No engine answers, and nobody chose where: start one, install one, or say what a person has to do."""
    nothing = f"no Docker Engine answers at {machine.endpoint}"
    if machine.platform != "linux":
        return RefuseEngine(
            nothing,
            machine.refusal,
            "start Docker Desktop (or colima, OrbStack, Rancher Desktop) and repeat the command",
        )
    if machine.user_id != 0:
        return RefuseEngine(
            nothing,
            f"user id {machine.user_id} may neither start nor install one ({machine.refusal})",
            "start yours (sudo systemctl start docker, or Docker Desktop), or run this command as root "
            "on Debian 12 or newer or on Ubuntu: it then installs an engine from the distribution's packages",
        )
    tools_are_good = reaches(machine.compose, COMPOSE_FLOOR) and reaches(machine.buildx, BUILDX_FLOOR)
    if reaches(machine.dockerd, ENGINE_FLOOR) and tools_are_good:
        return StartEngine()
    if machine.distribution == "debian" and machine.codename in NEWER_SUITE:
        return InstallEngine(NEWER_SUITE[machine.codename])
    if machine.distribution == "ubuntu":
        return InstallEngine("")
    return RefuseEngine(
        nothing,
        "an engine is installed by this command on Debian 12 or newer and on Ubuntu; "
        f"this is {machine.distribution or 'an unknown system'} {machine.codename}".rstrip(),
        "install Docker Engine 25 or newer with its compose and buildx plugins, start it, repeat the command",
    )
