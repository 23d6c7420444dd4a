"""The pure parts of the bootstrap as tables, its lease and its processes for real; nothing is installed here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))  # the bootstrap is no part of the package

from bootstrap.base_images import IMAGE_SETS, POSTGRES, PYTHON, REDIS, BaseImage, choose_present, env_file
from bootstrap.child_processes import ChildProcesses, run_unbroken
from bootstrap.debian_packages import apt_pins, apt_sources, find_mirror
from bootstrap.engine import end_process
from bootstrap.engine_choice import (
    Choice,
    InstallEngine,
    Machine,
    RefuseEngine,
    StartEngine,
    UseEngine,
    choose_engine,
    parse_version,
    reaches,
)
from bootstrap.engine_lease import EngineLease, StartedEngine, process_start_ticks
from bootstrap.private_network import make_commands, remove_commands
from bootstrap.registry import prepare_registry
from bootstrap.standins import RECIPES, pip_configuration, recipe_fingerprint
from bootstrap.steps import BootstrapError, run_logged

SILENT = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("v2.26.1-4", (2, 26, 1)),
        ("Docker version 28.5, build 0", (28, 5, 0)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13, 1)),
        ("2.24.4-desktop.1", (2, 24, 4)),
        ("", None),
        ("unknown", None),
    ],
)
def test_versions_are_read_as_programs_print_them(text: str, version: tuple[int, int, int] | None) -> None:
    """Distributions add their own endings, some programs a name in front."""
    assert parse_version(text) == version


def test_versions_are_compared_as_numbers() -> None:
    """2.9 is older than 2.24.4, and no version reaches no floor."""
    assert not reaches("2.9.0", (2, 24, 4))
    assert reaches("2.24.4", (2, 24, 4))
    assert not reaches("", (0, 0, 0))


def machine(**seen: object) -> Machine:
    """A bare Debian 12 with root, but for what a test says."""
    bare: dict[str, object] = {"refusal": SILENT, "distribution": "debian", "codename": "bookworm"}
    return Machine(**(bare | seen))  # type: ignore[arg-type]


GOOD = {"engine": "25.0.0", "compose": "2.24.4", "buildx": "0.13.0", "refusal": ""}
INSTALLED = {"dockerd": "Docker version 26.1.5+dfsg1", "compose": "2.26.1-4", "buildx": "0.13.1"}


@pytest.mark.parametrize(
    ("seen", "choice"),
    [
        pytest.param(machine(**GOOD), UseEngine(), id="answers"),
        pytest.param(machine(**GOOD, user_id=1000), UseEngine(), id="answers a person"),
        pytest.param(
            machine(**GOOD, platform="darwin", distribution="", user_id=501), UseEngine(), id="macOS"
        ),
        pytest.param(
            machine(**GOOD, endpoint="ssh://a", endpoint_chosen_by="DOCKER_HOST"), UseEngine(), id="chosen"
        ),
        pytest.param(machine(), InstallEngine("trixie"), id="bare Debian 12"),
        pytest.param(
            machine(dockerd="20.10.24+dfsg1"), InstallEngine("trixie"), id="Debian 12's own is too old"
        ),
        pytest.param(machine(dockerd="26.1.5"), InstallEngine("trixie"), id="plugins are missing"),
        pytest.param(machine(codename="trixie"), InstallEngine("trixie"), id="bare Debian 13"),
        pytest.param(machine(distribution="ubuntu", codename="noble"), InstallEngine(""), id="bare Ubuntu"),
        pytest.param(machine(**INSTALLED), StartEngine(), id="installed, not running"),
    ],
)
def test_the_engine_that_answers_comes_first_then_the_installed_one_then_an_installation(
    seen: Machine, choice: Choice
) -> None:
    """Nothing is installed beside an engine that answers."""
    assert choose_engine(seen) == choice


REFUSALS = {
    "too old": (
        machine(**(GOOD | {"compose": "2.9.1", "buildx": ""})),
        """\
the Docker set-up at unix:///var/run/docker.sock is too old or not complete
  why: needed: docker compose 2.24.4 or newer, found 2.9.1; docker buildx 0.13.0 or newer, found none
  try: update Docker Desktop, or install docker-ce, docker-compose-plugin and docker-buildx-plugin from \
