"""The project's own virtual environment: the plugin from the tree, and tox."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

from bootstrap.debian_packages import install_packages
from bootstrap.engine_choice import Machine
from bootstrap.steps import BootstrapError, run_logged, say, step

TOX = "tox>=4.30"


def prepare_venv(project: Path, machine: Machine, folder: Path) -> Path:
    """Have ``.venv`` with the plugin (editable), its dependencies and tox; made anew when pyproject.toml changes.

    Args:
        project: The project's root.
        machine: What was seen on this machine.
        folder: For the logs.

    Returns:
        Its folder of programs.

    Raises:
        BootstrapError: The package index does not answer, or this Python can make no environments.
    """
    venv = project / ".venv"
    stamp = venv / "bootstrap-stamp"
    wanted = _fingerprint(project)
    if stamp.is_file() and stamp.read_text() == wanted and (venv / "bin" / "tox").exists():
        say("venv", f"{venv.name} is up to date")
        return venv / "bin"
    log = folder / "venv.log"
    _have_ensurepip(machine, folder)
    with step("venv", f"{venv.name} with the plugin from this tree and tox, from the package index"):
        run_logged(
            [sys.executable, "-m", "venv", "--clear", str(venv)],
            log=log,
            what=f"{venv} could not be made",
            fix="the log says why",
        )
        run_logged(
            [
                str(venv / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--editable",
                str(project),
                TOX,
            ],
            log=log,
            what="the plugin and tox could not be installed",
            fix="check that the package index answers (pip download six), then repeat the command",
        )
        stamp.write_text(wanted)
    return venv / "bin"


def _fingerprint(project: Path) -> str:
    """What the environment depends on."""
    facts = (project / "pyproject.toml").read_text() + TOX + sys.version + str(project)
    return hashlib.sha256(facts.encode()).hexdigest()


def _have_ensurepip(machine: Machine, folder: Path) -> None:
    """Debian's Python makes environments only with one more package."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    if machine.distribution != "debian" or os.getuid() != 0:
        raise BootstrapError(
            "this Python cannot make virtual environments",
            why=f"{sys.executable} has no ensurepip",
            fix="sudo apt-get install python3-venv, then repeat the command",
        )
    suite = machine.codename
    with step("venv", "installing python3-venv from Debian"):
        install_packages(
            ["python3-venv"],
            own_suite=suite,
            suite=suite,
            from_suite=["python3-venv"],
            log=folder / "apt.log",
        )
