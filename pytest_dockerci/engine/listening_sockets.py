"""On which ports a container listens, as the kernel of this machine tells it: no program is started for that."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
_WORD_DIGITS = 8


def listening_ports(pid: int, container_id: str, proc: Path = _PROC) -> frozenset[int] | None:
    """The TCP ports on which something in a container takes connections from others.

    Args:
        pid: Its first process, as the engine says.
        container_id: The container: the process has to be in its control group, whoever else has that number here.
        proc: Where the kernel tells it.

    Returns:
        The ports; None where this machine does not know the process: the engine is in a virtual machine, or this
        process in a container.

    Source: proc_pid_net(5); each process's files are those of its network.
    """
    process = proc / str(pid)
    try:
        if not container_id or container_id not in (process / "cgroup").read_text(encoding="utf-8"):
            return None
        return parse_sockets((process / "net/tcp").read_text("ascii")) | _of_six(process)
    except (OSError, ValueError):
        return None


def _of_six(process: Path) -> frozenset[int]:
    try:
        text = (process / "net/tcp6").read_text("ascii")
    except FileNotFoundError:  # a kernel without IPv6
        return frozenset()
    return parse_sockets(text)


def parse_sockets(text: str) -> frozenset[int]:
    """The ports of ``/proc/net/tcp`` or ``tcp6`` that take connections from others than the machine itself. Pure.

    Raises:
        ValueError: It is something else.
    """
    ports = set()
    for line in text.splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        address, _, port = local.partition(":")
        if state == _LISTEN and not _is_loopback(address):
            ports.add(int(port, 16))
    return frozenset(ports)


def _is_loopback(digits: str) -> bool:
    # Words in the byte order of the machine.
    words = [digits[at : at + _WORD_DIGITS] for at in range(0, len(digits), _WORD_DIGITS)]
    address = ipaddress.ip_address(b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words))
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
