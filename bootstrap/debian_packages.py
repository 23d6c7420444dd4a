"""Installs Debian packages, where needed from a newer suite, without touching the machine's own apt set-up.

apt gets a configuration of its own in a temporary folder: the machine's mirror, the machine's suite and the
newer one, and pins that let nothing but the named packages come from there. Nothing of it stays behind.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bootstrap.steps import BootstrapError, run_logged

APT_FOLDER = Path("/etc/apt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_LOCK_WAIT_SECONDS = 120


def find_mirror(sources: str) -> str:
    """The address of the Debian mirror that an apt source text names (one-line or deb822 form).

    Security and third-party archives do not count: the address ends in ``/debian``. Empty where there is none.
    """
    addresses = re.findall(r"(?m)^(?:URIs:\s*|deb\s+(?:\[[^]]*]\s*)?)(\S+)", sources)
    return next((address.rstrip("/") for address in addresses if address.rstrip("/").endswith("/debian")), "")


def apt_sources(mirror: str, suites: Sequence[str]) -> str:
    """An apt source in deb822 form for some suites of one mirror."""
    return (
        f"Types: deb\nURIs: {mirror}\nSuites: {' '.join(dict.fromkeys(suites))}\n"
        f"Components: main\nSigned-By: {KEYRING}\n"
    )


def apt_pins(suite: str, packages: Sequence[str]) -> str:
    """Pins by which the named packages come from a suite, and all else only if nothing else has it."""
    return (
        f"Package: *\nPin: release n={suite}\nPin-Priority: 50\n\n"
        f"Package: {' '.join(packages)}\nPin: release n={suite}\nPin-Priority: 990\n"
    )


def machine_mirror() -> str:
    """The Debian mirror of this machine.

    Raises:
        BootstrapError: apt knows none.
    """
    files = [APT_FOLDER / "sources.list", *sorted((APT_FOLDER / "sources.list.d").glob("*"))]
    texts = [
        file.read_text(errors="replace")
        for file in files
        if file.suffix in {".list", ".sources"} and file.is_file()
    ]
    mirror = find_mirror("\n".join(texts))
    if not mirror:
        raise BootstrapError(
            f"no Debian mirror is configured in {APT_FOLDER}",
            why="no source there has an address that ends in /debian",
            fix="add your mirror to /etc/apt/sources.list.d/debian.sources and repeat the command",
        )
    return mirror


def install_packages(
    packages: Sequence[str], *, own_suite: str, suite: str, from_suite: Sequence[str], log: Path
) -> None:
    """Install packages; already installed ones stay as they are.

    Args:
        packages: All that is needed.
        own_suite: This machine's suite, ``bookworm``.
        suite: The newer suite, may be the same; empty: apt as this machine has it set up (Ubuntu).
        from_suite: Those of the packages that come from the newer suite.
        log: Where apt's output goes.

    Raises:
        BootstrapError: apt failed; shows its last lines.
    """
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    fix = (
        "check that the Debian mirror answers (apt-get update) and that no other apt is running, then repeat"
    )
    with tempfile.TemporaryDirectory(prefix="dockerci-apt-", dir="/var/tmp") as folder:
        options = ["-q", "-o", f"DPkg::Lock::Timeout={_LOCK_WAIT_SECONDS}", "-o", "Dpkg::Use-Pty=0"]
        if suite:
            options += _private_configuration(
                Path(folder), own_suite=own_suite, suite=suite, from_suite=from_suite
            )
        for what, arguments in (
            ("the package lists could not be fetched", ["update"]),
            (
                f"{', '.join(packages)} could not be installed",
                ["install", "-y", "--no-install-recommends", "--no-remove", *packages],
            ),
        ):
            run_logged(
                ["apt-get", *options, *arguments], log=log, what=what, fix=fix, environ=environ, unbroken=True
            )


def unpack_package(package: str, *, suite: str, into: Path, log: Path) -> None:
    """Fetch a package and take its files out, without installing it: nothing of it is configured or started.

    Args:
        package: Its name.
        suite: The Debian suite that has it; empty: apt as this machine has it set up (Ubuntu).
        into: Where its files go, as if that were the root folder.
        log: Where apt's output goes.

    Raises:
        BootstrapError: apt failed; shows its last lines.
    """
    what = f"{package} could not be fetched"
    fix = "check that the Debian mirror answers (apt-get update), then repeat"
    with tempfile.TemporaryDirectory(prefix="dockerci-apt-", dir="/var/tmp") as name:
        folder = Path(name)
        options = ["-q"]
        if suite:
            options += _private_configuration(folder, own_suite=suite, suite=suite, from_suite=[package])
            run_logged(["apt-get", *options, "update"], log=log, what=what, fix=fix)
        # apt-get puts a package into the folder that it runs in.
        run_logged(
            ["env", f"--chdir={folder}", "apt-get", *options, "download", package],
            log=log,
            what=what,
            fix=fix,
        )
        [archive] = folder.glob("*.deb")
        run_logged(["dpkg-deb", "--extract", str(archive), str(into)], log=log, what=what, fix=fix)


def _private_configuration(
    folder: Path, *, own_suite: str, suite: str, from_suite: Sequence[str]
) -> list[str]:
    """Write apt's configuration into a folder and give the options that make apt use it alone."""
    folder.chmod(0o755)  # apt's own unprivileged user reads and writes there
    for name in ("lists/partial", "empty"):
        (folder / name).mkdir(parents=True)
    (folder / "dockerci.sources").write_text(apt_sources(machine_mirror(), [own_suite, suite]))
    (folder / "preferences").write_text(apt_pins(suite, from_suite))
    settings = {
        "Dir::Etc::SourceList": folder / "dockerci.sources",
        "Dir::Etc::SourceParts": folder / "empty",
        "Dir::Etc::Preferences": folder / "preferences",
        "Dir::Etc::PreferencesParts": folder / "empty",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache::PkgCache": "",
        "Dir::Cache::SrcPkgCache": "",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
