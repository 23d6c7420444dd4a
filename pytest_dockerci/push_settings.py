"""Where a green run pushes the image that it has tested, as the user asked for it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.errors import SettingsError
from pytest_dockerci.image_reference import ReferenceFormatError, Repository, parse_repository
from pytest_dockerci.push_tags import DEFAULT_TEMPLATES, PLACEHOLDERS, unknown_part

if TYPE_CHECKING:
    import pytest

    from pytest_dockerci.signing import StatementSigner

# A file, or the key itself: what CI systems make of a secret.
KEY_VARIABLE = "DOCKERCI_PUSH_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """What is to be pushed.

    Attributes:
        repository: Where to.
        templates: Of the tags.
        allows_dirty: An image of a working tree with changes may be pushed.
        signer: Signs the evidence; None to leave it unsigned.
    """

    repository: Repository
    templates: tuple[str, ...]
    allows_dirty: bool
    signer: StatementSigner | None = None


def read_push_settings(config: pytest.Config) -> PushSettings | None:
    """What is to be pushed; None where nothing is.

    ``--dockerci-push`` alone takes the repository from ``dockerci_push``; an empty one (``--dockerci-push=``)
    pushes nothing in this run.

    Raises:
        SettingsError: A repository or a tag cannot be meant, or there is no repository.
    """
    option = config.getoption("dockerci_push")
    named = str(config.getini("dockerci_push"))
    source = "dockerci_push" if option is None or option is True else "--dockerci-push"
    text = named if source == "dockerci_push" else str(option)
    if option is True and not named:
        raise SettingsError(
            "pytest-dockerci: --dockerci-push names no repository, and dockerci_push is not set",
            fix="write --dockerci-push=REGISTRY/NAME, or set dockerci_push",
        )
    if not text:
        return None
    if source == "--dockerci-push":
        _refuse_path(config.invocation_params.dir, text)
    return PushSettings(
        repository=_repository(source, text),
        templates=_templates(config.getini("dockerci_push_tags")),
        allows_dirty=bool(config.getini("dockerci_push_dirty")),
        signer=_signer(config, os.environ),
    )


def _signer(config: pytest.Config, environ: Mapping[str, str]) -> StatementSigner | None:
    named, given = str(config.getini("dockerci_push_key")), environ.get(KEY_VARIABLE, "")
    if not (named or given):
        return None
    from pytest_dockerci.signing import read_private_key  # noqa: PLC0415 - loads what is optional

    if named:
        return read_private_key(named, folder=config.rootpath, name="dockerci_push_key")
    return read_private_key(given, folder=config.rootpath, name=KEY_VARIABLE)


def _refuse_path(folder: Path, text: str) -> None:
    """The word after an option without ``=`` is its value, even where a path was meant."""
    if (folder / text.partition("::")[0]).exists():
        raise SettingsError(
            f"pytest-dockerci: --dockerci-push = {shlex.quote(text)} is a path here, not a repository",
            why="the word that follows --dockerci-push is taken for the repository",
            fix="write --dockerci-push=REGISTRY/NAME, or put the option last",
        )


def _repository(source: str, text: str) -> Repository:
    try:
        return parse_repository(text)
    except ReferenceFormatError as error:
        raise SettingsError(
            f"pytest-dockerci: {source} = {shlex.quote(text)} cannot be used",
            why=str(error),
            fix="write the repository as `docker push` takes it, for instance registry.example.com/shop/web",
        ) from None


def _templates(lines: list[str]) -> tuple[str, ...]:
    templates = tuple(line.strip() for line in lines if line.strip()) or DEFAULT_TEMPLATES
    for template in templates:
        unknown = unknown_part(template)
        if unknown:
            placeholders = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise SettingsError(
                f"pytest-dockerci: dockerci_push_tags = {shlex.quote(template)} cannot be used",
                why=f"{unknown} is no placeholder"
                if unknown.startswith("{") and len(unknown) > 1
                else f"a tag cannot have {unknown!r} in it",
                fix=f"write A-Z a-z 0-9 _ . - and the placeholders {placeholders}, one tag on each line",
            )
    return templates
