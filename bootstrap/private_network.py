"""A network namespace for a second engine: two engines in one would remove each other's firewall rules.

Whatever runs inside sees the engine's published ports on its own 127.0.0.1, so the tests run inside as well.
Packets leave through a pair of virtual interfaces and the machine's address translation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bootstrap.steps import BootstrapError, read_output

NAMESPACE = "dockerci-newest"
_OUTER, _INNER = "dockerci-outer", "dockerci-inner"  # 15 characters at most: the kernel's limit
_OUTER_ADDRESS, _INNER_ADDRESS, _NETWORK = "10.231.77.1", "10.231.77.2", "10.231.77.0/30"
_RULES = (
    ("nat", "POSTROUTING", ("-s", _NETWORK, "!", "-o", _OUTER, "-j", "MASQUERADE")),
    ("filter", "FORWARD", ("-i", _OUTER, "-j", "ACCEPT")),
    ("filter", "FORWARD", ("-o", _OUTER, "-j", "ACCEPT")),
)


def enter_argv() -> list[str]:
    """What stands before a command that is to run inside."""
    return ["nsenter", f"--net=/run/netns/{NAMESPACE}", "--"]


def make_commands() -> list[list[str]]:
    """The commands that make the namespace and connect it, in order."""
    inside = ["ip", "-netns", NAMESPACE]
    return [
        ["ip", "netns", "add", NAMESPACE],
        ["ip", "link", "add", _OUTER, "type", "veth", "peer", "name", _INNER, "netns", NAMESPACE],
        ["ip", "address", "add", f"{_OUTER_ADDRESS}/30", "dev", _OUTER],
        ["ip", "link", "set", _OUTER, "up"],
        [*inside, "address", "add", f"{_INNER_ADDRESS}/30", "dev", _INNER],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "link", "set", _INNER, "up"],
        [*inside, "route", "add", "default", "via", _OUTER_ADDRESS],
        *(["iptables", "--wait", "-t", table, "-I", chain, *rule] for table, chain, rule in _RULES),
    ]


def remove_commands() -> list[list[str]]:
    """The commands that take it all away; the inner interface goes with the outer one."""
    return [
        *(["iptables", "--wait", "-t", table, "-D", chain, *rule] for table, chain, rule in _RULES),
        ["ip", "link", "delete", _OUTER],
        ["ip", "netns", "delete", NAMESPACE],
    ]


@contextmanager
def private_network() -> Iterator[None]:
    """Have the namespace for as long as the block lasts; what a killed run left is taken away first.

    Raises:
        BootstrapError: The kernel or a missing program refused.
    """
    _remove()
    try:
        for argv in make_commands():
            done = read_output(argv)
            if done.returncode:
                raise BootstrapError(
                    "no network could be made for the newest engine",
                    why=f"{' '.join(argv)}: {done.stderr.strip()}",
                    fix="this leg needs root, iproute2, iptables and a kernel with network namespaces",
                )
        yield
    finally:
        _remove()


def _remove() -> None:
    """Take away what is there; what is not is no fault."""
    for argv in remove_commands():
        read_output(argv)
