"""Pushes an image so that what gets the final tags is what was tested, byte by byte.

The engine pushes under a tag of this run alone; its manifest is read back and compared with the
tested image, and evidence is attached to it; only then the same bytes are set under each final tag.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.engine_push import EnginePush, push_by_engine
from pytest_dockerci.engine.images import inspect_image
from pytest_dockerci.engine.labels import RUN_TAG
from pytest_dockerci.engine.pushed_image import read_back, require_same, require_tested
from pytest_dockerci.engine.referrers import attach_statement
from pytest_dockerci.engine.registry import Manifest, RegistryRepository
from pytest_dockerci.engine.registry_credentials import Credentials, find_credentials
from pytest_dockerci.engine.registry_link import RegistryLink
from pytest_dockerci.errors import PushError, RegistryError
from pytest_dockerci.evidence import ENVELOPE_MEDIA_TYPE, MEDIA_TYPE, PREDICATE_TYPE
from pytest_dockerci.image_reference import Repository
from pytest_dockerci.push_tags import PushTag

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.progress import Progress
    from pytest_dockerci.signing import StatementSigner

# A registry may take long to store a large layer, and the engine says nothing meanwhile.
_SILENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """What is to be pushed, and where to.

    Attributes:
        image_id: The tested image, as the engine knows it.
        repository: Where to.
        tags: The final tags, in the order in which they are set.
        run_id: Makes the tag of this run.
        environ: The host's environment, which leads to Docker's configuration.
        make_statement: Makes the evidence for a manifest's digest; it is attached before a final tag is set.
        signer: Signs it; None to leave it unsigned.
        read_seconds: How long the registry may be silent towards us; None for the default.
        silence_seconds: How long the engine may be silent while it pushes.
    """

    image_id: str
    repository: Repository
    tags: tuple[PushTag, ...]
    run_id: str
    environ: Mapping[str, str]
    make_statement: Callable[[str], bytes]
    signer: StatementSigner | None = None
    read_seconds: float | None = None
    silence_seconds: float = _SILENCE_SECONDS

    @property
    def run_tag(self) -> str:
        """The tag that no other run uses."""
        return f"{RUN_TAG}{self.run_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What is in the registry now.

    Attributes:
        repository: Where.
        manifest: The bytes that every tag stands for.
        config_digest: Of the image's configuration; empty for an index of several platforms.
        tags: The final tags, set and read back.
        overtaken: Those that another run has moved on in the same instant.
        run_tag: The run's own tag, where the registry would not drop it; else empty.
        statement: The evidence.
        envelope: The same, signed; None where it is not.
        evidence: Digest of the statement's manifest, attached to the image; empty where the registry takes none.
    """

    repository: Repository
    manifest: Manifest
    config_digest: str
    tags: tuple[str, ...]
    overtaken: tuple[str, ...]
    run_tag: str
    statement: bytes
    envelope: bytes | None
    evidence: str

    @property
    def reference(self) -> str:
        """Names exactly these bytes, for ever."""
        return f"{self.repository}@{self.manifest.digest}"


def push_image(engine: Engine, plan: PushPlan, progress: Progress) -> Pushed:
    """Push the tested image.

    Whatever goes wrong before the first final tag is set leaves all of them as they were. To repeat is safe.

    Raises:
        PushError: The image is gone, the registry failed or refused, or a version tag stands for other bytes.
    """
    if inspect_image(engine, plan.image_id) is None:
        raise PushError(
            f"the tested image was not pushed to {plan.repository}",
            why=f"{plan.image_id} is no longer on the engine: somebody has removed it since the build",
            fix="run again, without `docker image prune` beside it",
        )
    begun: list[str] = []
    try:
        with repository_link(engine, plan.repository, plan.environ, plan.read_seconds) as (
            registry,
            credentials,
        ):
            _require_free_versions(registry, plan, "")
            try:
                order = EnginePush(
                    image_id=plan.image_id,
                    repository=plan.repository,
                    tag=plan.run_tag,
                    credentials=credentials,
                    silence_seconds=plan.silence_seconds,
                )
                sent = push_by_engine(engine, order, progress)
                manifest = read_back(registry, plan.run_tag, sent)
                config_digest = require_tested(registry, manifest, plan.image_id)
                statement = plan.make_statement(manifest.digest)
                envelope = None if plan.signer is None else plan.signer.sign(statement)
                evidence = attach_statement(
                    registry,
                    manifest,
                    statement if envelope is None else envelope,
                    media_type=MEDIA_TYPE if envelope is None else ENVELOPE_MEDIA_TYPE,
                    predicate_type=PREDICATE_TYPE,
                    created=datetime.now(timezone.utc).isoformat(),
                )
                overtaken = _set_tags(registry, plan, manifest, begun, progress)
            except RegistryError as error:
                if error.status:  # it answers; one that does not would keep us waiting once more
                    with contextlib.suppress(RegistryError):
                        registry.delete_tag(plan.run_tag)
                raise
            tags = tuple(tag.name for tag in plan.tags if tag.name not in overtaken)
            is_dropped = _drop_run_tag(registry, plan.run_tag, manifest, tags)
    except RegistryError as error:
        raise _push_error(plan, begun, error) from error
    finally:
        progress.status("")
    return Pushed(
        repository=plan.repository,
        manifest=manifest,
        config_digest=config_digest,
        tags=tags,
        overtaken=overtaken,
        run_tag="" if is_dropped else plan.run_tag,
        statement=statement,
        envelope=envelope,
        evidence=evidence,
    )


