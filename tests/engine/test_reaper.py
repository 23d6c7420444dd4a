"""Where the reaper finds the engine's socket."""

from __future__ import annotations

import pytest

from pytest_dockerci.engine.reaper import SOCKET, sockets_on_engine


@pytest.mark.parametrize(
    ("url", "platform", "paths"),
    [
        ("unix:///var/run/docker.sock", "linux", (SOCKET,)),
        ("unix:///run/user/1000/docker.sock", "linux", ("/run/user/1000/docker.sock", SOCKET)),
        ("unix:///tmp/tunnel.sock", "linux", ("/tmp/tunnel.sock", SOCKET)),  # noqa: S108 - a tunnel's end
        ("unix:///Users/ada/.docker/run/docker.sock", "darwin", (SOCKET,)),
        ("tcp://build.example:2376", "linux", (SOCKET,)),
        ("ssh://me@build.example", "linux", (SOCKET,)),
        ("ssh://build.example/run/user/7/docker.sock", "darwin", ("/run/user/7/docker.sock", SOCKET)),
    ],
)
def test_where_the_engine_has_its_socket(url: str, platform: str, paths: tuple[str, ...]) -> None:
    """Here, where that is the engine's machine; else where engines have it."""
    assert sockets_on_engine(url, platform) == paths
