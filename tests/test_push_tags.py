"""Tags from templates, as tables; whatever git and CI systems say, the result is what registries take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dockerci.image_reference import is_tag
from pytest_dockerci.push_tags import (
    DEFAULT_TEMPLATES,
    PushTag,
    TagFacts,
    clean_tag,
    expand_tags,
    find_version,
    is_release,
    unknown_part,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("facts", "tags"),
    [
        pytest.param(
            TagFacts(commit=COMMIT, build="812", git_tags=("v1.4.0",)),
            ["0123456789ab", "812", "1.4.0 (version)", "latest"],
            id="a release in CI",
        ),
        pytest.param(TagFacts(commit=COMMIT, build="812"), ["0123456789ab", "812", "latest"], id="CI"),
        pytest.param(TagFacts(commit=COMMIT), ["0123456789ab", "latest"], id="at a desk"),
        pytest.param(
            TagFacts(commit=COMMIT, is_dirty=True, git_tags=("v1.4.0",)),
            ["0123456789ab-dirty", "latest"],
            id="changes since the release",
        ),
        pytest.param(TagFacts(build="8/12"), ["8-12", "latest"], id="no git"),
        pytest.param(TagFacts(), ["latest"], id="nothing known"),
        pytest.param(TagFacts(build="///"), ["---", "latest"][1:], id="a build number without a letter"),
        pytest.param(
            TagFacts(commit=COMMIT, git_tags=("release", "v1.4", "v1.10", "7")),
            ["0123456789ab", "1.10 (version)", "latest"],
            id="several git tags",
        ),
    ],
)
def test_default_tags(facts: TagFacts, tags: list[str]) -> None:
    """What has no value is left out."""
    expanded = expand_tags(DEFAULT_TEMPLATES, facts)
    assert [f"{tag.name}{' (version)' if tag.is_version else ''}" for tag in expanded] == tags


def test_templates_may_join_several_things() -> None:
    """A part that has no value leaves the whole template out; equal tags are one, and stay a version."""
    facts = TagFacts(commit=COMMIT, git_tags=("v2.0.0+cuda12",))
    templates = ("{version}-slim", "{build}-{commit}", "main-{commit}", "2.0.0_cuda12", "{version}")
    assert expand_tags(templates, facts) == (
        PushTag("2.0.0_cuda12-slim", is_version=True),
        PushTag("main-0123456789ab"),
        PushTag("2.0.0_cuda12", is_version=True),
    )


@pytest.mark.parametrize(
    ("git_tags", "version"),
    [
        ((), None),
        (("v1.2.3",), "1.2.3"),
        (("1.2.3",), "1.2.3"),
        (("1.2.3rc1", "1.2.3"), "1.2.3"),
        (("1.9", "1.10"), "1.10"),
        (("v2", "latest", "release-3", "vv1.0"), None),
        (("v1!2.0",), "1!2.0"),
        (("2026.11",), "2026.11"),
    ],
)
def test_versions_among_git_tags(git_tags: tuple[str, ...], version: str | None) -> None:
    """The highest; a single number or a word is none."""
    assert find_version(git_tags) == version


@pytest.mark.parametrize(
    ("template", "unknown"),
    [
        ("latest", ""),
        ("{commit}-{build}", ""),
        ("{branch}", "{branch}"),
        ("{}", "{}"),
        ("{commit", "{"),
        ("my tag", " "),
        ("a/b", "/"),
        ("größe", "ö"),
    ],
)
def test_what_a_template_cannot_have(template: str, unknown: str) -> None:
    """Placeholders that do not exist, characters that no tag has."""
    assert unknown_part(template) == unknown


@pytest.mark.parametrize(
    ("tag", "is_one"),
    [
        ("1.4.0", True),
        ("v1.4.0", True),
        ("1.4.0-rc1", True),
        ("1.4.0.1", True),
        ("1.4", False),
        ("1", False),
        ("latest", False),
        ("0123456789ab", False),
        ("main-1.4.0", False),
    ],
)
def test_what_names_one_release(tag: str, is_one: bool) -> None:  # noqa: FBT001 - a table
    """``1.4`` moves from release to release, ``1.4.0`` never."""
    assert is_release(tag) is is_one


@given(st.text(max_size=200))
def test_every_text_becomes_a_tag_or_nothing(text: str) -> None:
    """And a tag stays what it is."""
    tag = clean_tag(text)
    assert tag == "" or is_tag(tag)
    assert clean_tag(tag) == tag
