"""Has a registry at hand for the tests that push: a program that they start themselves, never a service."""

from __future__ import annotations

import shutil
from pathlib import Path

from bootstrap.debian_packages import unpack_package
from bootstrap.engine_choice import Machine
from bootstrap.steps import say, step

PROGRAM = "docker-registry"


def prepare_registry(machine: Machine, folder: Path) -> Path | None:
    """The folder of Debian's ``docker-registry``; None where there is no such package for this machine.

    Args:
        machine: What was seen on this machine.
        folder: Where the package is unpacked, and its log goes.

    Raises:
        BootstrapError: The package index does not answer.
    """
    found = shutil.which(PROGRAM)
    if found:
        say("registry", f"{found} is there")
        return Path(found).parent
    programs = folder / "registry" / "usr" / "bin"
    if (programs / PROGRAM).exists():
        say("registry", f"{programs / PROGRAM} is there")
        return programs
    if machine.distribution not in ("debian", "ubuntu"):
        say("registry", "no package of a registry for this machine: tests that push are skipped")
        return None
    with step("registry", f"unpacking {PROGRAM} (it is not installed, and not started as a service)"):
        suite = machine.codename if machine.distribution == "debian" else ""
        unpack_package(PROGRAM, suite=suite, into=folder / "registry", log=folder / "apt.log")
    return programs
