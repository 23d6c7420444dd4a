"""The image under test, as tests and reports see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_dockerci.engine.python_facts import PythonFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUnderTest:
    """Exactly the image in which the tests run.

    Attributes:
        id: The engine's id, ``sha256:`` and 64 digits.
        tags: Its names, ``name:tag``; the first says the commit.
        commit: Full hash of the commit that it was built from; None without git or when it was not built.
        is_dirty: The working tree differed from the commit.
        digests: ``name@sha256:...`` under which registries know it.
        python: The interpreter in it; None where no suite of pytest runs in it.
        container_root: The folder in it that stands for rootdir.
        toolkit_path: Where containers see pytest and the requirements; empty when the image has all.
        toolkit: What is brought in, ``name==version``.
        built_seconds: How long the build took; 0 when it was not built.
        is_cached: No step of the build had to run.
    """

    id: str
    tags: tuple[str, ...]
    commit: str | None
    is_dirty: bool
    digests: tuple[str, ...]
    python: PythonFacts | None
    container_root: PurePosixPath
    toolkit_path: str
    toolkit: tuple[str, ...]
    built_seconds: float
    is_cached: bool

    @property
    def short_id(self) -> str:
        """12 digits."""
        return self.id.removeprefix("sha256:")[:12]
