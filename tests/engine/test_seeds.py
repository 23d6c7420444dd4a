"""What a seed comes from, and what a restored container is created from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dockerci.engine.restoring import creation_of
from pytest_dockerci.engine.seed_inputs import Seed, seed_of
from pytest_dockerci.errors import SettingsError


def seed(root: Path, **changes: Any) -> Seed:
    """The seed of a database; `image_id` is its image, all else its definition."""
    image_id = str(changes.pop("image_id", "sha256:1"))
    definition = {
        "image": "postgres:17",
        "environment": {"POSTGRES_PASSWORD": "secret"},
        "volumes": [{"type": "bind", "source": str(root / "schema"), "target": "/schema"}],
        "configs": [{"source": "tuning", "target": "/etc/tuning"}],
        "x-dockerci": {"seed": "psql -f /schema/x.sql", "seed_inputs": [str(root / "migrations")]},
    }
    model = {
        "services": {"db": {**definition, **changes}},
        "configs": {"tuning": {"file": str(root / "tuning.conf")}},
    }
    found = seed_of(model, "db", image_id, "dockerci-seed/shop-1-db")
    assert found is not None
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files that the seed comes from."""
    for name in ("schema/x.sql", "migrations/0001.py", "tuning.conf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": "sha256:2"},
        {"environment": {"POSTGRES_PASSWORD": "other"}},
        {"command": ["-c", "fsync=off"]},
        {"x-dockerci": {"seed": "psql -f /schema/y.sql"}},
        {"volumes": []},
    ],
)
def test_what_makes_another_seed(root: Path, change: dict[str, Any]) -> None:
    """Image, environment, command, volumes, the seed's own command."""
    assert seed(root, **change).reference != seed(root).reference


@pytest.mark.parametrize("name", ["schema/x.sql", "migrations/0001.py", "tuning.conf"])
def test_which_files_make_another_seed(root: Path, name: str) -> None:
    """What is mounted, configurations, and what the service names; changed, gone or added."""
    before = seed(root).reference
    (root / name).write_text("after")
    assert seed(root).reference != before
    (root / name).unlink()
    assert seed(root).reference != before


@pytest.mark.parametrize(
    "change",
    [
        {"healthcheck": {"test": ["CMD", "true"]}},
        {"ports": [{"target": 5432}]},
        {"depends_on": {"x": {}}},
        {"x-dockerci": {"seed": "psql -f /schema/x.sql", "reset": "true"}},
    ],
)
def test_what_makes_no_other_seed(root: Path, change: dict[str, Any]) -> None:
    """What does not decide what is in the volumes."""
    inputs = {"seed_inputs": [str(root / "migrations")]}
    if "x-dockerci" in change:
        change = {"x-dockerci": {**change["x-dockerci"], **inputs}}
    assert seed(root, **change).reference == seed(root).reference


@pytest.mark.parametrize(
    ("said", "command"), [(True, ()), ("psql -c 'x y'", ("psql", "-c", "x y")), (["a", "b$$c"], ("a", "b$c"))]
)
def test_the_command(root: Path, said: Any, command: tuple[str, ...]) -> None:
    """A text, a list, or nothing to do once the service is ready."""
    assert seed(root, **{"x-dockerci": {"seed": said}}).command == command


@pytest.mark.parametrize("said", ["psql -c 'open", [], [1], {"a": 1}])
def test_a_command_that_cannot_be_run(root: Path, said: Any) -> None:
    """Is told with the service."""
    with pytest.raises(
        SettingsError, match="the service 'db' has a command in x-dockerci that cannot be run"
    ):
        seed(root, **{"x-dockerci": {"seed": said}})


def test_a_container_like_another() -> None:
    """Everything but what was its own: host name, alias of its id, addresses that it was given."""
    inspected = {
        "Id": "0123456789abcdef",
        "Config": {"Hostname": "0123456789ab", "Image": "x", "Labels": {"a": "b"}, "Env": ["A=1"]},
        "HostConfig": {"NetworkMode": "net", "Mounts": []},
        "NetworkSettings": {
            "Networks": {
                "net": {
                    "Aliases": ["db", "0123456789ab"],
                    "IPAMConfig": None,
                    "IPAddress": "172.18.0.2",
                    "Links": None,
                }
            }
        },
    }
    assert creation_of(inspected) == {
        "Image": "x",
        "Labels": {"a": "b"},
        "Env": ["A=1"],
        "HostConfig": {"NetworkMode": "net", "Mounts": []},
        "NetworkingConfig": {
            "EndpointsConfig": {
                "net": {"Aliases": ["db"], "IPAMConfig": None, "Links": None, "DriverOpts": None}
            }
        },
    }
    named = {**inspected, "Config": {"Hostname": "db.example"}}
    assert creation_of(named)["Hostname"] == "db.example"