Docker's own packages; nothing is installed beside an engine that answers""",
    ),
    "chosen engine is silent": (
        machine(
            endpoint="tcp://10.0.0.9:2376", endpoint_chosen_by="DOCKER_HOST", refusal="connection refused"
        ),
        """\
no Docker Engine answers at tcp://10.0.0.9:2376
  why: DOCKER_HOST points there, and the docker command says: connection refused
  try: start that engine, or take the choice away (unset DOCKER_HOST; docker context use default)""",
    ),
    "no rights on the socket": (
        machine(
            user_id=1000, refusal="permission denied while trying to connect to the Docker daemon socket"
        ),
        """\
this user may not talk to the Docker Engine at unix:///var/run/docker.sock
  why: permission denied while trying to connect to the Docker daemon socket
  try: sudo usermod -aG docker $USER, log in again, and repeat the command""",
    ),
    "no rights to install": (
        machine(user_id=1000, refusal="docker: No such file or directory"),
        """\
no Docker Engine answers at unix:///var/run/docker.sock
  why: user id 1000 may neither start nor install one (docker: No such file or directory)
  try: start yours (sudo systemctl start docker, or Docker Desktop), or run this command as root on \
Debian 12 or newer or on Ubuntu: it then installs an engine from the distribution's packages""",
    ),
    "macOS": (
        machine(platform="darwin", distribution="", codename="", user_id=501),
        f"""\
no Docker Engine answers at unix:///var/run/docker.sock
  why: {SILENT}
  try: start Docker Desktop (or colima, OrbStack, Rancher Desktop) and repeat the command""",
    ),
    "another system": (
        machine(distribution="alpine", codename=""),
        """\
no Docker Engine answers at unix:///var/run/docker.sock
  why: an engine is installed by this command on Debian 12 or newer and on Ubuntu; this is alpine
  try: install Docker Engine 25 or newer with its compose and buildx plugins, start it, repeat the command""",
    ),
    "Debian 11": (
        machine(codename="bullseye"),
        """\
no Docker Engine answers at unix:///var/run/docker.sock
  why: an engine is installed by this command on Debian 12 or newer and on Ubuntu; this is debian bullseye
  try: install Docker Engine 25 or newer with its compose and buildx plugins, start it, repeat the command""",
    ),
}


@pytest.mark.parametrize(("seen", "text"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_what_is_wrong_why_and_what_to_do(seen: Machine, text: str) -> None:
    """The whole text, as a person reads it."""
    choice = choose_engine(seen)
    assert isinstance(choice, RefuseEngine)
    assert str(BootstrapError(choice.what, why=choice.why, fix=choice.fix)) == text


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        ("deb http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        ("deb [signed-by=/k.gpg] https://m.example/debian/ bookworm main\n", "https://m.example/debian"),
        (
            "Types: deb\nURIs: http://m.example/debian-security\n\nURIs: http://m.example/debian\n",
            "http://m.example/debian",
        ),
        ("# deb http://m.example/debian bookworm main\n", ""),
        ("deb https://packages.example/apt stable main\n", ""),
    ],
)
def test_the_mirror_is_the_one_that_this_machine_uses(sources: str, mirror: str) -> None:
    """Both forms of apt sources; security and third-party archives do not count."""
    assert find_mirror(sources) == mirror


def test_only_the_named_packages_come_from_the_newer_suite() -> None:
    """All others are pinned below what the machine has."""
    assert apt_sources("http://m.example/debian", ["trixie", "trixie"]) == (
        "Types: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    assert apt_pins("trixie", ["docker.io", "containerd"]) == (
        "Package: *\nPin: release n=trixie\nPin-Priority: 50\n\n"
        "Package: docker.io containerd\nPin: release n=trixie\nPin-Priority: 990\n"
    )


PRINTS = {"python": "aaa", "postgres": "bbb", "redis": "ccc"}
STANDIN = {"dockerci-standin/redis:7": "sha256:1", "dockerci-standin/redis:7-recipe-ccc": "sha256:1"}


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"redis:7": "sha256:9"} | STANDIN, {"REDIS_IMAGE": "redis:7"}, id="official first"),
        pytest.param(STANDIN, {"REDIS_IMAGE": "dockerci-standin/redis:7"}, id="stand-in"),
        pytest.param({"dockerci-standin/redis:7": "sha256:1"}, {}, id="stand-in of an older recipe"),
        pytest.param(STANDIN | {"dockerci-standin/redis:7": "sha256:2"}, {}, id="somebody else's image"),
    ],
)
def test_images_that_are_there_are_used(present: dict[str, str], chosen: dict[str, str]) -> None:
    """The official image wins; a stand-in counts only if today's recipe made it."""
    assert choose_present([PYTHON, POSTGRES, REDIS], present, PRINTS) == chosen


def test_the_mapping_is_an_env_file() -> None:
    """One variable a line, in a stable order."""
    assert env_file({"REDIS_IMAGE": "redis:7", "POSTGRES_IMAGE": "postgres:17"}) == (
        "POSTGRES_IMAGE=postgres:17\nREDIS_IMAGE=redis:7\n"
    )


@pytest.mark.parametrize("image", IMAGE_SETS["test"], ids=lambda image: image.official)
def test_every_image_has_a_recipe(image: BaseImage) -> None:
    """And the recipe's fingerprint is the same whenever nothing changed."""
    assert (RECIPES / f"Dockerfile.{image.recipe}").is_file()
    assert recipe_fingerprint(image.recipe) == recipe_fingerprint(image.recipe)
    assert image.standin == f"dockerci-standin/{image.official}"


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ("", ""),
        ("global.index-url='https://index.example/simple'\n", "index-url = https://index.example/simple\n"),
        (":env:.index-url='http://index.example/simple/'\n", "index-url = http://index.example/simple/\n"),
        ("global.extra-index-url='file:///opt/pypi/simple'\nglobal.index-url='file:///opt/x'\n", ""),
    ],
)
def test_pip_in_a_stand_in_trusts_what_the_machine_trusts(said: str, index: str) -> None:
    """The index goes along where a container can reach it."""
    assert pip_configuration(said) == "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n" + index