def _set_tags(
    registry: RegistryRepository, plan: PushPlan, manifest: Manifest, begun: list[str], progress: Progress
) -> tuple[str, ...]:
    """Set the final tags, each read back; those that somebody else has moved on meanwhile."""
    _require_free_versions(registry, plan, manifest.digest)
    overtaken = []
    for tag in plan.tags:
        progress.status(f"tagging {plan.repository}:{tag.name}")
        before = registry.manifest(tag.name)
        begun.append(tag.name)
        registry.put_manifest(tag.name, manifest)
        found = registry.manifest(tag.name)
        # What it was before is a registry that does not do what it says; something new is another run's.
        if found not in (None, before, manifest) and not tag.is_version:
            overtaken.append(tag.name)
        else:
            require_same(registry, tag.name, manifest)
    return tuple(overtaken)


def _drop_run_tag(
    registry: RegistryRepository, run_tag: str, manifest: Manifest, tags: Sequence[str]
) -> bool:
    """Drop the run's own tag; false where that cannot be done, which is no reason to fail.

    There are registries that take the manifest away with a tag: the final ones are looked at once more.
    """
    try:
        if not registry.delete_tag(run_tag):
            return False
        is_dropped = True
    except RegistryError:  # it may have done it all the same
        is_dropped = False
    for tag in tags:
        require_same(registry, tag, manifest)
    return is_dropped


@contextlib.contextmanager
def repository_link(
    engine: Engine, repository: Repository, environ: Mapping[str, str], read_seconds: float | None = None
) -> Iterator[tuple[RegistryRepository, Credentials]]:
    """A repository to read from and write to, with the account and the trust that the engine's pushes have."""
    credentials = find_credentials(environ, repository)
    options = {} if read_seconds is None else {"read_seconds": read_seconds}
    is_insecure = is_insecure_registry(engine.client.info(), repository)
    link = RegistryLink(repository, credentials, is_insecure=is_insecure, may_write=True, **options)
    with contextlib.closing(link):
        yield RegistryRepository(repository, link), credentials


def is_insecure_registry(info: Mapping[str, Any], repository: Repository) -> bool:
    """True when the engine takes a registry without checked certificates: on loopback, or by its configuration.

    Args:
        info: What ``docker info`` says; networks count for registries that are named by an address.
        repository: In the registry.
    """
    configured = info.get("RegistryConfig") or {}
    known = (configured.get("IndexConfigs") or {}).get(repository.registry) or {}
    if "Secure" in known:
        return repository.is_loopback or not known["Secure"]
    return repository.is_loopback or repository.is_within(configured.get("InsecureRegistryCIDRs") or ())


def _require_free_versions(registry: RegistryRepository, plan: PushPlan, digest: str) -> None:
    """A version tag never moves to other bytes: it is not there, or stands for these already.

    Args:
        registry: The repository.
        plan: Names the tags.
        digest: What they are about to stand for; empty before it is known: the image's id decides then.
    """
    for tag in plan.tags:
        found = registry.manifest(tag.name) if tag.is_version else None
        if found is None:
            continue
        config = "" if found.is_index else str((found.data.get("config") or {}).get("digest"))
        if found.digest != digest if digest else plan.image_id not in (found.digest, config):
            raise RegistryError(
                f"the version tag {tag.name} stands for another image already",
                why=f"{plan.repository}:{tag.name} is {found.digest}; a version never moves to other bytes",
                fix="give the commit a new version tag, or leave {version} out of dockerci_push_tags",
            )


def _push_error(plan: PushPlan, begun: Sequence[str], error: RegistryError) -> PushError:
    if begun:
        state = f"these tags stand for the tested image, or for what was there before: {', '.join(begun)}"
    else:
        state = f"no tag of {plan.repository} was changed"
    why = "\n".join(line for line in (error.what, *error.why.splitlines(), state) if line)
    return PushError(
        f"the tested image was not pushed to {plan.repository}",
        why=why,
        fix=error.fix or "run again; to repeat is safe",
    )
