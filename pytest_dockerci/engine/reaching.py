"""Gets to an engine: through a tunnel where it has to, and with the system's own words where it cannot."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions
from docker.tls import TLSConfig

from pytest_dockerci.engine.api import CALL_TIMEOUT_SECONDS, Client, EngineLostError
from pytest_dockerci.engine.endpoint import Endpoint
from pytest_dockerci.engine.ssh_tunnel import SshTunnel
from pytest_dockerci.engine.transport import is_encrypted, open_socket
from pytest_dockerci.errors import EngineUnreachableError

_CONNECT_TIMEOUT_SECONDS = 4
_POOL_SIZE = 64
_ASK = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
_SCHEMES = ("unix", "tcp", "http", "https", "npipe")


def open_client(named: Endpoint, environ: Mapping[str, str]) -> tuple[Client, Endpoint, SshTunnel | None]:
    """The SDK's client for an engine, and where that engine is reached from here.

    Args:
        named: What the user named.
        environ: The host's environment.

    Returns:
        The client, which ends the tunnel when it is closed; the near end of the tunnel, or `named` itself; and
        the tunnel, where there is one.

    Raises:
        EngineUnreachableError: It does not answer.
    """
    if named.scheme != "ssh":
        return _connect(named, None), named, None
    tunnel = SshTunnel(named, environ)
    tunnel.open()
    try:
        return _connect(tunnel.near_end, tunnel), tunnel.near_end, tunnel
    except BaseException:
        tunnel.close()
        raise


def _connect(target: Endpoint, tunnel: SshTunnel | None) -> Client:
    if target.scheme not in _SCHEMES:
        raise EngineUnreachableError(
            f"the engine at {target.shown} cannot be reached",
            why=f"{target.scheme}:// addresses are not supported",
            fix="name it as unix:///SOCKET, ssh://USER@HOST or tcp://HOST:PORT",
        )
    try:
        _knock(target)
    except OSError as error:
        raise _unreachable(target, error) if tunnel is None else tunnel.refusal() from error
    try:
        client = Client(
            target.shown,
            tunnel,
            base_url=target.url,
            version="auto",
            timeout=_CONNECT_TIMEOUT_SECONDS,
            tls=_tls(target),
            max_pool_size=_POOL_SIZE,
        )
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise _unreachable(target, error) from error
    client.api.timeout = CALL_TIMEOUT_SECONDS
    return client


def _knock(target: Endpoint) -> None:
    """Have it answer once: the system's own error says more than the SDK's, which also leaks its socket.

    Raises:
        OSError: Nobody listens, or may be spoken to.
    """
    if target.scheme == "npipe":
        return
    with open_socket(target, _CONNECT_TIMEOUT_SECONDS) as knocking:
        # Of our certificate, and of the far end of a tunnel, the first answer is the first word.
        if is_encrypted(target) or target.tunnel_to is not None:
            knocking.sendall(_ASK)
            if not knocking.recv(1):
                raise ConnectionError("it hung up")


def _tls(target: Endpoint) -> TLSConfig | bool:
    folder = target.certificates
    if folder is None:
        return target.scheme == "https"
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return TLSConfig(
        client_cert=pair if Path(pair[0]).exists() else None,
        ca_cert=str(folder / "ca.pem") if target.verify else None,
        verify=target.verify,
    )


def _unreachable(target: Endpoint, error: Exception) -> EngineUnreachableError:
    what = f"no Docker Engine answers at {target.shown}"
    if is_encrypted(target) and (refused := _tls_refusal(target, what, error)):
        return refused
    match error:
        case PermissionError():
            return EngineUnreachableError(
                f"the Docker Engine at {target.shown} may not be used",
                why="permission denied on its socket",
                fix="`sudo usermod -aG docker $USER` and log in again, or use rootless Docker",
            )
        case FileNotFoundError():
            return EngineUnreachableError(
                what,
                why=f"there is no socket {urlsplit(target.url).path}",
                fix="install Docker Engine and start it (Docker Desktop: open it); "
                "`docker context ls` shows where others listen",
            )
        case ConnectionRefusedError():
            return EngineUnreachableError(
                what, why="connection refused", fix="start it; is `dockerd` running?"
            )
        case _:
            # The SDK quotes whole texts of ours within its own.
            cause = error.__context__
            why = cause.why if isinstance(cause, EngineLostError) else str(error)
            return EngineUnreachableError(what, why=why, fix="`docker version` must work in the same shell")


def _tls_refusal(target: Endpoint, what: str, error: Exception) -> EngineUnreachableError | None:
    """The error where the two do not trust each other; None where it is something else."""
    folder = target.certificates
    match error:
        case FileNotFoundError():
            missing = [name for name in ("ca.pem", "key.pem") if folder and not (folder / name).exists()]
            return EngineUnreachableError(
                what,
                why=f"{folder} has no {' and no '.join(missing) or 'certificates'}",
                fix="DOCKER_CERT_PATH is the folder with ca.pem, cert.pem and key.pem",
            )
        case ssl.SSLCertVerificationError():
            return EngineUnreachableError(
                what,
                why=f"its certificate is refused: {error.verify_message or error.reason}",
                fix=f"compare it with {folder / 'ca.pem' if folder else 'the system authorities'}: "
                "authority, dates, and the name in the address",
            )
        case ssl.SSLError() if "WRONG_VERSION" in str(error) or "HTTP_REQUEST" in str(error):
            return EngineUnreachableError(
                what, why="it does not speak TLS at this port", fix="use the engine's TLS port, usually 2376"
            )
        case ssl.SSLError() if "ALERT" in str(error):
            return EngineUnreachableError(
                what,
                why=f"it refuses our certificate: {error.reason}",
                fix=f"{folder / 'cert.pem' if folder else 'the certificate'} must be signed by the authority "
                "that its dockerd has as --tlscacert",
            )
        case _:
            return None
