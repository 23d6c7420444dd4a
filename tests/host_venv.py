"""A Python of its own for the host's side: this project, a pytest and plugins that would change our other tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

_ROOT = Path(__file__).parents[1]
_TIMEOUT_SECONDS = 600


class HostVenvError(Exception):
    """uv could not make the environment."""


def make_host_venv(folder: Path, *requirements: str) -> str:
    """Install this project and more into a new environment.

    Args:
        folder: Where it is made.
        requirements: Plugins, and pytest where the newest is not wanted.

    Returns:
        Its Python.

    Raises:
        HostVenvError: uv says why.
    """
    python = folder / "bin" / "python"
    _uv("venv", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--python", str(python), str(_ROOT), *requirements)
    return str(python)


def _uv(*args: str) -> None:
    process = subprocess.run(
        [find_uv_bin(), *args, "--quiet"],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if process.returncode:
        raise HostVenvError(f"uv {' '.join(args)}\n{process.stderr}")
