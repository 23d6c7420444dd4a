"""The registry client: on Debian's registry, and by script where that one cannot be made to misbehave."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fault_proxy import CUT, HANG, running_proxy
from pytest_dockerci.engine.registry import (
    DOCKER_MANIFEST,
    OCI_MANIFEST,
    Manifest,
    RegistryRepository,
    digest_of,
)
from pytest_dockerci.engine.registry_credentials import Credentials, find_credentials
from pytest_dockerci.engine.registry_link import RegistryLink
from pytest_dockerci.errors import RegistryError
from pytest_dockerci.image_reference import Repository, parse_repository
from registry_process import PASSWORD, USER, make_certificate, running_registry

from .scripted_registry import Reply, Request, scripted_registry


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that is open to everybody."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@contextmanager
def opened(
    address: str, path: str = "shop/web", credentials: Credentials | None = None, read_seconds: float = 20
) -> Iterator[RegistryRepository]:
    """A repository of a registry on loopback."""
    repository = Repository(address, path)
    link = RegistryLink(
        repository,
        credentials or Credentials(),
        is_insecure=True,
        may_write=True,
        read_seconds=read_seconds,
    )
    try:
        yield RegistryRepository(repository, link)
    finally:
        link.close()


def put_image(registry: RegistryRepository, content: bytes = b"layer") -> Manifest:
    """Store a small image's blobs; its manifest."""
    config = json.dumps({"rootfs": {"diff_ids": [digest_of(content)]}}).encode()
    manifest = Manifest(
        media_type=OCI_MANIFEST,
        body=json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": registry.put_blob(config),
                    "size": len(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar",
                        "digest": registry.put_blob(content),
                        "size": len(content),
                    }
                ],
            }
        ).encode(),
    )
    registry.put_manifest(manifest.digest, manifest)
    return manifest


# On a real one


def test_what_is_put_is_what_is_read(address: str) -> None:
    """Bytes and kind are the same, by tag and by digest; a tag moves only when it is set."""
    with opened(address, "shop/round-trip") as registry:
        assert registry.manifest("latest") is None
        first, second = put_image(registry), put_image(registry, b"another")
        registry.put_manifest("latest", first)
        assert registry.manifest("latest") == first
        assert registry.manifest(second.digest) == second
        registry.put_manifest("latest", second)
        assert registry.manifest("latest") == second


def test_blobs_are_there_with_their_size(address: str) -> None:
    """A blob of another size is not the blob; one that was put twice is there once."""
    with opened(address, "shop/blobs") as registry:
        digest = registry.put_blob(b"twelve bytes")
        assert registry.put_blob(b"twelve bytes") == digest
        assert registry.has_blob(digest, 12)
        assert not registry.has_blob(digest, 13)
        assert not registry.has_blob(digest_of(b"never put"), 9)
        assert registry.blob(digest) == b"twelve bytes"


def test_debians_registry_drops_no_tag_and_has_no_referrers(address: str) -> None:
    """It says so, which is no failure, and the tag stays."""
    with opened(address, "shop/limits") as registry:
        manifest = put_image(registry)
        registry.put_manifest("one", manifest)
        assert not registry.delete_tag("one")
        assert registry.manifest("one") == manifest
        assert registry.referrers(manifest.digest) is None


def test_a_manifest_with_a_missing_layer_is_not_taken(address: str) -> None:
    """The registry says which part it lacks, and the tag is not set."""
    with opened(address, "shop/holes") as registry:
        whole = put_image(registry)
        body = whole.body.replace(digest_of(b"layer").encode(), digest_of(b"hole").encode())
        with pytest.raises(RegistryError) as caught:
            registry.put_manifest("latest", Manifest(body=body, media_type=OCI_MANIFEST))
        assert registry.manifest("latest") is None
    assert caught.value.status in (400, 404)
    assert "MANIFEST_BLOB_UNKNOWN" in str(caught.value)


# Accounts


def write_config(folder: Path, **sections: object) -> dict[str, str]:
    """Docker's configuration file; the environment that leads to it."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(sections))
    return {"DOCKER_CONFIG": str(folder), "PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that wants a password."""
    with running_registry(tmp_path_factory.mktemp("guarded"), has_password=True) as running:
        yield running


def test_without_an_account_the_error_says_how_to_get_one(guarded: str) -> None:
    """The whole text."""
    with opened(guarded) as registry, pytest.raises(RegistryError) as caught:
        registry.manifest("latest")
    assert str(caught.value) == (
        f"the registry {guarded} refuses GET /v2/shop/web/manifests/latest\n"
        "  why: HTTP 401: UNAUTHORIZED: authentication required\n"
        f"  try: `docker login {guarded}` as an account that may use shop/web"
    )


