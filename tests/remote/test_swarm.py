"""The hand-over to a Swarm of three machines: what a run has pushed takes over a running service under load."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pytest_dockerci.engine.client import Engine, connect_engine
from remote.machine import PYTHON_IMAGE, Machine, docker
from whole_run.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.soak]

FILES = Path(__file__).parent / "swarm"
REPLICAS = 3
NODES = 3
REGISTRY_CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
http: {addr: ":5000"}
"""
COMPOSE = f"""\
services:
  web:
    build:
      context: .
      args: {{PYTHON_IMAGE: "{PYTHON_IMAGE}", VERSION: two}}
"""
SUITE = """\
    import threading, urllib.request

    import server

    def test_it_answers_with_its_version():
        with server.Server(("127.0.0.1", 0), server.Answer) as running:
            threading.Thread(target=running.serve_forever, daemon=True).start()
            with urllib.request.urlopen(f"http://127.0.0.1:{running.server_port}/", timeout=10) as answer:
                assert answer.read() == b"two"
            running.shutdown()
    """


class Swarm:
    """Three machines; the first manages, and has the registry.

    Attributes:
        machines: All of them.
        registry: Its address, for all of them and for this machine.
    """

    def __init__(self, folder: Path, network: str) -> None:
        names = [f"{network}-{number}" for number in range(NODES)]
        folders = [folder / name for name in names]
        for each in folders:
            each.mkdir()
        with ThreadPoolExecutor() as pool:
            futures = [
                pool.submit(Machine, each, name, options=["--network", network])
                for name, each in zip(names, folders, strict=True)
            ]
        self.machines = [future.result() for future in futures]
        # By its number: this machine does not know its name.
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.registry = docker("inspect", "--format", form, names[0]) + ":5000"
        settings = json.dumps({"insecure-registries": [self.registry]})
        for machine in self.machines:
            machine.run("sh", "-c", f"echo '{settings}' >/etc/docker/daemon.json; pkill -HUP -x dockerd")

    @property
    def manager(self) -> dict[str, str]:
        """The variables that name the manager's engine."""
        return self.machines[0].by_tls

    def docker(self, *arguments: str, timeout_seconds: float = 120) -> str:
        """A docker command on the manager."""
        return docker(*arguments, environ=self.manager, timeout_seconds=timeout_seconds)

    def form(self) -> None:
        """Make them a Swarm, with a registry and a network that spans them."""
        manager, *workers = self.machines
        manager.run("sh", "-c", f"cat >/registry.yml <<'E'\n{REGISTRY_CONFIG}E")
        docker("exec", "--detach", manager.name, "docker-registry", "serve", "/registry.yml")
        self.docker("swarm", "init", "--advertise-addr", "eth0")
        token = self.docker("swarm", "join-token", "--quiet", "worker")
        for worker in workers:
            docker("swarm", "join", "--token", token, f"{manager.name}:2377", environ=worker.by_tls)
        self.docker("network", "create", "--driver", "overlay", "--attachable", "shop")

    def publish_by_hand(self, version: str) -> str:
        """Build and push a version; its name by digest."""
        tag = f"{self.registry}/shop/web:{version}"
        arguments = ["--build-arg", f"PYTHON_IMAGE={PYTHON_IMAGE}", "--build-arg", f"VERSION={version}"]
        self.docker("build", "--quiet", "--tag", tag, *arguments, str(FILES), timeout_seconds=300)
        self.docker("push", "--quiet", tag)
        digests: list[str] = json.loads(
            self.docker("image", "inspect", "--format", "{{json .RepoDigests}}", tag)
        )
        return digests[0]

    def stop(self) -> None:
        """End all of it."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Machine.stop, self.machines))

    @contextmanager
    def load(self) -> Iterator[dict[str, Any]]:
        """A client inside the network asks as long as the block lasts; what it saw is there after it."""
        seen: dict[str, Any] = {}
        argv = ["docker", "run", "--rm", "--interactive", "--network", "shop", PYTHON_IMAGE, "python3", "-c"]
        with subprocess.Popen(
            [*argv, (FILES / "client.py").read_text()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.manager},
        ) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "asking\n"
            time.sleep(2)
            yield seen
            time.sleep(2)
            output, _ = client.communicate(timeout=60)
        seen.update(json.loads(output))

    def running_tasks(self, service: str, what: str) -> set[str]:
        """What its running tasks are made of (``Image``), or where they run (``Node``)."""
        shown = self.docker(
            *("service", "ps", "--no-trunc", "--filter", "desired-state=running"),
            *("--format", f"{{{{.{what}}}}}", service),
        )
        return set(shown.splitlines())

    def start_service(self, image: str) -> None:
        """Start one as `docs/how-to/deploy.md` wants it, found by DNS: the kernel here has no virtual addresses."""
        self.docker(
            *(
                "service",
                "create",
                "--quiet",
                "--name",
                "web",
                "--network",
                "shop",
                "--endpoint-mode",
                "dnsrr",
            ),
            *("--replicas", str(REPLICAS), "--stop-grace-period", "15s"),
            *(
                "--health-cmd",
                "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8000), 2)'",
            ),
            *("--health-interval", "1s", "--health-retries", "3", image),
            timeout_seconds=300,
        )


@pytest.fixture
def swarm(engine: Engine, tmp_path: Path) -> Iterator[Swarm]:
    """A Swarm, formed."""
    network = f"dockerci-test-swarm-{uuid4().hex[:6]}"
    docker("network", "create", network)
    try:
        swarm = Swarm(tmp_path, network)
        try:
            swarm.machines[0].load(PYTHON_IMAGE)
            swarm.form()
            yield swarm
        finally:
            swarm.stop()
    finally:
        docker("network", "rm", network)


@pytest.fixture
def shop(swarm: Swarm, tmp_path: Path) -> Iterator[Project]:
    """The application in a repository of its own, committed, to be run on the manager's engine."""
    engine = connect_engine({**os.environ, **swarm.manager})
    root = tmp_path / f"shop-{uuid4().hex[:6]}"
    root.mkdir()
    for name in ("Dockerfile", "server.py"):
        shutil.copy(FILES / name, root)
    project = Project(root, engine)
    project.addopts = ""  # options for one run may not be pushed with
    project.write(
        compose_yaml=COMPOSE,
        pytest_ini="[pytest]\ndockerci_service = web\ntestpaths = tests\n",
        tests__test_server_py=SUITE,
    )
    git = ["git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=all"]):
        subprocess.run([*git, *arguments], check=True)
    yield project
    assert project.left_on_engine() == []
    engine.client.close()


