"""Evidence beside an image: on Debian's registry by the tag schema, by script where a registry lists referrers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dockerci.cli import main
from pytest_dockerci.engine.referrers import attach_statement, find_statements, referrers_tag
from pytest_dockerci.engine.registry import OCI_INDEX, Manifest, RegistryRepository, digest_of
from pytest_dockerci.errors import RegistryError
from pytest_dockerci.evidence import (
    ENVELOPE_MEDIA_TYPE,
    MEDIA_TYPE,
    PREDICATE_TYPE,
    RunEvidence,
    statement_of,
)
from pytest_dockerci.signing import read_private_key
from registry_process import running_registry
from test_signing import make_keys

from .scripted_registry import Reply, Request, scripted_registry
from .test_registry import opened, put_image


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def statement(manifest: Manifest, *passed: str) -> bytes:
    """That tests have passed on an image."""
    return statement_of(RunEvidence(passed=passed), name="web", digest=manifest.digest)


def attach(
    registry: RegistryRepository,
    manifest: Manifest,
    body: bytes,
    minute: int = 0,
    media_type: str = MEDIA_TYPE,
) -> str:
    """Attach a statement."""
    return attach_statement(
        registry,
        manifest,
        body,
        media_type=media_type,
        predicate_type=PREDICATE_TYPE,
        created=f"2026-11-27T11:{minute:02d}:00+00:00",
    )


def found(registry: RegistryRepository, digest: str) -> list[bytes]:
    """What is attached."""
    statements = find_statements(
        registry, digest, media_types=(MEDIA_TYPE, ENVELOPE_MEDIA_TYPE), predicate_type=PREDICATE_TYPE
    )
    return [body for _, body in statements]


def test_the_tag_schema_takes_the_place_of_the_interface(address: str) -> None:
    """Several statements about one image; what is attached to another is not seen; twice is once."""
    with opened(address, "shop/listed") as registry:
        image, other = put_image(registry), put_image(registry, b"other")
        first, second = statement(image, "a"), statement(image, "a", "b")
        assert found(registry, image.digest) == []
        attach(registry, image, first)
        attach(registry, other, statement(other, "x"))
        digest = attach(registry, image, second, minute=1)
        assert attach(registry, image, second, minute=1) == digest
        assert found(registry, image.digest) == [first, second]
        index = registry.manifest(referrers_tag(image.digest))
        assert index is not None
        assert index.media_type == OCI_INDEX
        [_, entry] = index.data["manifests"]
        assert entry["digest"] == digest
        assert entry["artifactType"] == "application/vnd.in-toto+json"
        attached = registry.manifest(digest)
        assert attached is not None
        assert attached.data["subject"]["digest"] == image.digest


class ReferrersRegistry:
    """A registry in memory that lists referrers by itself, as the specification has it."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.seen: list[str] = []
        self.listed: list[dict[str, object]] = []  # what it lists, whatever it has

    def __call__(self, request: Request) -> Reply:  # noqa: PLR0911 - one for each kind of request
        """Answer."""
        path = request.path.partition("?")[0]
        self.seen.append(f"{request.method} {path}")
        what, _, name = path.removeprefix("/v2/shop/web/").partition("/")
        match request.method, what:
            case "PUT", "manifests":
                return self._put(name, request)
            case "GET", "manifests" if name in self.manifests:
                kind, body = self.manifests[name]
                return Reply(200, {"Content-Type": kind}, body)
            case "GET", "referrers":
                return self._list(name)
            case "POST", "blobs":
                return Reply(202, {"Location": "/v2/shop/web/blobs/uploads/1"})
            case "PUT", "blobs":
                self.blobs[digest_of(request.body)] = request.body
                return Reply(201)
            case (("GET" | "HEAD"), "blobs") if name in self.blobs:
                return Reply(200, {}, self.blobs[name])
            case _:
                return Reply(404)

    def _put(self, name: str, request: Request) -> Reply:
        kind = request.headers["Content-Type"]
        self.manifests[name] = self.manifests[digest_of(request.body)] = (kind, request.body)
        subject = json.loads(request.body).get("subject")
        return Reply(201, {"OCI-Subject": subject["digest"]} if subject else {})

    def _list(self, digest: str) -> Reply:
        listed = list(self.listed)
        for name, (kind, body) in ({} if listed else self.manifests).items():
            data = json.loads(body)
            if data.get("subject", {}).get("digest") == digest:
                entry = {"mediaType": kind, "digest": name, "size": len(body)}
                listed.append({**entry, "artifactType": data["artifactType"]})
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        return Reply(200, {"Content-Type": OCI_INDEX}, json.dumps(index).encode())


