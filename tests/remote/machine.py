"""Another machine with an engine: a privileged container that runs dockerd and sshd, and nothing of ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

IMAGE_FILES = Path(__file__).parent / "image"
PYTHON_IMAGE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
_START_SECONDS = 60.0
_BUILD_SECONDS = 600
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def docker(*arguments: str, environ: dict[str, str] | None = None, timeout_seconds: float = 120) -> str:
    """What a docker command prints, on the engine that the environment names; it has to succeed."""
    done = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(environ or {})},
        timeout=timeout_seconds,
        check=False,
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def machine_image() -> str:
    """The image of such a machine; built when it is not there."""
    digest = hashlib.sha256(PYTHON_IMAGE.encode())
    for file in sorted(IMAGE_FILES.iterdir()):
        digest.update(file.read_bytes())
    name = f"dockerci-test/machine:{digest.hexdigest()[:12]}"
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode:
        options = [
            word for name in _PROXY_VARIABLES if os.environ.get(name) for word in ("--build-arg", name)
        ]
        docker(
            *("build", "--load", "--tag", name, "--build-arg", f"PYTHON_IMAGE={PYTHON_IMAGE}", *options),
            str(IMAGE_FILES),
            timeout_seconds=_BUILD_SECONDS,
        )
    return name


class Machine:
    """One such machine.

    Args:
        folder: For keys, certificates and ssh's files on this side.
        name: Of the container, and the machine's host name.
        options: Of ``docker run``.
        engine_options: Of dockerd.

    Attributes:
        name: The same.
        folder: The same.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "",
        *,
        options: Sequence[str] = (),
        engine_options: Sequence[str] = (),
    ) -> None:
        self.name = name or f"dockerci-test-machine-{uuid4().hex[:8]}"
        self.folder = folder
        self._loaded: set[str] = set()
        self._write_key()
        argv = ["docker", "run", "--rm", "--interactive", "--privileged", "--name", self.name]
        argv += ["--hostname", self.name, "--tmpfs", "/var/lib/docker:exec", "--env", "AUTHORIZED_KEY"]
        argv += ["--publish", "127.0.0.1::22", "--publish", "127.0.0.1::2376", *options, machine_image()]
        # Its standard input is what keeps it: it ends with this process, however that ends.
        self._process = subprocess.Popen(
            [*argv, *engine_options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "AUTHORIZED_KEY": (folder / "key.pub").read_text().strip()},
            start_new_session=True,
        )
        try:
            self._await_engine()
        except BaseException:
            self.stop()
            raise

    def port(self, number: int) -> int:
        """Where a port of it is published on this machine's 127.0.0.1."""
        return int(docker("port", self.name, f"{number}/tcp").splitlines()[0].rpartition(":")[2])

    def run(self, *argv: str) -> str:
        """What a command prints that runs on it."""
        return docker("exec", self.name, *argv)

    @property
    def by_tls(self) -> dict[str, str]:
        """The variables that name its engine, by TLS."""
        return {
            "DOCKER_HOST": f"tcp://127.0.0.1:{self.port(2376)}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.folder / "certificates"),
        }

    @property
    def by_ssh(self) -> dict[str, str]:
        """The variables that name its engine, by ssh."""
        return {"DOCKER_HOST": f"ssh://root@127.0.0.1:{self.port(22)}", "PATH": self.path_with_ssh}

    @property
    def path_with_ssh(self) -> str:
        """PATH with an `ssh` that reads this folder's configuration: it finds its own by the user's entry alone."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def load(self, *images: str) -> None:
        """Copy images from the engine of this machine, those that it has not got yet."""
        missing = [image for image in images if image not in self._loaded]
        if not missing:
            return
        self._loaded |= set(missing)
        with subprocess.Popen(["docker", "save", *missing], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "load", "--quiet"],
                stdin=saved.stdout,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **self.by_tls},
                check=True,
            )
        assert saved.returncode == 0

    def stop(self) -> None:
        """End it, with all that runs on it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            subprocess.run(
                ["docker", "rm", "--force", "--volumes", self.name], capture_output=True, check=False
            )
            self._process.wait(30)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _write_key(self) -> None:
        ssh = shutil.which("ssh")
        assert ssh is not None, "there is no ssh on PATH"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key")], check=True
        )
        (self.folder / "bin").mkdir()
        wrapper = self.folder / "bin" / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec {ssh} -F {self.folder}/ssh_config "$@"\n')
        wrapper.chmod(0o755)

    def _await_engine(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_up():
            if self._process.poll() is not None:
                assert self._process.stderr is not None
                raise AssertionError(f"the machine ended: {self._process.stderr.read().decode()}")
            assert time.monotonic() < deadline, self.run("tail", "/var/log/dockerd.log")
            time.sleep(0.1)
        certificates = self.folder / "certificates"
        certificates.mkdir()
        for there, here in (("ca", "ca"), ("client-cert", "cert"), ("client-key", "key")):
            (certificates / f"{here}.pem").write_text(self.run("cat", f"/certs/{there}.pem") + "\n")
        key = " ".join(self.run("cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port(22)} {key}\n")
        self.write_ssh_config()

    def write_ssh_config(self, **options: str) -> None:
        """Write the user's ssh configuration; options stand before what makes it work."""
        usual = {
            "IdentityFile": str(self.folder / "key"),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "GlobalKnownHostsFile": "none",
        }
        lines = [f"{name} {value}" for name, value in {**usual, **options}.items()]
        (self.folder / "ssh_config").write_text("\n".join([*lines, ""]))

    def _is_up(self) -> bool:
        asked = subprocess.run(
            ["docker", "exec", self.name, "docker", "version"], capture_output=True, check=False
        )
        return asked.returncode == 0
