"""A whole run that pushes, on an engine with the containerd image store."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import private_engine
from port_relay import relayed
from private_engine import PrivateEngine, running_engine
from registry_process import running_registry
from whole_run.project import PYTHON_IMAGE, Project

pytestmark = [
    pytest.mark.engine,
    pytest.mark.soak,
    pytest.mark.skipif(bool(private_engine.needs()), reason=private_engine.needs()),
]


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[PrivateEngine, str]]:
    """Such an engine with the base image, and a registry that it reaches."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (
            running_registry(folder / "registry") as address,
            running_engine(
                folder, features={"containerd-snapshotter": True}, images=[PYTHON_IMAGE]
            ) as engine,
            relayed(int(address.rpartition(":")[2]), engine.pid, folder),
        ):
            yield engine, address


@pytest.mark.parametrize("without_provenance", ["1", "0"])
def test_a_green_run_pushes_what_it_has_tested(
    project: Project, place: tuple[PrivateEngine, str], without_provenance: str
) -> None:
    """Also where a person asks for the builder's provenance: then that goes along."""
    engine, address = place
    project.addopts = ""  # options for one run may not be pushed with
    project.write(tests__test_shop_py="def test_one(): pass\n")
    repository = f"{address}/shop/web-{without_provenance}"
    environ = {"BUILDX_NO_DEFAULT_ATTESTATIONS": without_provenance, **engine.environ}
    outcome = project.run(f"--dockerci-push={repository}", **environ)
    assert outcome.exit_code == 0, outcome.output
    [digest] = re.findall(rf"^dockerci: pushed {repository}@(\S+) as latest$", outcome.output, re.MULTILINE)
    assert re.search(rf"dockerci: image .*\({digest[:19]}", outcome.output)
    folder = Path(re.findall(r"^dockerci: release\.json.*: (/.*)$", outcome.output, re.MULTILINE)[0])
    kind = json.loads((folder / "release.json").read_text())["media_type"]
    assert ("index" in kind) == (without_provenance == "0")
