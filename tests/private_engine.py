"""A Docker Engine of a test's own, to kill and freeze; it shares nothing with the machine's engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker

_START_SECONDS = 60.0


def needs() -> str:
    """What this machine lacks for an engine of one's own; empty for nothing."""
    found = [Path(folder, "dockerd") for folder in os.environ["PATH"].split(os.pathsep)]
    if not any(path.exists() for path in (*found, Path("/usr/sbin/dockerd"))):
        return "there is no dockerd on this machine"
    return "" if os.geteuid() == 0 else "dockerd wants root"


class PrivateEngine:
    """One dockerd, in a network of its own: one beside another would remove its bridge, even with ``--bridge none``.

    What runs on it reaches nothing, and no port of it is reached from outside.

    Args:
        folder: For its data, on the disk; its path is short enough for a socket's.
        options: Further ones of dockerd's.
        features: Of its configuration file, ``containerd-snapshotter`` for instance.

    Attributes:
        folder: The same.
        address: Where it listens.
    """

    def __init__(
        self, folder: Path, options: Sequence[str] = (), features: Mapping[str, bool] | None = None
    ) -> None:
        self.folder = folder
        self._options = tuple(options)
        (folder / "daemon.json").write_text(json.dumps({"features": dict(features or {})}))
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"unix://{folder}/docker.sock"

    @property
    def environ(self) -> dict[str, str]:
        """What makes Docker's programs use it."""
        return {"DOCKER_HOST": self.address}

    def start(self) -> None:
        """Start it, again if need be, and wait until it answers."""
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(
                        "unshare",
                        "--net",
                        "--mount",
                        "--propagation",
                        "private",
                        "--",
                        "sh",
                        "-c",
                        'ip link set lo up; exec "$@"',
                        "sh",
                    ),
                    "dockerd",
                    f"--host={self.address}",
                    f"--config-file={self.folder}/daemon.json",
                    f"--data-root={self.folder}/data",
                    f"--exec-root={self.folder}/exec",
                    f"--pidfile={self.folder}/dockerd.pid",
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            has_ended = self._process.poll() is not None
            assert not has_ended, (self.folder / "dockerd.log").read_text()[-4000:]
            assert time.monotonic() < deadline, "dockerd does not answer"
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """Its process, whose network is its own."""
        assert self._process is not None
        return self._process.pid

    def load(self, images: Sequence[str]) -> None:
        """Copy images from the engine of the machine."""
        environ = {**os.environ, **self.environ}
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            subprocess.run(["docker", "load", "--quiet"], stdin=saved.stdout, env=environ, check=True)
        assert saved.returncode == 0

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word; what runs on it runs on until it is started again."""
        self.send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        # Its containerd dies with it. As long as nobody reaps that, dockerd takes it for alive, for ten seconds.
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def end(self) -> None:
        """End it in good order; what runs on it ends, too."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def revive(self) -> None:
        """Have it run, whatever was done to it."""
        assert self._process is not None
        if self._process.poll() is not None:
            self.start()
        self.send(signal.SIGCONT)

    def objects_of(self, name: str) -> list[str]:
        """Containers, networks and volumes of a project's runs."""
        return [each for each in self.objects() if f"dockerci-{name}-" in each]

    def objects(self) -> list[str]:
        """All that is on it: containers, networks, volumes."""
        with self._client() as client:
            containers = [str(each["Names"]) for each in client.api.containers(all=True)]
            networks = [each["Name"] for each in client.api.networks() if each["Driver"] == "bridge"]
            volumes = [each["Name"] for each in client.api.volumes()["Volumes"] or []]
        return [*containers, *networks, *volumes]

    def stop(self) -> None:
        """End it in good order, with all that runs on it."""
        if self._process is None:
            return
        self.revive()
        with self._client() as client:
            for each in client.api.containers(all=True):
                client.api.remove_container(each["Id"], force=True, v=True)
            client.networks.prune()
        self.end()

    def _answers(self) -> bool:
        asked = subprocess.run(
            ["docker", "--host", self.address, "version"], capture_output=True, check=False
        )
        return asked.returncode == 0

    @contextmanager
    def _client(self) -> Iterator[docker.DockerClient]:
        client = docker.DockerClient(base_url=self.address, version="auto", timeout=20)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def running_engine(
    folder: Path,
    options: Sequence[str] = (),
    features: Mapping[str, bool] | None = None,
    images: Sequence[str] = (),
) -> Iterator[PrivateEngine]:
    """One that has been started and has these images, until the end of the context."""
    engine = PrivateEngine(folder, options, features)
    try:
        engine.start()
        if images:
            engine.load(images)
        yield engine
    finally:
        engine.stop()
