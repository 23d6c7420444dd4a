"""A small client for the registry protocol: manifests, blobs and referrers of one repository.

Source: the OCI Distribution Specification 1.1, and ``distribution``'s token documentation for authentication.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

from pytest_dockerci.engine.registry_link import MAX_JSON_BYTES, RegistryLink, registry_error
from pytest_dockerci.errors import RegistryError
from pytest_dockerci.image_reference import Repository, is_digest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_ACCEPTED = f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}"
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The bytes that say what an image, or anything else in a registry, consists of.

    Attributes:
        body: As they are; their digest is the image's.
        media_type: What they are.
    """

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """Computed from the bytes, whatever the registry says."""
        return digest_of(self.body)

    @property
    def is_index(self) -> bool:
        """It lists other manifests: one for each platform."""
        return self.media_type in (OCI_INDEX, DOCKER_LIST)

    @property
    def data(self) -> dict[str, Any]:
        """What they say.

        Raises:
            RegistryError: They are no JSON object.
        """
        try:
            data = json.loads(self.body)
        except ValueError as error:
            raise RegistryError("the registry's manifest cannot be read", why=str(error)) from error
        if not isinstance(data, dict):
            raise RegistryError("the registry's manifest cannot be read", why="it is no JSON object")
        return data


def digest_of(data: bytes) -> str:
    """The name of bytes in a registry."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class RegistryRepository:
    """One repository of a registry.

    Every method raises `RegistryError` where the registry does not answer, refuses, or says what cannot be.

    Args:
        repository: Which.
        link: Sends the requests.
    """

    def __init__(self, repository: Repository, link: RegistryLink) -> None:
        self.repository = repository
        self._link = link
        self._path = f"/v2/{quote(repository.path)}"

    def manifest(self, reference: str) -> Manifest | None:
        """The manifest of a tag or digest; None where there is none.

        Bytes that are asked for by digest are checked against it.
        """
        answer = self._link.send(
            "GET", f"{self._path}/manifests/{reference}", headers={"Accept": _ACCEPTED}, missing_ok=True
        )
        if answer.status == _NOT_FOUND:
            return None
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        found = Manifest(body=answer.body, media_type=media_type)
        if is_digest(reference) and found.digest != reference:
            raise self._lies(f"asked for {reference}, it sent {found.digest}")
        said = answer.headers.get("Docker-Content-Digest", found.digest)
        if said.startswith("sha256:") and said != found.digest:
            raise self._lies(f"it calls {found.digest} {said}")
        return found

    def put_manifest(self, reference: str, manifest: Manifest) -> Mapping[str, str]:
        """Set a tag to, or store under its digest, a manifest. Gives the answer's headers."""
        answer = self._link.send(
            "PUT",
            f"{self._path}/manifests/{reference}",
            headers={"Content-Type": manifest.media_type},
            data=manifest.body,
        )
        return answer.headers

    def delete_tag(self, tag: str) -> bool:
        """Drop a tag, and nothing else; false where the registry does not offer that."""
        try:
            self._link.send("DELETE", f"{self._path}/manifests/{tag}", missing_ok=True)
        except RegistryError as error:
            if error.status:  # it answered: not here, not for this account
                return False
            raise
        return True

    def has_blob(self, digest: str, size_bytes: int) -> bool:
        """True when a blob of that size is there."""
        answer = self._link.send("HEAD", f"{self._path}/blobs/{digest}", missing_ok=True)
        said = answer.headers.get("Content-Length", "")
        return answer.status != _NOT_FOUND and (not said.isdecimal() or int(said) == size_bytes)

    def blob(self, digest: str, max_bytes: int = MAX_JSON_BYTES) -> bytes:
        """A small blob, checked against its digest."""
        answer = self._link.send("GET", f"{self._path}/blobs/{digest}", max_bytes=max_bytes)
        if digest_of(answer.body) != digest:
            raise self._lies(f"asked for {digest}, it sent {digest_of(answer.body)}")
        return answer.body

    def put_blob(self, data: bytes) -> str:
        """Store a small blob; its digest."""
        digest = digest_of(data)
        if self.has_blob(digest, len(data)):
            return digest
        begun = self._link.send("POST", f"{self._path}/blobs/uploads/", data=b"")
        location = begun.headers.get("Location", "")
        if not location:
            raise self._lies("it accepted an upload and did not say where to")
        place = urljoin(begun.url, location)
        self._link.send(
            "PUT",
            f"{place}{'&' if '?' in place else '?'}digest={quote(digest, safe='')}",
            headers={"Content-Type": "application/octet-stream"},
            data=data,
        )
        return digest

    def referrers(self, digest: str) -> Manifest | None:
        """The index of what refers to a manifest; None where the registry has no such interface."""
        answer = self._link.send(
            "GET", f"{self._path}/referrers/{digest}", headers={"Accept": OCI_INDEX}, missing_ok=True
        )
        if answer.status == _NOT_FOUND:
            return None
        return Manifest(body=answer.body, media_type=OCI_INDEX)

    def _lies(self, why: str) -> RegistryError:
        return registry_error(
            f"the registry {self.repository.registry} contradicts itself",
            why=why,
            fix="it, or something between, is broken or hostile; nothing was trusted",
        )
