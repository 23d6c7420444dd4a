"""A real registry of a test's own, Debian's ``docker-registry``, on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = "docker-registry"
_START_SECONDS = 20.0
_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: 127.0.0.1:{port}
  secret: not-one
{tls}{auth}"""
_AUTH = """\
auth:
  htpasswd: {{realm: test, path: {file}}}
"""
_TLS = """\
  tls: {{certificate: {certificate}, key: {key}}}
"""
USER = "builder"
PASSWORD = "correct-horse-battery"  # noqa: S105 - of a registry that lives for one test
# bcrypt of that password, cost 4.
HTPASSWD = "builder:$2b$04$abcdefghijklmnopqrstuupOWRSKKNe562z1DsLEArFuJDHVyRIMa"


def require() -> None:
    """Skip where there is no registry, or fail where the bootstrap has brought one."""
    if shutil.which(PROGRAM) is None:
        if os.environ.get("DOCKERCI_TEST_REQUIRE_REGISTRY") == "1":
            pytest.fail(f"DOCKERCI_TEST_REQUIRE_REGISTRY=1, but there is no {PROGRAM} on PATH")
        pytest.skip(f"there is no {PROGRAM} on PATH; `python3 -m bootstrap --images test` brings one")


@contextlib.contextmanager
def running_registry(
    folder: Path, *, has_password: bool = False, certificate: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """A registry; yields ``127.0.0.1:PORT``.

    Args:
        folder: Takes its storage.
        has_password: It asks for `USER` and `PASSWORD`.
        certificate: It speaks TLS with this one, and its key.
    """
    require()
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "htpasswd").write_text(f"{HTPASSWD}\n")
    auth = _AUTH.format(file=folder / "htpasswd") if has_password else ""
    tls = _TLS.format(certificate=certificate[0], key=certificate[1]) if certificate else ""
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=port, tls=tls, auth=auth))
    with (folder / "registry.log").open("ab") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", str(folder / "config.yml")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        address = f"127.0.0.1:{port}"
        _wait(address, process, folder / "registry.log")
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return  # it wants a password, or TLS
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody has signed but itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
