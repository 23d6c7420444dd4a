"""Credentials for a registry, from where ``docker login`` keeps them: the configuration file and its helpers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import docker.auth
import docker.errors

from pytest_dockerci.engine.endpoint import configuration_folder
from pytest_dockerci.errors import RegistryError
from pytest_dockerci.image_reference import Repository
from pytest_dockerci.masking import know


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a registry wants to see; nothing where it is open to everybody.

    Attributes:
        username: Of an account; empty for none.
        password: Its password or token.
        identity_token: Stands for both, for registries with OAuth 2.
        for_engine: As the engine takes them with a push.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    for_engine: Mapping[str, Any] = field(default_factory=dict, repr=False)


def find_credentials(environ: Mapping[str, str], repository: Repository) -> Credentials:
    """The credentials of Docker's own command line; from here on their values are hidden in every text.

    Args:
        environ: The host's environment: ``DOCKER_CONFIG`` or ``HOME``; helpers are run in it, from this process's PATH.
        repository: Whose registry is asked for.

    Raises:
        RegistryError: The configuration file cannot be read, or a helper fails.
    """
    folder = configuration_folder(environ)
    file = folder / "config.json"
    if not file.exists():
        return Credentials()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a helper is missing; using it raises, and says so
            config = docker.auth.load_config(str(file), credstore_env=dict(environ))
            found = docker.auth.resolve_authconfig(config, repository.registry) or {}
    except (docker.errors.DockerException, OSError, ValueError, TypeError) as error:
        raise RegistryError(
            f"the credentials for {repository.registry} cannot be had",
            why=str(error),
            fix=f"`docker login {repository.registry}` must work in the same shell; it reads {file}",
        ) from error
    values = {key.lower(): str(value) for key, value in found.items() if value}
    credentials = Credentials(
        username=values.get("username", ""),
        password=values.get("password", ""),
        identity_token=values.get("identitytoken", ""),
        for_engine=found,
    )
    know(value for value in (credentials.password, credentials.identity_token) if value)
    return credentials