def test_the_account_of_docker_login_is_used(guarded: str, tmp_path: Path) -> None:
    """As it stands in the configuration file."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    environ = write_config(tmp_path, auths={guarded: {"auth": auth}})
    credentials = find_credentials(environ, Repository(guarded, "shop/web"))
    assert credentials.for_engine["username"] == USER
    with opened(guarded, credentials=credentials) as registry:
        assert registry.manifest("latest") is None
        put_image(registry)


@pytest.mark.parametrize("section", ["credsStore", "credHelpers"])
def test_a_credential_helper_is_asked(
    guarded: str, tmp_path: Path, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of the registry, or the one for all."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    helper = tmp_path / "docker-credential-probe"
    answer = json.dumps({"ServerURL": guarded, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\ncat > {tmp_path}/asked\necho '{answer}'\n")
    helper.chmod(0o755)
    value: object = "probe" if section == "credsStore" else {guarded: "probe"}
    environ = write_config(tmp_path, **{section: value})
    credentials = find_credentials(environ, Repository(guarded, "shop/web"))
    assert (tmp_path / "asked").read_text() == guarded
    with opened(guarded, credentials=credentials) as registry:
        assert registry.manifest("latest") is None


def test_a_helper_that_fails_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """The helper is named by the configuration file, and is not there."""
    environ = write_config(tmp_path, credsStore="nowhere")
    with pytest.raises(RegistryError) as caught:
        find_credentials(environ, Repository("registry.test", "shop/web"))
    assert str(caught.value).startswith(
        "the credentials for registry.test cannot be had\n  why: Credentials store error: "
    )
    assert str(caught.value).endswith(
        "\n  try: `docker login registry.test` must work in the same shell; "
        f"it reads {tmp_path / 'config.json'}"
    )


def test_credentials_never_show_in_texts(tmp_path: Path) -> None:
    """Neither in their own, nor in one that holds them by accident."""
    from pytest_dockerci.masking import hide  # noqa: PLC0415 - what it hides changes with this test

    auth = base64.b64encode(b"someone:a-password-of-this-test").decode()
    environ = write_config(tmp_path, auths={"registry.test": {"auth": auth}})
    credentials = find_credentials(environ, Repository("registry.test", "shop/web"))
    assert "a-password-of-this-test" not in repr(credentials)
    assert hide("said a-password-of-this-test") == "said ***"


ACCOUNT = Credentials(username="u", password="secret")  # noqa: S106 - of no registry
ACCOUNT_BY_TOKEN = Credentials(identity_token="refresh-me")  # noqa: S106 - as above


class TokenRegistry:
    """Wants a bearer token, which a token server gives for an account; the first one expires at once."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[Request] = []
        self.valid = 0

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        if request.path.startswith("/token"):
            self.asked.append(request)
            self.valid += 1
            return Reply(body=json.dumps({"token": f"t{self.valid}"}).encode())
        if request.path != "/v2/" and request.headers.get("Authorization") == f"Bearer t{self.valid}":
            return Reply(404)
        challenge = f'Bearer realm="http://{self.address}/token",service="registry",scope="x"'
        return Reply(401, {"WWW-Authenticate": challenge})


def test_a_token_is_asked_for_the_repository_and_renewed_when_it_has_expired() -> None:
    """For pulling and pushing, with the account as basic authentication."""
    registry = TokenRegistry()
    with scripted_registry(registry) as address:
        registry.address = address
        with opened(address, credentials=ACCOUNT) as repository:
            assert repository.manifest("latest") is None
            assert repository.manifest("latest") is None
            assert len(registry.asked) == 1
            registry.valid += 1  # what it has is worth nothing any more
            assert repository.manifest("latest") is None
    assert [request.path for request in registry.asked] == [
        "/token?service=registry&scope=repository%3Ashop%2Fweb%3Apull%2Cpush"
    ] * 2
    assert registry.asked[0].headers["Authorization"] == "Basic " + base64.b64encode(b"u:secret").decode()


def test_an_identity_token_is_exchanged() -> None:
    """As OAuth 2 has it: in a form, not in the address."""
    registry = TokenRegistry()
    with scripted_registry(registry) as address:
        registry.address = address
        with opened(address, credentials=ACCOUNT_BY_TOKEN) as repository:
            assert repository.manifest("latest") is None
    [asked] = registry.asked
    assert (asked.method, asked.path) == ("POST", "/token")
    assert b"grant_type=refresh_token" in asked.body
    assert b"refresh_token=refresh-me" in asked.body


# Failures


def test_one_bad_answer_is_asked_again(address: str) -> None:
    """A registry that is not well for a moment does not cost a run."""
    with running_proxy(address) as proxy, opened(proxy.address) as registry:
        proxy.plan("503", only_once=True)
        assert registry.manifest("latest") is None
        assert proxy.seen == ["GET /v2/shop/web/manifests/latest"] * 2


@pytest.mark.parametrize(
    ("fault", "why", "fix"),
    [
        (
            "403",
            "HTTP 403: TEST: the test said so",
            "the account of `docker login {registry}` needs the right",
        ),
        ("500", "HTTP 500: TEST: the test said so", "look at the registry's own log, then run again"),
        (CUT, "it hung up", "look at the network and at the registry"),
        (HANG, "no answer in time", "look at the network and at the registry"),
    ],
)
def test_a_failure_says_what_and_why(address: str, fault: str, why: str, fix: str) -> None:
    """One error, in the registry's words or the system's."""
    with running_proxy(address) as proxy, opened(proxy.address, read_seconds=0.5) as registry:
        proxy.plan(fault)
        with pytest.raises(RegistryError) as caught:
            registry.manifest("latest")
        assert caught.value.why == why
        assert caught.value.fix.startswith(fix.format(registry=proxy.address))


