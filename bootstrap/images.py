"""Brings the base images: there already, pulled, or stand-ins; and writes down which is which."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bootstrap.base_images import BaseImage, choose_present, env_file
from bootstrap.engine_choice import Machine
from bootstrap.machine import last_line
from bootstrap.standins import StandinBuilder, recipe_fingerprint
from bootstrap.steps import BootstrapError, read_output, say

REGISTRY_ANSWER_SECONDS = 15.0
_PARALLEL_ROOTS = 2


def prepare_images(images: Sequence[BaseImage], machine: Machine, folder: Path) -> dict[str, str]:
    """Have every base image on the engine.

    Args:
        images: Those that are wanted.
        machine: What was seen on this machine.
        folder: Where ``images.env`` and the logs go.

    Returns:
        Image references by environment variable; images that are not `needed` may be missing.

    Raises:
        BootstrapError: A needed image can neither be pulled nor built.
    """
    fingerprints = {image.recipe: recipe_fingerprint(image.recipe) for image in images}
    chosen = choose_present(images, _present_images(), fingerprints)
    missing = [image for image in images if image.variable not in chosen]
    pulled = _pull(missing)
    chosen |= {image.variable: image.official for image in pulled}
    missing = [image for image in missing if image not in pulled]
    if missing:
        chosen |= _build(missing, machine, folder)
    for variable, reference in chosen.items():
        say("images", f"{variable}={reference}")
    folder.mkdir(exist_ok=True)
    if chosen:
        (folder / "images.env").write_text(env_file(chosen))
    return chosen


def _present_images() -> dict[str, str]:
    """Image ids by ``name:tag``."""
    listed = read_output(["docker", "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])
    return dict(line.split() for line in listed.stdout.splitlines() if len(line.split()) == 2)  # noqa: PLR2004


def _pull(images: Sequence[BaseImage]) -> list[BaseImage]:
    """Pull images; the first one is the probe, and where no registry answers the others are not tried."""
    pulled: list[BaseImage] = []
    for image in images:
        begin = time.monotonic()
        say("images", f"pulling {image.official} ...")
        refusal = pull_refusal(image.official)
        seconds = time.monotonic() - begin
        if not refusal:
            say("images", f"pulling {image.official}: done in {seconds:.1f} s")
            pulled.append(image)
            continue
        say("images", f"pulling {image.official}: not possible, found out in {seconds:.1f} s ({refusal})")
        if not pulled:
            say("images", "no registry: Debian's packages stand in for the official images")
            break
    return pulled


def pull_refusal(reference: str) -> str:
    """Pull an image; empty when it is there, else why not.

    The registry has `REGISTRY_ANSWER_SECONDS` for its first word; once it has answered, a pull may take its time.
    """
    with subprocess.Popen(
        ["docker", "pull", reference],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as pull:
        stdout = pull.stdout
        if stdout is None or not select.select([stdout], [], [], REGISTRY_ANSWER_SECONDS)[0]:
            pull.kill()
            return f"no answer within {REGISTRY_ANSWER_SECONDS:.0f} seconds"
        said = stdout.read().decode(errors="replace")
    return last_line(said) or "no reason given" if pull.returncode else ""


def _build(images: Sequence[BaseImage], machine: Machine, folder: Path) -> dict[str, str]:
    """Build stand-ins, two suites at a time."""
    folder.mkdir(exist_ok=True)
    builder = StandinBuilder(machine, folder)
    builder.prepare()
    suites = list(dict.fromkeys(image.suite for image in images))

    def build_suite(suite: str) -> dict[str, str]:
        of_suite = [image for image in images if image.suite == suite]
        try:
            root = builder.build_root(suite)
            for image in of_suite:
                builder.build(image, root)
        except BootstrapError as error:
            if any(image.needed for image in of_suite):
                raise
            say(
                "images",
                f"not available here: {', '.join(image.official for image in of_suite)} ({error.what})",
            )
            return {}
        return {image.variable: image.standin for image in of_suite}

    pool = ThreadPoolExecutor(_PARALLEL_ROOTS)
    try:
        built = list(pool.map(build_suite, suites))
    finally:
        pool.shutdown(cancel_futures=True)
    return {variable: reference for part in built for variable, reference in part.items()}