def test_what_the_private_network_makes_it_takes_away() -> None:
    """Every firewall rule that is inserted is deleted with the same words."""
    inserted = [argv[5:] for argv in make_commands() if argv[0] == "iptables"]
    deleted = [argv[5:] for argv in remove_commands() if argv[0] == "iptables"]
    assert inserted == deleted
    assert len(inserted) == 3


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process in the part of an engine."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_the_last_one_to_leave_stops_the_engine(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """The one that started it may go first."""
    first, second = EngineLease(tmp_path), EngineLease(tmp_path)
    with first.turn():
        first.take()
        first.record(StartedEngine(pid=sleeper.pid, start_ticks=process_start_ticks(sleeper.pid)))
    with second.turn():
        second.take()
    first.leave(end_process)
    assert sleeper.poll() is None
    second.leave(end_process)
    assert sleeper.wait(5) == -signal.SIGTERM
    assert second.started() is None


def test_an_engine_that_no_bootstrap_started_is_never_stopped(tmp_path: Path) -> None:
    """No record, or a record whose process id belongs to another process by now."""
    stopped: list[StartedEngine] = []
    lease = EngineLease(tmp_path)
    with lease.turn():
        lease.take()
    lease.leave(stopped.append)
    with lease.turn():
        lease.take()
        lease.record(StartedEngine(pid=os.getpid(), start_ticks=1))
    lease.leave(stopped.append)
    assert stopped == []


def test_a_killed_command_does_not_keep_the_engine(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """Its lock goes with it; the next command stops what it left."""
    script = (
        "import os, signal, sys; from pathlib import Path; from bootstrap.engine_lease import EngineLease;"
        "lease = EngineLease(Path(sys.argv[1]))\nwith lease.turn(): lease.take()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[1], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    lease = EngineLease(tmp_path)
    with lease.turn():
        lease.take()
        lease.record(StartedEngine(pid=sleeper.pid, start_ticks=process_start_ticks(sleeper.pid)))
    lease.leave(end_process)
    assert sleeper.wait(5) == -signal.SIGTERM


def test_ending_reaches_the_children_of_children_and_lets_no_new_one_start(tmp_path: Path) -> None:
    """`sh` waits for `sleep`; both are gone at once."""
    children = ChildProcesses()
    with (tmp_path / "log").open("wb") as output:
        threading.Timer(0.2, children.end).start()
        begin = time.monotonic()
        with children.started(["sh", "-c", "sleep 600; echo late"], output=output) as child:
            assert child.wait() == -signal.SIGTERM
        assert time.monotonic() - begin < 5
        with pytest.raises(InterruptedError), children.started(["true"], output=output):
            pass
    assert (tmp_path / "log").read_bytes() == b""


def test_an_installation_is_finished_before_a_signal_counts(tmp_path: Path) -> None:
    """And what it runs has no signal blocked."""
    came: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: came.append(number))
    try:
        with (tmp_path / "log").open("wb") as output:
            script = f"kill -HUP {os.getpid()}; grep SigBlk /proc/self/status; exit 3"
            assert run_unbroken(["sh", "-c", script], output=output) == 3
        assert came == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (tmp_path / "log").read_text().split() == ["SigBlk:", "0000000000000000"]


def test_a_failing_step_shows_the_end_of_its_own_output(tmp_path: Path) -> None:
    """What an earlier step wrote into the same log is not shown."""
    log = tmp_path / "apt.log"
    run_logged(["echo", "fine"], log=log, what="x", fix="y")
    with pytest.raises(BootstrapError) as failure:
        run_logged(
            ["sh", "-c", "echo no space left; exit 9"],
            log=log,
            what="it could not be installed",
            fix="make room",
        )
    assert str(failure.value) == (
        "it could not be installed\n"
        "  why: sh ended with exit code 9\n"
        "  try: make room\n"
        f"  end of {log}:\n"
        "    $ sh -c echo no space left; exit 9\n"
        "    no space left"
    )


def test_a_registry_that_is_there_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the PATH, else from an earlier time; nothing is fetched then."""
    program = tmp_path / "registry" / "usr" / "bin" / "docker-registry"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert prepare_registry(Machine(distribution="debian"), tmp_path) == program.parent
    monkeypatch.setenv("PATH", str(program.parent))
    assert prepare_registry(Machine(platform="darwin"), tmp_path / "elsewhere") == program.parent


def test_a_machine_without_such_a_package_goes_without_a_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is said what that means."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert prepare_registry(Machine(platform="darwin"), tmp_path) is None
    assert "tests that push are skipped" in capsys.readouterr().out
