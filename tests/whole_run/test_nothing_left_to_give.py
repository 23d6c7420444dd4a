"""No room on the engine's disk, none on the host's, no address pool left; engines of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import private_engine
from private_engine import running_engine
from whole_run.project import PYTHON_IMAGE, Project

pytestmark = [
    pytest.mark.engine,
    pytest.mark.soak,
    pytest.mark.skipif(bool(private_engine.needs()), reason=private_engine.needs()),
]


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A folder that holds so much; its path is short enough for a socket's."""
    folder = Path(tempfile.mkdtemp(prefix="dockerci-small-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_the_engines_disk_is_full_while_the_image_is_built(project: Project) -> None:
    """Exit code 6, with the engine's words; nothing is left."""
    project.write(
        Dockerfile=f"FROM {PYTHON_IMAGE}\nRUN dd if=/dev/zero of=/big bs=1M count=4000\n",
        tests__test_it_py="def test_any(): pass\n",
    )
    with small_disk("1g") as folder, running_engine(folder, images=[PYTHON_IMAGE]) as engine:
        outcome = project.run("-v", **engine.environ)
        assert outcome.exit_code == 6, outcome.output
        assert "no space left on device" in outcome.output.lower()
        assert "Traceback" not in outcome.output
        assert engine.objects_of(project.root.name) == []


def test_the_engines_disk_is_full_while_tests_run(project: Project) -> None:
    """The test that fills it fails, as by hand; the verdicts of all others come, and nothing is left."""
    project.write(
        tests__test_it_py="""\
            import os
            def test_before(): pass
            def test_fills():
                try:
                    with open("/tmp/big", "wb") as file:
                        while True: file.write(bytes(1 << 20))
                finally:
                    os.unlink("/tmp/big")
            def test_after(): print("printed")
            """
    )
    with small_disk("1g") as folder, running_engine(folder, images=[PYTHON_IMAGE]) as engine:
        outcome = project.run("-v", **engine.environ)
        assert outcome.exit_code == 1, outcome.output
        assert outcome.counts() == {"failed": 1, "passed": 2}
        assert "No space left on device" in outcome.output
        assert engine.objects_of(project.root.name) == []


def test_no_address_pool_is_left(project: Project) -> None:
    """Exit code 6; which networks hold them can be seen, and what removes those of dead runs is named."""
    project.write(tests__test_it_py="def test_any(): pass\n")
    folder = Path(tempfile.mkdtemp(prefix="dockerci-pools-"))
    with running_engine(
        folder, ["--default-address-pool=base=10.213.0.0/23,size=24"], images=[PYTHON_IMAGE]
    ) as engine:
        environ = {**os.environ, **engine.environ}
        taken = 0
        while (
            subprocess.run(
                ["docker", "network", "create", f"taken-{taken}"],
                env=environ,
                capture_output=True,
                check=False,
            ).returncode
            == 0
        ):
            taken += 1
        outcome = project.run("-v", **engine.environ)
        assert outcome.exit_code == 6, outcome.output
        assert "address pool" in outcome.output, outcome.output
        assert "dockerci gc" in outcome.output
        assert "Traceback" not in outcome.output
        assert engine.objects_of(project.root.name) == []
    shutil.rmtree(folder)


def test_the_hosts_disk_is_full(project: Project) -> None:
    """What the plugin cannot write down it does not begin: one error that names the folder."""
    project.write(tests__test_it_py="def test_any(): pass\n")
    with small_disk("64k") as folder:
        with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        outcome = project.run("-v", XDG_CACHE_HOME=str(folder))
    assert outcome.exit_code == 6, outcome.output
    assert str(folder) in outcome.output
    assert "No space left on device" in outcome.output
    assert "Traceback" not in outcome.output
    assert project.left_on_engine() == []
