"""Attaches a statement to an image in a registry, and finds those that are attached.

Source: the OCI Distribution Specification 1.1, "Listing Referrers" and "Referrers Tag Schema": where a
registry has no such interface, an index under a tag made of the digest takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from pytest_dockerci.engine.registry import OCI_INDEX, OCI_MANIFEST, Manifest, RegistryRepository
from pytest_dockerci.errors import RegistryError

# Source: the OCI Image Specification 1.1, "Guidelines for Artifact Usage".
_EMPTY_MEDIA_TYPE = "application/vnd.oci.empty.v1+json"
_EMPTY = b"{}"
PREDICATE_ANNOTATION = "in-toto.io/predicate-type"
_CREATED_ANNOTATION = "org.opencontainers.image.created"
# What a registry answers that does not know this kind of manifest.
_UNSUPPORTED = (400, 404, 405, 406, 415, 422)
_MAX_LISTED = 100


def attach_statement(
    registry: RegistryRepository,
    subject: Manifest,
    body: bytes,
    *,
    media_type: str,
    predicate_type: str,
    created: str,
) -> str:
    """Attach a statement to an image.

    Args:
        registry: Where the image is.
        subject: The image.
        body: The statement.
        media_type: What that is.
        predicate_type: What it says something about.
        created: When, in RFC 3339 and UTC: registries list in any order.

    Returns:
        The digest of the statement's manifest; empty where the registry takes no such thing.

    Raises:
        RegistryError: It does not answer, or refuses for another reason.
    """
    try:
        annotations = {PREDICATE_ANNOTATION: predicate_type, _CREATED_ANNOTATION: created}
        return _attach(registry, subject, body, media_type, annotations)
    except RegistryError as error:
        if error.status in _UNSUPPORTED:
            return ""
        raise


def _attach(
    registry: RegistryRepository,
    subject: Manifest,
    body: bytes,
    media_type: str,
    annotations: dict[str, str],
) -> str:
    config, statement = registry.put_blob(_EMPTY), registry.put_blob(body)
    data = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": media_type,
        "config": {"mediaType": _EMPTY_MEDIA_TYPE, "digest": config, "size": len(_EMPTY)},
        "layers": [
            {
                "mediaType": media_type,
                "digest": statement,
                "size": len(body),
                "annotations": {PREDICATE_ANNOTATION: annotations[PREDICATE_ANNOTATION]},
            }
        ],
        "subject": {
            "mediaType": subject.media_type,
            "digest": subject.digest,
            "size": len(subject.body),
        },
        "annotations": annotations,
    }
    manifest = Manifest(body=json.dumps(data).encode(), media_type=OCI_MANIFEST)
    headers = registry.put_manifest(manifest.digest, manifest)
    if headers.get("OCI-Subject") != subject.digest:
        _list_by_tag(registry, subject, manifest, media_type, annotations)
    return manifest.digest


def _list_by_tag(
    registry: RegistryRepository,
    subject: Manifest,
    manifest: Manifest,
    artifact_type: str,
    annotations: dict[str, str],
) -> None:
    """Add a manifest to the index that stands for the interface which the registry lacks."""
    tag = referrers_tag(subject.digest)
    before = registry.manifest(tag)
    listed = _entries(before)
    listed = [entry for entry in listed if entry.get("digest") != manifest.digest]
    entry = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.body),
        "artifactType": artifact_type,
        "annotations": annotations,
    }
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*listed, entry]}
    registry.put_manifest(tag, Manifest(body=json.dumps(index).encode(), media_type=OCI_INDEX))


def find_statements(
    registry: RegistryRepository, digest: str, *, media_types: Collection[str], predicate_type: str
) -> list[tuple[str, bytes]]:
    """The statements of one kind that are attached to an image, each checked against its digest, newest last.

    Returns:
        The media type and the body of each.

    Raises:
        RegistryError: The registry does not answer, or sends what is not what it calls it.
    """
    index = registry.referrers(digest) or registry.manifest(referrers_tag(digest))
    found: list[tuple[str, str, bytes]] = []
    for entry in _entries(index)[-_MAX_LISTED:]:
        is_meant = (media_type := str(entry.get("artifactType"))) in media_types
        kind = (entry.get("annotations") or {}).get(PREDICATE_ANNOTATION, predicate_type)
        manifest = (
            registry.manifest(str(entry.get("digest"))) if is_meant and kind == predicate_type else None
        )
        if manifest is None or (manifest.data.get("subject") or {}).get("digest") != digest:
            continue
        created = str((manifest.data.get("annotations") or {}).get(_CREATED_ANNOTATION))
        layers = manifest.data.get("layers") or []
        found += [(created, media_type, registry.blob(str(layer.get("digest")))) for layer in layers[:1]]
    return [(media_type, body) for _, media_type, body in sorted(found, key=lambda each: each[0])]


def referrers_tag(digest: str) -> str:
    """The tag that lists what refers to a manifest: ``sha256-...``."""
    return digest.replace(":", "-")


def _entries(index: Manifest | None) -> list[dict[str, Any]]:
    listed = [] if index is None else index.data.get("manifests")
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
