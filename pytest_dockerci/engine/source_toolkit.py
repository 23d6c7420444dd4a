"""Requirements that have no wheel: built by the image's own Python, in a throw-away container of the image.

pip is brought along, so the image needs none; it sees what the image has installed and leaves that out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import docker.errors
import requests.exceptions

from pytest_dockerci.engine.command import mask_secrets
from pytest_dockerci.engine.resolution import PIP_SETTINGS, install_pins
from pytest_dockerci.engine.throwaway import VolumeMount, run_throwaway
from pytest_dockerci.engine.volumes import create_volume, fill_volumes
from pytest_dockerci.errors import ToolkitError

if TYPE_CHECKING:
    from pytest_dockerci.engine.archive import ArchiveWriter
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.python_facts import PythonFacts

_PIP_PATH = PurePosixPath("/.dockerci/pip")
# The last pip for Python 3.8; newer ones run on newer Pythons alone.
_PIP_OF_PYTHON_3_8 = "pip==25.0.1"
_PIP = "pip"
_TIMEOUT_SECONDS = 900
_MARK = "dockerci-pins:"
# The first call finds out what the image lacks; the second installs exactly that beside it.
_PROGRAM = r"""
import json, os, subprocess, sys, tempfile
target = sys.argv[1]
pip = [sys.executable, "/.dockerci/pip/tool/pip"]
asked = ["-r", "/.dockerci/pip/requirements.txt", "-c", "/.dockerci/pip/constraints.txt"]
common = ["--no-input", "--disable-pip-version-check", "--quiet", "--root-user-action=ignore"]
common += ["--cache-dir", os.path.join(tempfile.gettempdir(), "dockerci-pip")]
report = os.path.join(target, ".dockerci-report.json")
code = subprocess.call(pip + ["install", "--dry-run", "--break-system-packages", "--report", report] + asked + common)
if code:
    sys.exit(code)
with open(report) as file:
    found = json.load(file)["install"]
os.remove(report)
pins = ["%s==%s" % (entry["metadata"]["name"], entry["metadata"]["version"]) for entry in found]
if pins:
    code = subprocess.call(pip + ["install", "--no-deps", "--upgrade", "--target", target] + pins + common)
    if code:
        sys.exit(code)
print("dockerci-pins:" + json.dumps(pins))
"""


def install_from_source(
    engine: Engine,
    identity: RunIdentity,
    commands: Commands,
    *,
    image_id: str,
    facts: PythonFacts,
    requirement_lines: Sequence[str],
    constraint_lines: Sequence[str],
    volume: VolumeMount,
) -> tuple[str, ...]:
    """Fill a volume with what the image lacks, and give the pins of it.

    Args:
        engine: The engine.
        identity: Labels the container, and the volume that carries pip.
        commands: Runs uv, which brings pip.
        image_id: The image.
        facts: Its Python.
        requirement_lines: What is wanted, as in a requirement file.
        constraint_lines: What versions are allowed.
        volume: Takes the distributions; exists.

    Raises:
        ToolkitError: pip gave up, in its words.
    """
    pip_volume = f"dockerci-{identity.run_id}-pip"
    create_volume(engine, pip_volume, identity.labels)
    texts = {"requirements.txt": requirement_lines, "constraints.txt": constraint_lines}
    with tempfile.TemporaryDirectory() as folder:
        pip = _PIP_OF_PYTHON_3_8 if facts.version < (3, 9) else _PIP
        install_pins(commands, facts, None, [pip], Path(folder, "tool"), Path(folder))

        def write(archive: ArchiveWriter, path: PurePosixPath) -> None:
            archive.add_folder(path)
            archive.add_tree(path / "tool", Path(folder, "tool"))
            for name, lines in texts.items():
                archive.add_bytes(path / name, ("\n".join(lines) + "\n").encode())

        fill_volumes(engine, identity, {pip_volume: write}, uid=0, gid=0)
    settings = {name: commands.environ[name] for name in PIP_SETTINGS if name in commands.environ}
    try:
        result = run_throwaway(
            engine,
            identity,
            image_id,
            [facts.executable, "-c", _PROGRAM, str(volume.path)],
            user="0:0",
            environ=settings,
            mounts=[volume, VolumeMount(volume=pip_volume, path=_PIP_PATH, is_read_only=True)],
            network_mode="default",
            timeout_seconds=_TIMEOUT_SECONDS,
        )
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        raise _failed(str(getattr(error, "explanation", None) or error), []) from error
    finally:
        engine.client.api.remove_volume(pip_volume, force=True)
    lines = mask_secrets(result.output).splitlines()
    pins = [line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)]
    if result.exit_code or not pins:
        raise _failed(f"pip in a container of the image ended with exit code {result.exit_code}", lines)
    return tuple(json.loads(pins[0]))


def _failed(why: str, lines: Sequence[str]) -> ToolkitError:
    return ToolkitError(
        "requirements without a wheel could not be built in the image",
        why=why,
        fix="name versions that have wheels in dockerci_requirements, or install them in the image",
        output_title="output of pip",
        output=lines,
    )