def test_a_registry_that_lists_referrers_gets_no_tag_for_it() -> None:
    """The interface is used to attach, and to find again."""
    registry = ReferrersRegistry()
    with scripted_registry(registry) as address, opened(address) as repository:
        image = put_image(repository)
        body = statement(image, "a")
        attach(repository, image, body)
        assert found(repository, image.digest) == [body]
    assert f"GET /v2/shop/web/referrers/{image.digest}" in registry.seen
    assert not any(referrers_tag(image.digest) in request for request in registry.seen)


@pytest.mark.parametrize(("status", "is_refused"), [(400, False), (405, False), (403, True), (500, True)])
def test_a_registry_without_such_manifests_is_not_in_the_way(status: int, is_refused: bool) -> None:  # noqa: FBT001 - a table
    """One that does not know them is told apart from one that fails."""
    registry = ReferrersRegistry()

    def answer(request: Request) -> Reply:
        is_artifact = request.method == "PUT" and b'"subject"' in request.body
        return Reply(status) if is_artifact and "/manifests/" in request.path else registry(request)

    with scripted_registry(answer) as address, opened(address) as repository:
        image = put_image(repository)
        if is_refused:
            with pytest.raises(RegistryError):
                attach(repository, image, statement(image, "a"))
        else:
            assert attach(repository, image, statement(image, "a")) == ""


# dockerci verify


