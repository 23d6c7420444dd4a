"""Whether what a registry holds is the tested image, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_dockerci.engine.registry import Manifest, RegistryRepository
from pytest_dockerci.errors import RegistryError

_MAX_MANIFESTS = 64


def require_tested(registry: RegistryRepository, manifest: Manifest, image_id: str) -> str:
    """Require that a manifest stands for the tested image, and that everything that it names is there.

    A classic image store names an image by the digest of its configuration, a containerd store by the
    digest of its manifest or index (``docker image inspect``, Engine 28).

    Returns:
        The digest of the image's configuration; empty for an index.

    Raises:
        RegistryError: It does not, or something is missing.
    """
    try:
        return _require_tested(registry, manifest, image_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RegistryError(
            "what the registry holds is no image", why=f"{type(error).__name__}: {error}"
        ) from error


def _require_tested(registry: RegistryRepository, manifest: Manifest, image_id: str) -> str:
    data = manifest.data
    if manifest.is_index:
        if manifest.digest != image_id:
            raise RegistryError(
                "the registry holds another image than the tested one",
                why=f"tested {image_id}, found the index {manifest.digest}",
            )
        _require_listed(registry, data)
        return ""
    config = data.get("config") or {}
    if image_id not in (manifest.digest, config.get("digest")):
        raise RegistryError(
            "the registry holds another image than the tested one",
            why=f"tested {image_id}, found {manifest.digest} with the configuration {config.get('digest')}",
            fix="somebody pushed under this run's tag, or the registry changes what it stores; run again",
        )
    _require_blobs(registry, data)
    return str(config["digest"])


def _require_listed(registry: RegistryRepository, index: Mapping[str, Any]) -> None:
    for entry in list(index.get("manifests") or [])[:_MAX_MANIFESTS]:
        digest = str(entry.get("digest"))
        listed = registry.manifest(digest)
        if listed is None:
            raise missing_part(registry, f"the manifest {digest}, which the index names")
        if not listed.is_index:
            _require_blobs(registry, listed.data)


def _require_blobs(registry: RegistryRepository, data: Mapping[str, Any]) -> None:
    """Every layer is there, and there are as many as the configuration says."""
    config, layers = data.get("config") or {}, list(data.get("layers") or [])
    content = json.loads(registry.blob(str(config.get("digest"))))
    expected = (content.get("rootfs") or {}).get("diff_ids") if isinstance(content, dict) else None
    if expected is not None and len(expected) != len(layers):
        raise missing_part(
            registry, f"{len(expected) - len(layers)} of {len(expected)} layers in the manifest"
        )
    for layer in layers:
        if not registry.has_blob(str(layer.get("digest")), int(layer.get("size") or 0)):
            raise missing_part(registry, f"the layer {layer.get('digest')}, whole")


def missing_part(registry: RegistryRepository, thing: str) -> RegistryError:
    """The error of a registry that has lost a part of what was pushed to it."""
    return RegistryError(
        f"the registry {registry.repository.registry} does not have all that it took",
        why=f"it lacks {thing}",
        fix="look at the registry's storage, then run again",
    )
