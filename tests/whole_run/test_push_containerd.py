"""A whole run that pushes, on an engine with the containerd image store."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import private_engine
from port_relay import relayed
from private_engine import PrivateEngine, running_engine
from pytest_dockerci.engine.registry import RegistryRepository
from pytest_dockerci.engine.registry_credentials import Credentials
from pytest_dockerci.engine.registry_link import RegistryLink
from pytest_dockerci.image_reference import Repository
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


# The builder's own protocol for generators: where to look and where to write come by the environment.
GENERATOR = """\
import json, os, pathlib
folder = pathlib.Path(os.environ["BUILDKIT_SCAN_DESTINATION"])
found = sorted(os.listdir(os.path.join(os.environ["BUILDKIT_SCAN_SOURCE"], "srv/app")))
statement = {
    "_type": "https://in-toto.io/Statement/v0.1",
    "predicateType": "https://spdx.dev/Document",
    "predicate": {"spdxVersion": "SPDX-2.3", "comment": " ".join(found)},
}
(folder / "image.spdx.json").write_text(json.dumps(statement))
"""


def test_the_list_of_what_is_in_the_image_goes_along(
    project: Project, place: tuple[PrivateEngine, str], tmp_path: Path
) -> None:
    """Where the build section asks for one (`sbom`), it is in the registry, with the tested image and under its tag."""
    engine, address = place
    generator = f"{address}/tools/generator:1"
    make_image(engine, tmp_path / "generator", generator, GENERATOR)
    project.addopts = ""
    project.write(
        tests__test_shop_py="def test_one(): pass\n",
        conftest_py=f"""\
            def pytest_dockerci_compose_model(model):
                # As newer versions of Compose read it from the file.
                model["services"]["web"]["build"] |= {{"sbom": "generator={generator}", "provenance": True}}
            """,
    )
    repository = f"{address}/shop/web-listed"
    outcome = project.run(f"--dockerci-push={repository}", **engine.environ)
    assert outcome.exit_code == 0, outcome.output
    where = Repository(address, "shop/web-listed")
    link = RegistryLink(where, Credentials(), is_insecure=True, may_write=False)
    with contextlib.closing(link):
        registry = RegistryRepository(where, link)
        index = registry.manifest("latest")
        assert index is not None
        [digest] = [
            entry["digest"]
            for entry in index.data["manifests"]
            if entry.get("annotations", {}).get("vnd.docker.reference.type") == "attestation-manifest"
        ]
        attached = registry.manifest(digest)
        assert attached is not None
        statements = {
            layer["annotations"]["in-toto.io/predicate-type"]: json.loads(registry.blob(layer["digest"]))
            for layer in attached.data["layers"]
        }
    assert "app.py" in statements["https://spdx.dev/Document"]["predicate"]["comment"]
    assert any("provenance" in kind for kind in statements)


def make_image(engine: PrivateEngine, folder: Path, name: str, program: str) -> None:
    """An image that runs a program, in the registry."""
    folder.mkdir()
    (folder / "program.py").write_text(program)
    (folder / "Dockerfile").write_text(
        f'FROM {PYTHON_IMAGE}\nCOPY program.py /\nENTRYPOINT ["python3", "/program.py"]\n'
    )
    for argv in (["build", "--quiet", "--tag", name, str(folder)], ["push", "--quiet", name]):
        environ = {**os.environ, **engine.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        subprocess.run(["docker", *argv], env=environ, check=True, capture_output=True)
