"""Service images that are missing: pulled from a real registry, and what a person sees of it."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dockerci.engine.client import Engine
from pytest_dockerci.engine.images import inspect_image
from registry_process import running_registry
from terminal_session import TerminalSession
from whole_run.project import COMPOSE, PYTHON_IMAGE, Project

pytestmark = pytest.mark.engine

SERVICE = """\
  stock:
    image: {image}
    command: [sleep, "600"]
"""
FILL = "import os; open('/blob', 'wb').write(os.urandom(30_000_000))"


@pytest.fixture
def missing_image(engine: Engine, tmp_path: Path) -> Iterator[str]:
    """An image with a layer of 30 MB that a registry has and the engine has not."""
    with running_registry(tmp_path / "registry") as address:
        word = uuid.uuid4().hex[:12]
        name = f"{address}/stock:{word}"
        for argv in (
            # Not built: the builder's cache would keep the layer.
            ["run", f"--name={word}", PYTHON_IMAGE, "python3", "-c", FILL],
            ["commit", word, name],
            ["rm", word],
            ["push", "--quiet", name],
            ["image", "rm", name],
        ):
            environ = dict(engine.child_environ)
            subprocess.run(["docker", *argv], env=environ, check=True, capture_output=True)
        assert inspect_image(engine, name) is None
        yield name
        if inspect_image(engine, name) is not None:
            engine.client.api.remove_image(name)


def test_a_missing_image_is_pulled(project: Project, engine: Engine, missing_image: str) -> None:
    """The image is named, then how far it is; the service then runs from it."""
    project.write(
        compose_yaml=COMPOSE % PYTHON_IMAGE + SERVICE.format(image=missing_image),
        tests__test_any_py="def test_a(): pass\n",
    )
    session = TerminalSession(["-v", "-p", "no:cacheprovider"], project.root, project.environ)
    session.see(f"pulling {missing_image} (stock)\r\n")
    session.see("stock ready")
    assert session.end() == 0
    percents = re.findall(rf"pulling {re.escape(missing_image)}: (\d+) %", session.text)
    assert percents[-1] == "100"
    assert percents == sorted(percents, key=int)
    assert re.search(rf"[\r\n]pulled {re.escape(missing_image)} in \d+\.\d s\n", session.text)
    assert inspect_image(engine, missing_image) is not None


@pytest.mark.soak
def test_an_image_that_its_registry_lacks(project: Project, engine: Engine, missing_image: str) -> None:
    """One clear error with the registry's own words; no test is run."""
    absent = missing_image.replace("/stock:", "/stock:no-")
    project.write(
        compose_yaml=COMPOSE % PYTHON_IMAGE + SERVICE.format(image=absent),
        tests__test_any_py="def test_a(): pass\n",
    )
    outcome = project.run()
    assert outcome.exit_code == 6, outcome.output
    assert (
        f'image {absent} of service "stock" could not be pulled\n'
        f"  why: manifest for {absent} not found: manifest unknown: manifest unknown\n"
        f"  try: `docker pull {absent}` must work; correct the image's name, log in with `docker login`, or look at "
        "the network" in outcome.output
    )
    assert inspect_image(engine, absent) is None
