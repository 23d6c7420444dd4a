"""The tags under which a tested image is pushed: from templates, and from what git and the CI system say. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from pytest_dockerci.image_reference import is_tag

DEFAULT_TEMPLATES = ("{commit}", "{build}", "{version}", "latest")
PLACEHOLDERS = ("commit", "build", "version")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_.-]*")
_COMMIT_DIGITS = 12
_MAX_CHARACTERS = 128
# Three numbers name one release; ``1`` and ``1.4`` are names that move from release to release.
_RELEASE = re.compile(r"v?\d+\.\d+\.\d+\b.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFacts:
    """What stands for the placeholders.

    Attributes:
        commit: Full hash of the commit that the image was built from; None when it is not known.
        is_dirty: The working tree differed from it.
        build: The CI system's build number; None outside of one.
        git_tags: Names of the tags that point exactly at the commit.
    """

    commit: str | None = None
    is_dirty: bool = False
    build: str | None = None
    git_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PushTag:
    """A tag to push.

    Attributes:
        name: As registries take it.
        is_version: It names one release: once it is there, it is never moved to other bytes.
    """

    name: str
    is_version: bool = False


def unknown_part(template: str) -> str:
    """What cannot be meant in a template; empty when all of it can.

    A placeholder that does not exist, or a character that no tag may have.
    """
    for name in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            return f"{{{name}}}"
    rest = _PLACEHOLDER.sub("", template)
    return next((character for character in rest if not _LITERAL.fullmatch(character)), "")


def find_version(git_tags: Sequence[str]) -> str | None:
    """The version among tags such as ``v1.4.0``, without its ``v``; the highest where there are several.

    Source: PEP 440 decides what a version is, and which is higher; a single number is none.
    """
    found: list[tuple[Version, str]] = []
    for tag in git_tags:
        text = tag.removeprefix("v")
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        if "." in text and text[0].isdecimal():
            found.append((version, text))
    return max(found)[1] if found else None


def expand_tags(templates: Sequence[str], facts: TagFacts) -> tuple[PushTag, ...]:
    """The tags to push, each once, in the templates' order; a template whose placeholder has no value is left out.

    A dirty tree's commit carries ``-dirty``, and such a tree has no version: its bytes are not that commit's.
    """
    commit = None
    if facts.commit is not None:
        commit = facts.commit[:_COMMIT_DIGITS] + ("-dirty" if facts.is_dirty else "")
    values = {
        "commit": commit,
        "build": facts.build or None,
        "version": None if facts.is_dirty else find_version(facts.git_tags),
    }
    tags: dict[str, PushTag] = {}
    for template in templates:
        names = _PLACEHOLDER.findall(template)
        if any(values.get(name) is None for name in names):
            continue
        tag = clean_tag(_PLACEHOLDER.sub(lambda match: str(values[match[1]]), template))
        if tag:
            is_version = "version" in names or is_release(tag)
            known = tags.get(tag)
            tags[tag] = PushTag(tag, is_version=is_version or (known is not None and known.is_version))
    return tuple(tags.values())


def clean_tag(text: str) -> str:
    """A text as a tag: what no tag may have becomes ``-``, the ``+`` of a version ``_``; empty where nothing is left.

    Source: ``_`` for ``+`` is what Helm does with versions in tags.
    """
    tag = re.sub(r"[^A-Za-z0-9_.-]", "-", text.replace("+", "_")).lstrip(".-")[:_MAX_CHARACTERS]
    return tag if is_tag(tag) else ""


def is_release(tag: str) -> bool:
    """True for a tag that names one release, however it came to be in the list: ``1.4.0``, ``v2.0.0-rc1``."""
    return _RELEASE.fullmatch(tag) is not None
