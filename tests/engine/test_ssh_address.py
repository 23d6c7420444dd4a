"""What an ssh address says, and what becomes of ssh's own words."""

from __future__ import annotations

import pytest

from pytest_dockerci.engine.ssh_address import SshAddress, parse_ssh_address, ssh_argv, ssh_failure
from pytest_dockerci.errors import EngineUnreachableError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://far", SshAddress(host="far")),
        ("ssh://Far.Example", SshAddress(host="Far.Example")),
        ("ssh://me@far/", SshAddress(host="far", user="me")),
        ("ssh://me@far:2222", SshAddress(host="far", user="me", port=2222)),
        ("ssh://[fe80::1]:22", SshAddress(host="fe80::1", port=22)),
        ("ssh://[fe80::1]", SshAddress(host="fe80::1")),
        ("ssh://far/run/user/7/docker.sock", SshAddress(host="far", socket_path="/run/user/7/docker.sock")),
    ],
)
def test_an_address_is_read_as_dockers_command_line_reads_it(url: str, address: SshAddress) -> None:
    """User, host as it is written, port, path of the socket."""
    assert parse_ssh_address(url, url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ssh://", "it names no host"),
        ("ssh://me@", "it names no host"),
        ("ssh://me:pw@far", "it holds a password, which ssh takes from nobody's command line"),
        ("ssh://-oProxyCommand=x", "neither host nor user may begin with a dash"),
        ("ssh://-l@far", "neither host nor user may begin with a dash"),
        ("ssh://far?x", "it has a part after ? or #"),
        ("ssh://far:port", "Port could not be cast to integer value as 'port'"),
    ],
)
def test_what_is_no_address_is_said(url: str, why: str) -> None:
    """With the form that one has."""
    with pytest.raises(EngineUnreachableError) as caught:
        parse_ssh_address(url, "ssh://shown (DOCKER_HOST)")
    assert str(caught.value) == (
        "the address ssh://shown (DOCKER_HOST) cannot be used\n"
        f"  why: {why}\n"
        "  try: write ssh://USER@HOST, ssh://USER@HOST:PORT or ssh://USER@HOST/path/of/docker.sock"
    )


def test_ssh_is_strict_and_asks_nothing() -> None:
    """And the host is never taken for an option."""
    argv = ssh_argv(SshAddress(host="far", user="me", port=22), "/tmp/x/docker.sock")  # noqa: S108
    assert argv[:3] == ["ssh", "-N", "-T"]
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ControlPath=none"} <= set(argv)
    assert argv[-8:] == [
        *("-L", "/tmp/x/docker.sock:/var/run/docker.sock"),  # noqa: S108
        *("-l", "me", "-p", "22", "--", "far"),
    ]


@pytest.mark.parametrize(
    ("said", "why", "fix"),
    [
        (
            (
                "No ED25519 host key is known for [far]:22 and you have requested strict checking.\r\n"
                "Host key verification failed.\r\n"
            ),
            "No ED25519 host key is known for [far]:22 and you have requested strict checking.",
            (
                "`ssh -p 22 me@far` once, compare the fingerprint with the one its owner gives you, and accept it; "
                "in CI, put the key into ~/.ssh/known_hosts"
            ),
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n",
            "the host's key is not the one that is known: another machine, or one that was made anew",
            "ask its owner; if that is right: `ssh-keygen -R '[far]:22'`, then `ssh -p 22 me@far` once",
        ),
        (
            "me@far: Permission denied (publickey).\n",
            "me@far: Permission denied (publickey).",
            (
                "`ssh -p 22 me@far true` must work without a question: "
                "`ssh-add` your key, or name it in ~/.ssh/config (IdentityFile)"
            ),
        ),
        (
            "channel 1: open failed: administratively prohibited: open failed\n",
            (
                "its ssh server does not forward sockets "
                "(channel 1: open failed: administratively prohibited: open failed)"
            ),
            "in its sshd_config: AllowStreamLocalForwarding yes",
        ),
        (
            "channel 1: open failed: connect failed: open failed\n",
            (
                "ssh got there, and could not open /var/run/docker.sock "
                "(channel 1: open failed: connect failed: open failed)"
            ),
            (
                "`ssh -p 22 me@far docker version` must work: is dockerd running, is the user in the group docker? "
                "A socket elsewhere is named like ssh://USER@HOST/run/user/1000/docker.sock"
            ),
        ),
        (
            "ssh: connect to host far port 22: Connection refused\n",
            "ssh: connect to host far port 22: Connection refused",
            "`ssh -p 22 me@far docker version` must work in the same shell",
        ),
        ("", "ssh ended without a word", "`ssh -p 22 me@far docker version` must work in the same shell"),
    ],
)
def test_each_refusal_has_one_clear_text(said: str, why: str, fix: str) -> None:
    """What, where, why in ssh's words, and what to try."""
    error = ssh_failure(SshAddress(host="far", user="me", port=22), "ssh://me@far:22 (DOCKER_HOST)", said)
    assert (
        str(error) == f"no Docker Engine answers at ssh://me@far:22 (DOCKER_HOST)\n  why: {why}\n  try: {fix}"
    )
