"""What can be proved about an image in a registry: its digest, the statement attached to it, the result in that."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dockerci.engine.referrers import find_statements
from pytest_dockerci.engine.registry import RegistryRepository
from pytest_dockerci.engine.registry_credentials import find_credentials
from pytest_dockerci.engine.registry_link import RegistryLink
from pytest_dockerci.errors import RegistryError
from pytest_dockerci.evidence import (
    ENVELOPE_MEDIA_TYPE,
    FAILED,
    MEDIA_TYPE,
    PREDICATE_TYPE,
    ReadStatement,
    envelope_payload,
    read_statement,
)
from pytest_dockerci.image_reference import Reference

if TYPE_CHECKING:
    from pytest_dockerci.signing import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found.

    Attributes:
        digest: Of the image.
        statements: About it, oldest first; where a key was given, only those that it has signed.
        problems: Statements that are attached to it and prove nothing, each with the reason.
        is_signed: The last statement has a signature, whosever it is.
    """

    digest: str
    statements: tuple[ReadStatement, ...]
    problems: tuple[str, ...]
    is_signed: bool

    @property
    def failure(self) -> str:
        """Why the image does not count as tested; empty when it does. The last statement counts."""
        if self.statements:
            last = self.statements[-1]
            return f"its last test run says {last.result}" if last.result == FAILED else ""
        return "; ".join(self.problems) or "no test result is attached to it"


def verify_image(
    reference: Reference, environ: Mapping[str, str], key: PublicKey | None = None
) -> Verification:
    """Look at an image in its registry; nothing is pulled.

    Args:
        reference: The image; with both a tag and a digest, the tag has to stand for the digest.
        environ: The host's environment, which leads to the credentials.
        key: Whose signature a statement must have; None for any, or none.

    Raises:
        RegistryError: There is no such image, or the registry fails.
    """
    repository = reference.repository
    credentials = find_credentials(environ, repository)
    link = RegistryLink(repository, credentials, is_insecure=repository.is_loopback, may_write=False)
    with contextlib.closing(link):
        registry = RegistryRepository(repository, link)
        digest = _digest(registry, reference)
        try:
            attached = find_statements(
                registry,
                digest,
                media_types=(MEDIA_TYPE, ENVELOPE_MEDIA_TYPE),
                predicate_type=PREDICATE_TYPE,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RegistryError(
                f"what is attached to {reference} cannot be read",
                why=f"{type(error).__name__}: {error}",
                fix="somebody else attached it, or the registry changed it: push the image again from a green run",
            ) from error
    found = [(kind, _read(kind, body, digest, key)) for kind, body in attached]
    statements = [(kind, each) for kind, each in found if not isinstance(each, str)]
    return Verification(
        digest=digest,
        statements=tuple(each for _, each in statements),
        problems=tuple(each for _, each in found if isinstance(each, str)),
        is_signed=bool(statements) and statements[-1][0] == ENVELOPE_MEDIA_TYPE,
    )


def _read(kind: str, body: bytes, digest: str, key: PublicKey | None) -> ReadStatement | str:
    is_signed = kind == ENVELOPE_MEDIA_TYPE
    if key is not None and not is_signed:
        return "it is not signed"
    if key is not None and not key.has_signed(body):
        return f"it is not signed with the key {key.name}"
    statement = envelope_payload(body) if is_signed else body
    return statement if isinstance(statement, str) else read_statement(statement, digest)


def _digest(registry: RegistryRepository, reference: Reference) -> str:
    manifest = registry.manifest(reference.tag or reference.digest)
    if manifest is None:
        raise RegistryError(
            f"there is no image {reference}",
            why=f"the registry {reference.repository.registry} does not know it",
            fix="look at the name, the tag and the digest",
        )
    if reference.digest and manifest.digest != reference.digest:
        raise RegistryError(
            f"{reference} is not what its tag stands for",
            why=f"{reference.tag} is {manifest.digest}",
            fix="leave out the tag, to look at the digest alone",
        )
    return manifest.digest
