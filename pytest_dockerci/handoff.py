"""Writes what a push leaves on the host: the release record, the files made from it, the evidence."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.ci_systems import find_job_url
from pytest_dockerci.errors import PushError
from pytest_dockerci.evidence import RunEvidence
from pytest_dockerci.last_image import write_whole
from pytest_dockerci.push_tags import find_version
from pytest_dockerci.release import Release
from pytest_dockerci.release_files import FILES
from pytest_dockerci.report_folder import report_folder
from pytest_dockerci.run_outcomes import RunOutcomes, Verdict
from pytest_dockerci.state import state_directory

if TYPE_CHECKING:
    import pytest

    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.engine.shipper import Pushed
    from pytest_dockerci.settings import Settings

EVIDENCE_FILE = "evidence.intoto.json"
SIGNED_FILE = "evidence.dsse.json"
_KEPT_RELEASES = 10
_PROBE_BYTES = 1 << 16


def release_folder(config: pytest.Config, rootdir: Path, run_id: str) -> Path:
    """Where a run writes what it has released: the report's folder, or the project's own among the caches."""
    return report_folder(config) or state_directory(os.environ, rootdir) / "releases" / run_id


def require_writable(folder: Path) -> None:
    """Make the folder, and see that there is room: a push whose evidence could not be kept is not begun.

    Raises:
        PushError: There is not.
    """
    probe = folder / f"{EVIDENCE_FILE}.room"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        raise PushError(
            "the image was not pushed: its evidence could not be kept",
            why=f"{error.strerror}: {folder}",
            fix="make room there, or make it writable",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def write_release(folder: Path, release: Release, statement: bytes, envelope: bytes | None = None) -> None:
    """Write the record, the files made from it and the evidence; drop the oldest of the project's own folders.

    Raises:
        PushError: They could not be written; the image is pushed all the same.
    """
    try:
        write_whole(folder / EVIDENCE_FILE, statement.decode())
        if envelope is not None:
            write_whole(folder / SIGNED_FILE, envelope.decode())
        for name, render in FILES.items():
            file = folder / name
            file.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(file, render(release))
    except OSError as error:
        raise PushError(
            f"{release.image} is pushed, but what hands it on could not be written",
            why=f"{error.strerror}: {folder}",
            fix="make room there, and run again; to repeat is safe",
        ) from error
    if folder.parent.name == "releases":
        _drop_old(folder.parent)


def _drop_old(releases: Path) -> None:
    folders = sorted(
        (each for each in releases.iterdir() if each.is_dir()), key=lambda each: each.stat().st_mtime
    )
    for each in folders[:-_KEPT_RELEASES]:
        shutil.rmtree(each, ignore_errors=True)


def make_release(
    settings: Settings,
    image: ImageUnderTest,
    pushed: Pushed,
    outcomes: RunOutcomes,
    *,
    git_tags: tuple[str, ...],
    run_id: str,
) -> Release:
    """The record of a push."""
    return Release(
        service=settings.service,
        image=pushed.reference,
        repository=str(pushed.repository),
        digest=pushed.manifest.digest,
        config_digest=pushed.config_digest,
        media_type=pushed.manifest.media_type,
        tags=pushed.tags,
        commit=image.commit,
        is_dirty=image.is_dirty,
        version=None if image.is_dirty else find_version(git_tags),
        build=settings.build_number,
        url=find_job_url(os.environ),
        run=run_id,
        finished_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        tests=outcomes.counts(),
        evidence=pushed.evidence,
    )


def make_evidence(settings: Settings, image: ImageUnderTest, outcomes: RunOutcomes) -> RunEvidence:
    """What the run knows about itself."""
    repeated = set(outcomes.repeated)
    passed = outcomes.named(Verdict.PASSED)
    configuration: list[dict[str, Any]] = []
    if settings.config_file is not None:
        body = (settings.rootdir / settings.config_file).read_bytes()
        digest = {"sha256": hashlib.sha256(body).hexdigest()}
        configuration.append({"name": str(settings.config_file), "digest": digest})
    if image.commit is not None:
        name = "git commit, with changes" if image.is_dirty else "git commit"
        configuration.append({"name": name, "digest": {"gitCommit": image.commit}})
    return RunEvidence(
        passed=[name for name in passed if name not in repeated],
        warned=[name for name in passed if name in repeated],
        configuration=configuration,
        url=find_job_url(os.environ),
    )
