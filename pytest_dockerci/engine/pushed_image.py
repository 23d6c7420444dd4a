"""Whether what a registry holds is the tested image, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_dockerci.engine.registry import Manifest, RegistryRepository
from pytest_dockerci.errors import RegistryError

_MAX_MANIFESTS = 64


def read_back(registry: RegistryRepository, tag: str, sent: str) -> Manifest:
    """What the registry has under the run's tag; it has to be what the engine says that it has sent."""
    manifest = registry.manifest(tag)
    if manifest is None:
        raise _missing(registry, f"the tag {tag}, which the engine has just pushed")
    if sent and manifest.digest != sent:
        raise RegistryError(
            "the registry holds another image than the one that was sent",
            why=f"sent {sent}, found {manifest.digest}",
            fix="somebody pushed under this run's tag, or the registry changes what it stores; run again",
        )
    return manifest


def require_same(registry: RegistryRepository, tag: str, manifest: Manifest) -> None:
    """A tag stands for exactly these bytes."""
    found = registry.manifest(tag)
    if found is None or found.body != manifest.body:
        raise RegistryError(
            f"{registry.repository}:{tag} is not what was just pushed there",
            why=f"it is {'gone' if found is None else found.digest}, not {manifest.digest}",
            fix="another run may have pushed the same tag just now; run again",
        )


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
            raise _missing(registry, f"the manifest {digest}, which the index names")
        if not listed.is_index:
            _require_blobs(registry, listed.data)


def _require_blobs(registry: RegistryRepository, data: Mapping[str, Any]) -> None:
    """Every layer is there, and there are as many as the configuration says."""
    config, layers = data.get("config") or {}, list(data.get("layers") or [])
    content = json.loads(registry.blob(str(config.get("digest"))))
    expected = (content.get("rootfs") or {}).get("diff_ids") if isinstance(content, dict) else None
    if expected is not None and len(expected) != len(layers):
        raise _missing(registry, f"a manifest of {len(expected)} layers: it has one of {len(layers)}")
    for layer in layers:
        if not registry.has_blob(str(layer.get("digest")), int(layer.get("size") or 0)):
            raise _missing(registry, f"the layer {layer.get('digest')}, whole")


def _missing(registry: RegistryRepository, thing: str) -> RegistryError:
    return RegistryError(
        f"the registry {registry.repository.registry} does not have all that it took",
        why=f"it lacks {thing}",
        fix="look at the registry's storage, then run again",
    )
