"""Builds the image of a suite: the suite itself, its requirements, pytest, and the log of reports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CONTAINER_ROOT = "/srv/suite"
_REPORT_LOG = Path(__file__).parents[1] / "acceptance" / "report_log.py"
_COMPOSE = "services:\n  web:\n    image: {image}\n"
# The log lies where Python looks for packages, so that no variable has to name it.
_DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${{PYTHON_IMAGE}}
ENV PYTHONHASHSEED=0 PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
RUN pip install --no-cache-dir {requirements}
COPY report_log.py /opt/
RUN cp /opt/report_log.py "$(python3 -c 'import pytest; print(pytest.__path__[0])')/.."
WORKDIR {root}
COPY suite .
{further}
"""


class SuiteImageError(Exception):
    """The image of a suite cannot be built."""


def lay_out(suite: Path, folder: Path) -> Path:
    """Copy a suite to where its host run has its rootdir.

    Returns:
        rootdir.
    """
    root = folder / "suite"
    shutil.copytree(suite, root, symlinks=True)
    return root


@contextmanager
def suite_image(
    root: Path, requirements: Sequence[str], further: Sequence[str] = (), python_image: str | None = None
) -> Iterator[str]:
    """An image with a suite in its working directory; removed at the end.

    Args:
        root: The suite; gets a Compose file that names the image.
        requirements: What is installed beside the image's Python; pytest is one of them.
        further: Lines of the Dockerfile after the suite is there.
        python_image: The base image.

    Raises:
        SuiteImageError: The build failed.
    """
    name = re.sub("[^a-z0-9]+", "-", root.parent.name.lower())
    image = f"dockerci-differential-{name}:{uuid.uuid4().hex[:12]}"
    (root / "compose.yaml").write_text(_COMPOSE.format(image=image))
    shutil.copy(_REPORT_LOG, root.parent)
    dockerfile = root.parent / "Dockerfile"
    quoted = " ".join(f"'{requirement}'" for requirement in requirements)
    dockerfile.write_text(
        _DOCKERFILE.format(root=CONTAINER_ROOT, requirements=quoted, further="\n".join(further))
    )
    base = python_image or os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
    argv = ["docker", "build", "-q", "-t", image, "--build-arg", f"PYTHON_IMAGE={base}", str(root.parent)]
    process = subprocess.run(argv, capture_output=True, text=True, timeout=1200, check=False)
    if process.returncode:
        raise SuiteImageError(process.stderr)
    try:
        yield image
    finally:
        subprocess.run(["docker", "rmi", image], capture_output=True, timeout=60, check=False)