def verify(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """What the command says: exit code, standard output and standard error."""
    status = main(["verify", *args])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_tested_image_is_verified(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was tested, and with what that does not prove."""
    with opened(address, "shop/good") as registry:
        image = put_image(registry)
        registry.put_manifest("1.4.0", image)
        attach(registry, image, statement(image, "a", "b"))
    for reference in (f"{address}/shop/good:1.4.0", f"{address}/shop/good@{image.digest}"):
        assert verify(capsys, reference) == (
            0,
            (
                f"image   {address}/shop/good@{image.digest}\n"
                "tests   PASSED: 2 passed\n"
                "unsigned: origin not proved; whoever may write to the repository can attach a statement\n"
            ),
            "",
        )


def test_a_signature_proves_the_origin(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To whoever has the public key; others see that there is one, and what it does not prove to them."""
    private, public = make_keys(tmp_path)
    _, stranger = make_keys(tmp_path, name="stranger")
    signer = read_private_key(str(private), folder=tmp_path, name="dockerci_push_key")
    with opened(address, "shop/signed") as registry:
        image = put_image(registry)
        envelope = signer.sign(statement(image, "a", "b"))
        attach(registry, image, envelope, media_type=ENVELOPE_MEDIA_TYPE)
        # Whoever may write to the repository can add one, but cannot sign it.
        attach(registry, image, statement(image, "c"), minute=1)
    reference = f"{address}/shop/signed@{image.digest}"
    assert verify(capsys, reference, f"--key={public}") == (
        0,
        (
            f"image   {reference}\n"
            "tests   PASSED: 2 passed\n"
            "ignored a statement: it is not signed\n"
            f"signed  with the key {public}\n"
        ),
        "",
    )
    status, said, _ = verify(capsys, reference, f"--key={stranger}")
    assert status == 1
    assert said.endswith(f"NOT TESTED: it is not signed with the key {stranger}; it is not signed\n")


def test_a_signature_that_nobody_checks_proves_nothing(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the command says what to do; an envelope around something else, or around nothing, is no statement."""
    private, _ = make_keys(tmp_path)
    signer = read_private_key(str(private), folder=tmp_path, name="dockerci_push_key")
    with opened(address, "shop/unchecked") as registry:
        image = put_image(registry)
        attach(registry, image, b"{}", media_type=ENVELOPE_MEDIA_TYPE)
        attach(registry, image, signer.sign(b"{}"), minute=1, media_type=ENVELOPE_MEDIA_TYPE)
        attach(registry, image, signer.sign(statement(image, "a")), 2, ENVELOPE_MEDIA_TYPE)
    assert verify(capsys, f"{address}/shop/unchecked@{image.digest}")[:2] == (
        0,
        (
            f"image   {address}/shop/unchecked@{image.digest}\n"
            "tests   PASSED: 1 passed\n"
            "ignored a statement: it is no envelope of a statement\n"
            "ignored a statement: it is no in-toto statement (https://in-toto.io/Statement/v1)\n"
            "signed, origin not proved: give the public key of whom you trust with --key\n"
        ),
    )


def test_an_image_without_evidence_is_not(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Any image may be asked about."""
    with opened(address, "shop/bare") as registry:
        image = put_image(registry)
        registry.put_manifest("latest", image)
    assert verify(capsys, f"{address}/shop/bare") == (
        1,
        f"image   {address}/shop/bare@{image.digest}\nNOT TESTED: no test result is attached to it\n",
        "",
    )


def test_a_statement_about_another_image_proves_nothing(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """However it came to be attached to this one."""
    with opened(address, "shop/foreign") as registry:
        image, other = put_image(registry), put_image(registry, b"other")
        attach(registry, image, statement(other, "a"))
    status, said, _ = verify(capsys, f"{address}/shop/foreign@{image.digest}")
    assert status == 1
    assert f"NOT TESTED: it is about another image, not {image.digest}\n" in said


def test_the_last_result_counts(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure after a pass, for instance on another day, with another suite; in whatever order they are listed."""
    with opened(address, "shop/later") as registry:
        image = put_image(registry)
        attach(registry, image, statement(image, "a").replace(b"PASSED", b"FAILED"), minute=2)
        attach(registry, image, statement(image, "a"), minute=1)
    status, said, _ = verify(capsys, f"{address}/shop/later@{image.digest}")
    assert status == 1
    assert said.endswith("NOT TESTED: its last test run says FAILED\n")


def test_a_tag_that_does_not_stand_for_its_digest_is_told(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole text, on standard error; exit code 8."""
    with opened(address, "shop/moved") as registry:
        first, second = put_image(registry), put_image(registry, b"second")
        registry.put_manifest("latest", second)
    reference = f"{address}/shop/moved:latest@{first.digest}"
    assert verify(capsys, reference) == (
        8,
        "",
        (
            f"{reference} is not what its tag stands for\n"
            f"  why: latest is {second.digest}\n"
            "  try: leave out the tag, to look at the digest alone\n"
        ),
    )


def test_what_is_not_there_or_no_name_is_told(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """8 for the registry's answer, 4 for a word that cannot be meant."""
    assert verify(capsys, f"{address}/shop/none:1")[::2] == (
        8,
        (
            f"there is no image {address}/shop/none:1\n"
            f"  why: the registry {address} does not know it\n"
            "  try: look at the name, the tag and the digest\n"
        ),
    )
    assert verify(capsys, "Shop") == (
        4,
        "",
        (
            "Shop is no name of an image\n"
            "  why: a repository's name has no capital letters\n"
            "  try: write NAME:TAG or NAME@DIGEST\n"
        ),
    )


def test_a_hostile_statement_gives_the_terminal_no_orders(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever may write to the repository chooses its words."""
    with opened(address, "shop/hostile") as registry:
        image = put_image(registry)
        body = statement_of(
            RunEvidence(passed=["a"], url="x\x1b]0;owned\x07\n::set-output name=a::b"),
            name="web",
            digest=image.digest,
        )
        attach(registry, image, body)
    _, said, _ = verify(capsys, f"{address}/shop/hostile@{image.digest}")
    assert not re.search(r"\x1b|\x07|^::", said, re.MULTILINE)


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": ["x"]},
        {"layers": ["x"]},
        {"layers": 5},
        {"subject": "x"},
    ],
)
def test_a_manifest_that_is_none_is_told(
    address: str, capsys: pytest.CaptureFixture[str], change: dict[str, object]
) -> None:
    """Whoever may write to the repository can attach anything; never a traceback."""
    registry = ReferrersRegistry()
    with scripted_registry(registry) as scripted, opened(scripted) as repository:
        image = put_image(repository)
        attach(repository, image, statement(image, "a"))
        [(name, (kind, body))] = [
            (name, value) for name, value in registry.manifests.items() if b'"subject"' in value[1]
        ]
        broken = json.dumps({**json.loads(body), **change}).encode()
        del registry.manifests[name]
        registry.manifests[digest_of(broken)] = (kind, broken)
        listed: dict[str, object] = {"mediaType": kind, "artifactType": MEDIA_TYPE}
        registry.listed = [{**listed, "digest": digest_of(broken)}]
        status, _, error = verify(capsys, f"{scripted}/shop/web@{image.digest}")
    assert status == 8
    assert error.startswith(f"what is attached to {scripted}/shop/web@{image.digest} cannot be read\n  why: ")
