"""Names of images, as tables."""

from __future__ import annotations

import pytest

from pytest_dockerci.image_reference import (
    ReferenceFormatError,
    Repository,
    parse_reference,
    parse_repository,
)

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.mark.parametrize(
    ("text", "registry", "path"),
    [
        ("web", "docker.io", "library/web"),
        ("shop/web", "docker.io", "shop/web"),
        ("docker.io/web", "docker.io", "library/web"),
        ("index.docker.io/shop/web", "docker.io", "shop/web"),
        ("localhost/web", "localhost", "web"),
        ("localhost:5000/shop/web", "localhost:5000", "shop/web"),
        ("registry.example.com/a/b/c__d/e-f.g", "registry.example.com", "a/b/c__d/e-f.g"),
        ("[::1]:5000/web", "[::1]:5000", "web"),
    ],
)
def test_repositories(text: str, registry: str, path: str) -> None:
    """The registry is what looks like a host; else it is Docker Hub."""
    assert parse_repository(text) == Repository(registry, path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://registry.example.com/web", "without http:// or https://"),
        ("registry.example.com/Web", "no capital letters"),
        ("web:latest", "the tag is written elsewhere"),
        ("registry.example.com/", "consists of"),
        ("registry.example.com/a//b", "consists of"),
        ("a..b/c", "is no host"),
        ("-x.y/web", "is no host"),
        ("", "consists of"),
        ("we b", "consists of"),
        ("x/" + "a" * 255, "at most 255"),
    ],
)
def test_what_is_no_repository_says_why(text: str, why: str) -> None:
    """One reason each."""
    with pytest.raises(ReferenceFormatError, match=why):
        parse_repository(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web", "docker.io/library/web:latest"),
        ("localhost:5000/web:1.0", "localhost:5000/web:1.0"),
        (f"localhost:5000/web@{DIGEST}", f"localhost:5000/web@{DIGEST}"),
        (f"localhost:5000/web:1.0@{DIGEST}", f"localhost:5000/web:1.0@{DIGEST}"),
    ],
)
def test_references(text: str, shown: str) -> None:
    """A tag, a digest, both, or neither."""
    assert str(parse_reference(text)) == shown


@pytest.mark.parametrize("text", ["web:", "web:-x", "web@sha256:12", "web@", "web:a b"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    """Neither a tag nor a digest."""
    with pytest.raises(ReferenceFormatError):
        parse_reference(text)


@pytest.mark.parametrize(
    ("registry", "is_loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.3.2.1", True),
        ("[::1]:5000", True),
        ("10.0.0.1:5000", False),
        ("registry.example.com", False),
        ("docker.io", False),
    ],
)
def test_only_this_machine_is_loopback(registry: str, is_loopback: bool) -> None:  # noqa: FBT001 - a table
    """There, and only there, engines speak plain HTTP by themselves."""
    assert Repository(registry, "web").is_loopback is is_loopback