def test_a_new_upload_is_not_repeated(address: str) -> None:
    """What may have been done is not done twice."""
    with running_proxy(address) as proxy, opened(proxy.address, "shop/once") as registry:
        proxy.plan("503", first=2)  # the first asks whether the blob is there
        with pytest.raises(RegistryError):
            registry.put_blob(b"content")
        assert [request.partition(" ")[0] for request in proxy.seen] == ["HEAD", "POST"]


@contextmanager
def answering(reply: Reply) -> Iterator[RegistryRepository]:
    """A registry that says one thing, whatever it is asked."""
    with scripted_registry(lambda request: reply) as address, opened(address) as registry:
        yield registry


LIE = digest_of(b"what it says")


@pytest.mark.parametrize(
    ("reference", "headers"),
    [
        pytest.param(LIE, {}, id="asked by digest"),
        pytest.param("latest", {"Docker-Content-Digest": LIE}, id="wrong digest beside it"),
    ],
)
def test_bytes_that_are_not_what_they_are_called_are_refused(reference: str, headers: dict[str, str]) -> None:
    """Nothing that a registry says about bytes is believed."""
    reply = Reply(200, {"Content-Type": DOCKER_MANIFEST, **headers}, b"{}")
    with answering(reply) as registry, pytest.raises(RegistryError) as caught:
        registry.manifest(reference)
    assert "contradicts itself" in str(caught.value)
    assert LIE in str(caught.value)


def test_a_push_is_not_sent_on() -> None:
    """It would carry the image to somebody else."""
    elsewhere = Reply(307, {"Location": "http://elsewhere.invalid/"})
    with answering(elsewhere) as registry, pytest.raises(RegistryError) as caught:
        registry.put_manifest("latest", Manifest(body=b"{}", media_type=OCI_MANIFEST))
    assert "sends a PUT on to http://elsewhere.invalid/" in str(caught.value)


def test_reading_is_sent_on_to_the_web_only() -> None:
    """Not to a file of this machine, for instance."""
    elsewhere = Reply(307, {"Location": "ftp://elsewhere.invalid/"})
    with answering(elsewhere) as registry, pytest.raises(RegistryError) as caught:
        registry.manifest("latest")
    assert "sends a GET on to ftp://elsewhere.invalid/" in str(caught.value)


def test_an_endless_answer_is_cut() -> None:
    """Memory does not grow with what a registry sends."""
    with answering(Reply(200, {}, b"x" * (9 << 20))) as registry, pytest.raises(RegistryError) as caught:
        registry.manifest("latest")
    assert "too large" in str(caught.value)


def test_credentials_stay_with_their_registry() -> None:
    """A blob that lies elsewhere is fetched without them."""
    seen: list[Request] = []

    def elsewhere(request: Request) -> Reply:
        seen.append(request)
        return Reply(body=b"blob")

    with scripted_registry(elsewhere) as other:

        def registry(request: Request) -> Reply:
            if "Authorization" not in request.headers:
                return Reply(401, {"WWW-Authenticate": 'Basic realm="x"'})
            return Reply(307, {"Location": f"http://{other}/storage"})

        with (
            scripted_registry(registry) as address,
            opened(address, credentials=ACCOUNT) as repository,
        ):
            assert repository.blob(digest_of(b"blob")) == b"blob"
    assert [("Authorization" in request.headers, request.path) for request in seen] == [(False, "/storage")]


def test_certificates_are_checked_but_where_the_engine_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against those of the machine, or those that SSL_CERT_FILE names; on loopback against none, as the engine."""
    certificate, key = make_certificate(tmp_path)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with running_registry(tmp_path / "registry", certificate=(certificate, key)) as address:
        with monkeypatch.context() as bundled, opened(address) as registry:
            bundled.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
            image = put_image(registry)

        def read_strictly() -> Manifest | None:
            repository = Repository(address, "shop/web")
            link = RegistryLink(repository, Credentials(), is_insecure=False, may_write=False)
            try:
                return RegistryRepository(repository, link).manifest(image.digest)
            finally:
                link.close()

        with pytest.raises(RegistryError) as caught:
            read_strictly()
        assert "certificate verify failed" in caught.value.why
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert read_strictly() == image


def test_a_registry_elsewhere_is_spoken_to_over_tls_only() -> None:
    """Without the engine's word for it, there is no way around."""
    with scripted_registry(lambda request: Reply(404)) as address:
        link = RegistryLink(
            parse_repository(f"{address}/web"), Credentials(), is_insecure=False, may_write=False
        )
        with pytest.raises(RegistryError) as caught:
            RegistryRepository(Repository(address, "web"), link).manifest("latest")
        link.close()
    assert f"the registry {address} does not answer" in str(caught.value)
