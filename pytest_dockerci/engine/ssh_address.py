"""What an ``ssh://`` address says, and what `ssh` says when it does not get there. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from pytest_dockerci.errors import EngineUnreachableError

SOCKET_THERE = "/var/run/docker.sock"
_CONNECT_SECONDS = 10
# A connection on which nothing comes back ends after three of these: 15 s.
_ALIVE_SECONDS = 5
_ALIVE_COUNT = 3
_FORM = "write ssh://USER@HOST, ssh://USER@HOST:PORT or ssh://USER@HOST/path/of/docker.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAddress:
    """An engine's socket on a machine that `ssh` reaches.

    Attributes:
        host: As the user's ``~/.ssh/config`` may know it.
        user: Empty for what ssh takes by itself.
        port: None for what ssh takes by itself.
        socket_path: Of the engine, on that machine.
    """

    host: str
    user: str = ""
    port: int | None = None
    socket_path: str = SOCKET_THERE

    @property
    def login(self) -> str:
        """As a person would write it after ``ssh``."""
        port = f"-p {self.port} " if self.port else ""
        return f"{port}{self.user}{'@' if self.user else ''}{self.host}"


def parse_ssh_address(url: str, shown: str) -> SshAddress:
    """The parts of an address.

    Args:
        url: ``ssh://[user@]host[:port][/path/of/the/socket]``.
        shown: How messages call it.

    Raises:
        EngineUnreachableError: It is none, or holds a password.

    Source: the form is that of Docker's command line (docker/cli, ``cli/connhelper/ssh``).
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _malformed(shown, str(error)) from error
    host, user = parts.hostname or "", parts.username or ""
    if not host:
        raise _malformed(shown, "it names no host")
    if parts.password is not None:
        raise _malformed(shown, "it holds a password, which ssh takes from nobody's command line")
    if host.startswith("-") or user.startswith("-"):
        raise _malformed(shown, "neither host nor user may begin with a dash")
    if parts.query or parts.fragment:
        raise _malformed(shown, "it has a part after ? or #")
    # `hostname` is in lower case; host patterns of ssh's configuration are not.
    written = re.sub(r"^.*@|:\d*$|[\[\]]", "", parts.netloc)
    return SshAddress(
        host=written,
        user=user,
        port=port,
        socket_path=parts.path if parts.path not in ("", "/") else SOCKET_THERE,
    )


def _malformed(shown: str, why: str) -> EngineUnreachableError:
    return EngineUnreachableError(f"the address {shown} cannot be used", why=why, fix=_FORM)


def ssh_argv(address: SshAddress, socket_here: str) -> list[str]:
    """The command that forwards the engine's socket to one of ours.

    The user's own configuration counts for all but what an unattended program needs: it asks nothing, trusts
    only hosts that are known, shares no connection that somebody else may end, and notices a dead one.

    Args:
        address: The engine.
        socket_here: Path of the socket to make.

    Source: ``ssh(1)`` and ``ssh_config(5)`` of OpenSSH 9.2; options given first win over the configuration.
    """
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": _CONNECT_SECONDS,
        "ServerAliveInterval": _ALIVE_SECONDS,
        "ServerAliveCountMax": _ALIVE_COUNT,
        "ControlMaster": "no",
        "ControlPath": "none",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "StreamLocalBindMask": "0177",
        # A forwarding of the user's own configuration may be in use already.
        "ExitOnForwardFailure": "no",
        # At a lower one ssh does not say why a forwarded connection is refused.
        "LogLevel": "INFO",
    }
    argv = ["ssh", "-N", "-T"]
    argv += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv += ["-L", f"{socket_here}:{address.socket_path}"]
    argv += ["-l", address.user] if address.user else []
    argv += ["-p", str(address.port)] if address.port else []
    return [*argv, "--", address.host]


def ssh_failure(address: SshAddress, shown: str, said: str) -> EngineUnreachableError:
    """The error for an `ssh` that did not get to the engine.

    Args:
        address: Where it was to go.
        shown: How messages call it.
        said: What it printed.
    """
    what = f"no Docker Engine answers at {shown}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    why = lines[-1] if lines else "ssh ended without a word"
    login = f"ssh {address.login}"
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in said:
        return EngineUnreachableError(
            what,
            why="the host's key is not the one that is known: another machine, or one that was made anew",
            fix=f"ask its owner; if that is right: `ssh-keygen -R {_known_name(address)}`, then `{login}` once",
        )
    if "Host key verification failed" in said:
        unknown = next((line for line in lines if "host key is known" in line), why)
        return EngineUnreachableError(
            what,
            why=unknown,
            fix=f"`{login}` once, compare the fingerprint with the one its owner gives you, and accept it; "
            "in CI, put the key into ~/.ssh/known_hosts",
        )
    if "Permission denied (" in said:
        return EngineUnreachableError(
            what,
            why=why,
            fix=f"`{login} true` must work without a question: "
            "`ssh-add` your key, or name it in ~/.ssh/config (IdentityFile)",
        )
    if refused := [line for line in lines if "open failed: " in line]:
        return _refused(address, what, refused[-1])
    return EngineUnreachableError(what, why=why, fix=f"`{login} docker version` must work in the same shell")


def _refused(address: SshAddress, what: str, line: str) -> EngineUnreachableError:
    if "administratively prohibited" in line:
        return EngineUnreachableError(
            what,
            why=f"its ssh server does not forward sockets ({line})",
            fix="in its sshd_config: AllowStreamLocalForwarding yes",
        )
    return EngineUnreachableError(
        what,
        why=f"ssh got there, and could not open {address.socket_path} ({line})",
        fix=f"`ssh {address.login} docker version` must work: is dockerd running, is the user in the group docker? "
        "A socket elsewhere is named like ssh://USER@HOST/run/user/1000/docker.sock",
    )


def _known_name(address: SshAddress) -> str:
    return f"'[{address.host}]:{address.port}'" if address.port else address.host