def test_what_was_pushed_takes_over_without_a_failed_request(swarm: Swarm, shop: Project) -> None:
    """Old and new answer side by side for a while; in the end every task is made of exactly the tested digest."""
    old = swarm.publish_by_hand("one")
    swarm.start_service(old)
    assert swarm.running_tasks("web", "Image") == {old}
    assert len(swarm.running_tasks("web", "Node")) == NODES
    outcome = shop.run(f"--dockerci-push={swarm.registry}/shop/web", **swarm.manager)
    assert outcome.exit_code == 0, outcome.output
    folder = Path(re.findall(r"^dockerci: release\.json.*: (/.*)$", outcome.output, re.MULTILINE)[0])
    new = json.loads((folder / "release.json").read_text())["image"]
    with swarm.load() as seen:
        updated = subprocess.run(
            ["sh", str(folder / "swarm-update.sh"), "web"],
            env={**os.environ, **swarm.manager},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert updated.returncode == 0, updated.stderr
    assert seen["failures"] == []
    assert set(seen["answers"]) == {"one", "two"}
    assert set(seen["last"]) == {"two"}
    assert sum(seen["answers"].values()) > 500
    assert swarm.running_tasks("web", "Image") == {new}
    # The other way round there is a gap, and this client would have seen it.
    swarm.docker("service", "scale", "web=1", timeout_seconds=300)
    with swarm.load() as seen:
        swarm.docker(
            "service", "update", "--force", "--update-order", "stop-first", "web", timeout_seconds=300
        )
    assert seen["failures"] != []
