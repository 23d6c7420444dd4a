"""Plain and encrypted sockets to an engine."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pytest_dockerci.engine.endpoint import Endpoint

_PLAIN_PORT = 2375
_TLS_PORT = 2376


def is_encrypted(target: Endpoint) -> bool:
    """TLS is spoken with it."""
    return target.scheme not in ("unix", "npipe") and (
        target.certificates is not None or target.scheme == "https"
    )


def open_socket(target: Endpoint, timeout_seconds: float) -> socket.socket:
    """A connection to an engine, after the handshake where it speaks TLS.

    Args:
        target: Where it listens.
        timeout_seconds: For connecting, for the handshake, and of the socket from then on.

    Raises:
        OSError: It does not listen, or may not be spoken to. `ssl.SSLError` is one as well.
    """
    parts = urlsplit(target.url)
    if target.scheme == "unix":
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(timeout_seconds)
        try:
            plain.connect(parts.path)
        except BaseException:
            plain.close()
            raise
        return plain
    port = parts.port or (_TLS_PORT if is_encrypted(target) else _PLAIN_PORT)
    plain = socket.create_connection((parts.hostname or "localhost", port), timeout_seconds)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not is_encrypted(target):
        return plain
    try:
        return tls_context(target).wrap_socket(plain, server_hostname=parts.hostname)
    except BaseException:
        plain.close()
        raise


def tls_context(target: Endpoint) -> ssl.SSLContext:
    """How TLS is spoken with an engine: both sides show a certificate, and the name has to be right.

    Raises:
        OSError: A certificate file is missing or is none.
    """
    folder = target.certificates
    authorities = folder / "ca.pem" if folder and target.verify else None
    context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    if not target.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if folder and (folder / "cert.pem").exists():
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    return context
