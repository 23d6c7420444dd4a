"""Builds images that stand in for the official ones from Debian's packages, where no registry answers."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bootstrap.base_images import STANDIN_PREFIX, BaseImage
from bootstrap.child_processes import CHILDREN
from bootstrap.debian_packages import install_packages, machine_mirror
from bootstrap.engine_choice import Machine
from bootstrap.steps import BootstrapError, read_output, run_logged, step

RECIPES = Path(__file__).parent / "standin"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# Signatures are checked all the same; mirrors behind a wall may be weeks old.
STALE_MIRROR = '--aptopt=Acquire::Check-Valid-Until "false"'
_WORKSHOP_BYTES = 4 * 1024**3
# As in Debian's own slim images.
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/doc/*/*", "/usr/share/locale/*")
_ROOT_HOOKS = (
    # Debian's packages start services when they are installed; in an image there is nothing to start.
    r'printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"',
    r'echo "force-unsafe-io" >"$1/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"',
    r'rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
)


def certificates() -> Path:
    """The bundle of authorities that this machine trusts; containers must trust the same ones."""
    return Path(os.environ.get("SSL_CERT_FILE") or CERTIFICATES)


def pip_configuration(host_configuration: str) -> str:
    """The pip configuration of a stand-in.

    Args:
        host_configuration: What ``pip config list`` and the environment say, one ``key='value'`` a line.

    Returns:
        The machine's authorities (pip's own bundle knows no local ones), and its package index
        where that is one on the network.
    """
    found = re.search(r"(?m)^(?:global|:env:)\.index-url='?(https?://[^'\s]+)", host_configuration)
    return f"[global]\ncert = {CERTIFICATES}\n" + (f"index-url = {found[1]}\n" if found else "")


def root_workshop() -> Path:
    """Where root file systems are put together: in memory where there is room (15 s against 22 s), else on disk."""
    memory = Path("/dev/shm")  # noqa: S108 - mmdebstrap makes a folder of its own there
    try:
        flags, free_bytes = os.statvfs(memory).f_flag, shutil.disk_usage(memory).free
    except OSError:
        return Path(tempfile.gettempdir())
    roomy = free_bytes >= _WORKSHOP_BYTES and not flags & os.ST_NOEXEC
    return memory if roomy else Path(tempfile.gettempdir())


def recipe_fingerprint(recipe: str) -> str:
    """What a stand-in depends on, in 12 hexadecimal digits: its files, the root's recipe, the authorities."""
    digest = hashlib.sha256(repr((_LEFT_OUT, _ROOT_HOOKS)).encode())
    for file in (RECIPES / f"Dockerfile.{recipe}", RECIPES / f"{recipe}-entrypoint.sh", certificates()):
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()[:12]


class StandinBuilder:
    """Builds stand-ins on the engine that the docker command talks to.

    Args:
        machine: What was seen on this machine.
        folder: For the logs.

    Raises:
        BootstrapError: This machine cannot build any.
    """

    def __init__(self, machine: Machine, folder: Path) -> None:
        if machine.distribution != "debian" or machine.user_id != 0:
            raise BootstrapError(
                "the base images are not there, and no registry answers",
                why="images that stand in for them are built from Debian's packages by root on Debian; "
                f"this is user id {machine.user_id} on {machine.distribution or machine.platform}",
                fix="docker pull (or docker load) python:3.13-slim, python:3.11-slim, postgres:17 and redis:7, "
                "then repeat the command",
            )
        self._machine = machine
        self._folder = folder
        self._mirror = machine_mirror()
        pip = read_output(["python3", "-m", "pip", "config", "list"])
        self._pip_configuration = pip_configuration(pip.stdout)

    def prepare(self) -> None:
        """Install what builds root file systems."""
        if not shutil.which("mmdebstrap"):
            suite = self._machine.codename
            with step(
                "images", "installing mmdebstrap, which makes root file systems from Debian's packages"
            ):
                install_packages(
                    ["mmdebstrap"],
                    own_suite=suite,
                    suite=suite,
                    from_suite=["mmdebstrap"],
                    log=self._folder / "apt.log",
                )

    def build_root(self, suite: str) -> str:
        """Make the smallest Debian of a suite an image, and give its name."""
        name = f"{STANDIN_PREFIX}debian:{suite}-{recipe_fingerprint('root')}"
        if read_output(["docker", "image", "inspect", name]).returncode == 0:
            return name
        log = self._folder / f"root-{suite}.log"
        options = [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
        options += [f"--customize-hook={hook}" for hook in _ROOT_HOOKS]
        # Last: the package's own triggers would write the file anew.
        options.append(f'--customize-hook=cp "{certificates()}" "$1{CERTIFICATES}"')
        argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--include=ca-certificates", *options]
        argv += [STALE_MIRROR, suite, "-", self._mirror]
        environ = {**os.environ, "TMPDIR": str(root_workshop())}
        with step("images", f"Debian {suite}, the root file system"), log.open("wb") as output:
            with (
                CHILDREN.started(argv, output=output, stdout=subprocess.PIPE, environ=environ) as maker,
                CHILDREN.started(
                    ["docker", "import", "-", name], output=output, stdin=maker.stdout
                ) as importer,
            ):
                if maker.stdout:
                    maker.stdout.close()
                made, imported = maker.wait(), importer.wait()
            if made or imported:
                read_output(["docker", "rmi", name])
                raise BootstrapError(
                    f"a root file system of Debian {suite} could not be made",
                    fix=f"check that the mirror carries {suite}, then repeat the command",
                    output_title=f"end of {log}",
                    output=log.read_text(errors="replace").splitlines(),
                )
        return name

    def build(self, image: BaseImage, root: str) -> None:
        """Build one stand-in on a root, and tag it with its recipe; the one of an older recipe goes."""
        old = read_output(["docker", "image", "inspect", "--format", "{{.Id}}", image.standin]).stdout.strip()
        tag = image.recipe_tag(recipe_fingerprint(image.recipe))
        arguments: Mapping[str, str] = {"BASE": root, "WANTED": image.official.partition(":")[2]}
        argv = ["docker", "build", "--load", "--progress=plain", "--tag", image.standin, "--tag", tag]
        argv += [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        argv += [word for name in PROXY_VARIABLES if os.environ.get(name) for word in ("--build-arg", name)]
        with tempfile.TemporaryDirectory() as context, step("images", f"{image.standin}"):
            shutil.copytree(RECIPES, context, dirs_exist_ok=True)
            (Path(context) / "pip.conf").write_text(self._pip_configuration)
            run_logged(
                [*argv, "--file", f"{context}/Dockerfile.{image.recipe}", context],
                log=self._folder / "standins.log",
                what=f"{image.standin} could not be built",
                fix="the log says which step failed; check that containers reach the Debian mirror",
            )
        new = read_output(["docker", "image", "inspect", "--format", "{{.Id}}", image.standin]).stdout.strip()
        if old and old != new:
            read_output(["docker", "rmi", old])
