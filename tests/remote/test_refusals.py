"""An engine elsewhere that cannot be used: each cause has one clear text, within seconds."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import certifi
import pytest

from pytest_dockerci.engine.client import Engine, connect_engine
from pytest_dockerci.errors import DockerCIError, EngineUnreachableError, SettingsError
from remote.machine import Machine

pytestmark = pytest.mark.engine

MAX_SECONDS = 6.0


@pytest.fixture
def config(machine: Machine) -> Iterator[Machine]:
    """The machine, whose ssh configuration may be changed."""
    yield machine
    machine.write_ssh_config()


def refusal(environ: dict[str, str], kind: type[DockerCIError] = EngineUnreachableError) -> str:
    """What a run would say."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        connect_engine({**os.environ, **environ})
    assert time.monotonic() - started < MAX_SECONDS
    return str(caught.value)


def test_an_unknown_host(config: Machine, tmp_path: Path) -> None:
    """Its key is neither accepted nor asked for."""
    config.write_ssh_config(UserKnownHostsFile=str(tmp_path / "none"), StrictHostKeyChecking="no")
    url, port = config.by_ssh["DOCKER_HOST"], config.port(22)
    assert refusal(config.by_ssh) == (
        f"no Docker Engine answers at {url} (DOCKER_HOST)\n"
        f"  why: No ED25519 host key is known for [127.0.0.1]:{port} and you have requested strict checking.\n"
        f"  try: `ssh -p {port} root@127.0.0.1` once, compare the fingerprint with the one its owner gives you, "
        "and accept it; in CI, put the key into ~/.ssh/known_hosts"
    )
    assert not (tmp_path / "none").exists()


def test_a_changed_host(config: Machine, tmp_path: Path) -> None:
    """That may be somebody in between."""
    own = (config.folder / "key.pub").read_text().split()[:2]
    (tmp_path / "known").write_text(f"[127.0.0.1]:{config.port(22)} {' '.join(own)}\n")
    config.write_ssh_config(UserKnownHostsFile=str(tmp_path / "known"))
    text = refusal(config.by_ssh)
    assert "why: the host's key is not the one that is known" in text
    assert f"ssh-keygen -R '[127.0.0.1]:{config.port(22)}'" in text


def test_a_key_that_does_not_open(config: Machine, tmp_path: Path) -> None:
    """Nothing is asked."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    config.write_ssh_config(IdentityFile=str(tmp_path / "other"))
    text = refusal(config.by_ssh)
    assert "\n  why: root@127.0.0.1: Permission denied (publickey" in text
    assert f"\n  try: `ssh -p {config.port(22)} root@127.0.0.1 true` must work without a question" in text


@pytest.mark.parametrize(
    ("user", "path", "what"),
    [("outsider", "", "/var/run/docker.sock"), ("root", "/nowhere/docker.sock", "/nowhere/docker.sock")],
)
def test_a_socket_that_does_not_open(machine: Machine, user: str, path: str, what: str) -> None:
    """The user may not use the engine, or there is none."""
    url = f"ssh://{user}@127.0.0.1:{machine.port(22)}{path}"
    text = refusal({**machine.by_ssh, "DOCKER_HOST": url})
    assert text.startswith(f"no Docker Engine answers at {url} (DOCKER_HOST)\n")
    assert f"why: ssh got there, and could not open {what} (channel " in text
    assert f"try: `ssh -p {machine.port(22)} {user}@127.0.0.1 docker version` must work" in text


def test_nobody_listens(machine: Machine) -> None:
    """In ssh's words."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        text = refusal({**machine.by_ssh, "DOCKER_HOST": f"ssh://127.0.0.1:{port}"})
    assert f"why: ssh: connect to host 127.0.0.1 port {port}: Connection refused" in text


def test_nothing_is_left_of_a_refusal(machine: Machine) -> None:
    """No process, no folder."""
    before = set(Path(os.environ.get("TMPDIR", "/tmp")).glob("dockerci-ssh-*"))  # noqa: S108
    refusal({**machine.by_ssh, "DOCKER_HOST": f"ssh://root@127.0.0.1:{machine.port(22)}/nowhere"})
    after = set(Path(os.environ.get("TMPDIR", "/tmp")).glob("dockerci-ssh-*"))  # noqa: S108
    assert after - before == set()


@pytest.fixture
def certificates(machine: Machine, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(machine.folder / "certificates", tmp_path / "certificates"))


def test_tls_that_is_not_trusted(machine: Machine, certificates: Path) -> None:
    """Another authority, another name, no certificate of ours, no TLS at all, no files."""
    port = machine.port(2376)
    variables = {**machine.by_tls, "DOCKER_CERT_PATH": str(certificates)}
    text = refusal({**variables, "DOCKER_HOST": f"tcp://localhost:{port}"})
    assert text.startswith(f"no Docker Engine answers at tcp://localhost:{port} (DOCKER_HOST)\n")
    assert "why: its certificate is refused: Hostname mismatch" in text
    (certificates / "cert.pem").rename(certificates / "kept.pem")
    assert "why: it refuses our certificate: TLSV13_ALERT_CERTIFICATE_REQUIRED" in refusal(variables)
    (certificates / "kept.pem").rename(certificates / "cert.pem")
    (certificates / "key.pem").unlink()
    assert f"why: {certificates} has no key.pem\n" in refusal(variables)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x"),
            *("-keyout", certificates / "key.pem", "-out", certificates / "ca.pem"),
        ],
        capture_output=True,
        check=True,
    )
    shutil.copy(certificates / "ca.pem", certificates / "cert.pem")
    assert "why: its certificate is refused: " in refusal(variables)
    (certificates / "ca.pem").unlink()
    assert f"why: {certificates} has no ca.pem\n" in refusal(variables)


def test_the_engines_own_authority_counts(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever authorities the environment names for the web."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    connected = connect_engine({**os.environ, **machine.by_tls})
    assert connected.client.info()["Name"] == machine.name
    connected.client.close()


def test_a_port_that_speaks_no_tls(machine: Machine) -> None:
    """ssh's, for instance."""
    text = refusal({**machine.by_tls, "DOCKER_HOST": f"tcp://127.0.0.1:{machine.port(22)}"})
    assert "why: it does not speak TLS at this port" in text


def test_plain_tcp(engine: Engine) -> None:
    """Refused, and used where it is allowed."""
    address = socket.gethostbyname(socket.gethostname())
    if address.startswith("127."):
        address = "0.0.0.0"  # noqa: S104 - as good as any other that is not loopback
    with socket.create_server((address, 0)) as listener:
        host = f"tcp://{address}:{listener.getsockname()[1]}"
        text = refusal({"DOCKER_HOST": host}, SettingsError)
        assert text.startswith(f"the engine at {host} (DOCKER_HOST) is not spoken to in clear\n")
        threading.Thread(target=_forward, args=(listener, engine), daemon=True).start()
        plain = connect_engine({**os.environ, "DOCKER_HOST": host}, frozenset({"plain-tcp"}))
        assert plain.id == engine.id
        plain.client.close()


def _forward(listener: socket.socket, engine: Engine) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(near, engine), daemon=True).start()


def _carry(near: socket.socket, engine: Engine) -> None:
    with near, socket.socket(socket.AF_UNIX) as far, suppress(OSError):
        far.connect(engine.target.url.removeprefix("unix://"))
        while readable := select.select([near, far], [], [], 30)[0]:
            for source, target in ((near, far), (far, near)):
                if source in readable:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    target.sendall(data)
