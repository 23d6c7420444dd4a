"""The base images that example and tests start from: which there are, and where each one comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STANDIN_PREFIX = "dockerci-standin/"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """One base image.

    Attributes:
        variable: The environment variable that names it for Compose files and tests.
        official: The image as a registry has it.
        suite: The Debian suite that carries the same software.
        recipe: The file in ``bootstrap/standin/`` that builds the stand-in: ``Dockerfile.<recipe>``.
        needed: Without it nothing works; the others widen the tests.
    """

    variable: str
    official: str
    suite: str
    recipe: str
    needed: bool = True

    @property
    def standin(self) -> str:
        """The name of the image built from Debian's packages."""
        return STANDIN_PREFIX + self.official

    def recipe_tag(self, fingerprint: str) -> str:
        """A second tag of the stand-in, by which a changed recipe is noticed (labels would leak into images)."""
        return f"{self.standin}-recipe-{fingerprint}"


PYTHON = BaseImage(variable="PYTHON_IMAGE", official="python:3.13-slim", suite="trixie", recipe="python")
POSTGRES = BaseImage(variable="POSTGRES_IMAGE", official="postgres:17", suite="trixie", recipe="postgres")
REDIS = BaseImage(variable="REDIS_IMAGE", official="redis:7", suite="bookworm", recipe="redis")
DEBIAN = BaseImage(variable="DEBIAN_IMAGE", official="debian:trixie-slim", suite="trixie", recipe="debian")
PYTHON_3_11 = BaseImage(
    variable="PYTHON_3_11_IMAGE", official="python:3.11-slim", suite="bookworm", recipe="python"
)
PYTHON_3_14 = BaseImage(
    variable="PYTHON_3_14_IMAGE", official="python:3.14-slim", suite="sid", recipe="python", needed=False
)
PYTHON_3_9 = BaseImage(
    variable="PYTHON_3_9_IMAGE", official="python:3.9-slim", suite="bullseye", recipe="python", needed=False
)

IMAGE_SETS: Mapping[str, Sequence[BaseImage]] = {
    "none": (),
    "example": (PYTHON, POSTGRES, REDIS),
    "test": (PYTHON, POSTGRES, REDIS, DEBIAN, PYTHON_3_11, PYTHON_3_14, PYTHON_3_9),
}


def choose_present(
    images: Sequence[BaseImage], present: Mapping[str, str], fingerprints: Mapping[str, str]
) -> dict[str, str]:
    """Which of the images are there already.

    Args:
        images: Those that are wanted.
        present: Image ids of the engine by ``name:tag``.
        fingerprints: Of each recipe as it is now, by recipe.

    Returns:
        What to use, by variable: the official image where it is there, else a stand-in of today's recipe.
    """
    chosen = {}
    for image in images:
        tag = image.recipe_tag(fingerprints[image.recipe])
        if image.official in present:
            chosen[image.variable] = image.official
        elif tag in present and present[tag] == present.get(image.standin):
            chosen[image.variable] = image.standin
    return chosen


def env_file(chosen: Mapping[str, str]) -> str:
    """The mapping as an env file, for Compose's ``--env-file`` and a shell's ``source``."""
    return "".join(f"{variable}={reference}\n" for variable, reference in sorted(chosen.items()))
