"""Pushes from an engine with the containerd image store, where an image's id is its manifest's or its index's."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import private_engine
from port_relay import relayed
from private_engine import running_engine
from pytest_dockerci.engine.push import push_image
from registry_process import running_registry

from .engine_project import RecordedProgress
from .test_push import plan_for

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

pytestmark = [
    pytest.mark.engine,
    pytest.mark.soak,
    pytest.mark.skipif(bool(private_engine.needs()), reason=private_engine.needs()),
]


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Engine, str]]:
    """Such an engine, and a registry that it reaches."""
    from pytest_dockerci.engine.client import connect_engine  # noqa: PLC0415 - most tests need no engine

    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (
            running_registry(folder / "registry") as address,
            running_engine(folder, features={"containerd-snapshotter": True}) as private,
            relayed(int(address.rpartition(":")[2]), private.pid, folder),
        ):
            engine = connect_engine({**os.environ, **private.environ})
            yield engine, address
            engine.client.close()


@pytest.mark.parametrize("provenance", ["false", "mode=max"])
def test_what_is_in_the_registry_is_what_was_tested(
    place: tuple[Engine, str], tmp_path: Path, provenance: str
) -> None:
    """The image's id is the pushed digest; the builder's provenance stays with it where the user asked for that."""
    engine, address = place
    assert "io.containerd.snapshotter.v1" in str(engine.client.info()["DriverStatus"])
    (tmp_path / "file").write_text(provenance)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    subprocess.run(
        [
            *("docker", "buildx", "build", "--load", "--tag", "web:1", f"--provenance={provenance}"),
            str(tmp_path),
        ],
        env=dict(engine.child_environ),
        check=True,
        capture_output=True,
    )
    tested = str(engine.client.api.inspect_image("web:1")["Id"])  # type: ignore[no-untyped-call]
    pushed = push_image(
        engine, plan_for(address, tested, f"shop/{provenance.replace('=', '-')}"), RecordedProgress()
    )
    assert pushed.manifest.digest == tested
    assert pushed.manifest.is_index == (provenance != "false")
    assert pushed.evidence
    if pushed.manifest.is_index:
        kinds = [
            entry.get("annotations", {}).get("vnd.docker.reference.type")
            for entry in pushed.manifest.data["manifests"]
        ]
        assert kinds == [None, "attestation-manifest"]
