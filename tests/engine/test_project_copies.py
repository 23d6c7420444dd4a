"""Bind mounts on an engine elsewhere: what is copied, what takes its place, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dockerci.engine.compose_lines import mount_line
from pytest_dockerci.engine.project_copies import Bind, find_binds, with_volumes

ROOT = Path("/project")


def model() -> dict[str, Any]:
    """As Compose resolves it."""
    return {
        "services": {
            "web": {
                "volumes": [
                    {"type": "bind", "source": "/project/conf", "target": "/etc/app", "read_only": True},
                    {"type": "volume", "source": "data", "target": "/data"},
                    {
                        "type": "bind",
                        "source": "/project/init.sql",
                        "target": "/init.sql",
                        "bind": {"create_host_path": False},
                    },
                    {"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"},
                ],
                "secrets": [
                    {"source": "password"},
                    {"source": "key", "target": "/etc/key"},
                    {"source": "env"},
                ],
                "configs": [{"source": "motd", "target": "/etc/motd"}],
            },
            "db": {"image": "db"},
        },
        "secrets": {
            "password": {"file": "/project/password"},
            "key": {"file": "/project/key"},
            "env": {"environment": "X"},
        },
        "configs": {"motd": {"file": "/project/motd"}},
        "volumes": {"data": {}},
    }


def test_files_of_secrets_and_configs_are_bind_mounts_as_well() -> None:
    """The engine's own socket is none, nor are secrets from the environment, which Compose copies in."""
    found = find_binds(model(), "web")
    assert [(str(bind.source), bind.target, bind.is_read_only, bind.must_exist) for bind in found] == [
        ("/project/conf", "/etc/app", True, False),
        ("/project/init.sql", "/init.sql", False, True),
        ("/project/password", "/run/secrets/password", True, True),
        ("/project/key", "/etc/key", True, True),
        ("/project/motd", "/etc/motd", True, True),
    ]
    assert found[0] == Bind(
        service="web", source=ROOT / "conf", target="/etc/app", is_read_only=True, must_exist=False
    )
    assert find_binds(model(), "db") == []


def test_volumes_take_the_place_of_bind_mounts() -> None:
    """With the same targets; all else stays."""
    data = model()
    volumes = {
        bind.source: {"type": "volume", "source": bind.source.name, "volume": {}}
        for bind in find_binds(data, "web")
    }
    with_volumes(data, "web", volumes)
    web = data["services"]["web"]
    assert [(volume["type"], volume["source"], volume["target"]) for volume in web["volumes"]] == [
        ("volume", "data", "/data"),
        ("bind", "/var/run/docker.sock", "/var/run/docker.sock"),
        ("volume", "conf", "/etc/app"),
        ("volume", "init.sql", "/init.sql"),
        ("volume", "password", "/run/secrets/password"),
        ("volume", "key", "/etc/key"),
        ("volume", "motd", "/etc/motd"),
    ]
    assert [volume.get("read_only", False) for volume in web["volumes"][2:]] == [
        True,
        False,
        True,
        True,
        True,
    ]
    assert web["secrets"] == [{"source": "env"}]
    assert web["configs"] == []
    with_volumes(data, "db", {})
    assert data["services"]["db"] == {"image": "db"}


@pytest.mark.parametrize(
    ("target", "line"),
    [("/etc/app", 6), ("/etc/hosts", 7), ("/long", 8), ("/data", 11)],
)
def test_a_mount_is_found_in_either_form(tmp_path: Path, target: str, line: int) -> None:
    """The line where it stands, whatever tags are around it."""
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n"
        "  db: {image: x}\n"
        "  web:\n"
        "    ports: !override []\n"
        "    volumes:\n"
        "      - ./conf:/etc/app:ro\n"
        "      - /etc/hosts:/etc/hosts\n"
        "      - type: bind\n"
        "        source: /x\n"
        "        target: /long\n"
        '      - "data:/data"\n'
    )
    assert mount_line([file], "web", target) == f"{file}:{line}"


def test_later_files_count_first_and_what_is_not_found_names_the_files(tmp_path: Path) -> None:
    """As Compose merges them; a broken one cannot be asked."""
    first, second, broken = (tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml"))
    first.write_text("services: {web: {volumes: ['./a:/x']}}\n")
    second.write_text("services:\n  web: {volumes: ['./b:/x']}\n")
    broken.write_text("services: [")
    assert mount_line([first, second, broken], "web", "/x") == f"{second}:2"
    assert mount_line([first], "web", "/y") == str(first)
    assert mount_line([], "web", "/y") == "the Compose files"
