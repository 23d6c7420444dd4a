"""What was released: one plain record, from which everything that deploys can be fed. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A pushed image.

    Attributes:
        service: The Compose service that it is of.
        image: ``repository@sha256:...``: what to deploy.
        repository: With its registry.
        digest: Of the manifest that every tag stands for.
        config_digest: Of the image's configuration; empty for an index of several platforms.
        media_type: Of the manifest.
        tags: Set and read back.
        commit: Full hash; None where it is not known.
        is_dirty: The working tree differed from it.
        version: From the git tag; None for none.
        build: The CI system's build number; None for none.
        url: Of the CI job; empty for none.
        run: The run's id.
        finished_at: RFC 3339, UTC.
        tests: How many tests have each verdict.
        evidence: Digest of the statement's manifest in the registry; empty where it takes none.
    """

    service: str
    image: str
    repository: str
    digest: str
    config_digest: str
    media_type: str
    tags: tuple[str, ...]
    commit: str | None
    is_dirty: bool
    version: str | None
    build: str | None
    url: str
    run: str
    finished_at: str
    tests: Mapping[str, int]
    evidence: str


def release_json(release: Release) -> str:
    """The record as `release.json` holds it."""
    data: dict[str, Any] = {"format": FORMAT, **asdict(release)}
    return json.dumps(data, indent=2) + "\n"
