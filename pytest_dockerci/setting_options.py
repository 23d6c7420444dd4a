"""Every setting and option, as pytest registers them; what they come to, `settings` reads.

Imported in every pytest run of an environment that has the plugin installed.
"""

from __future__ import annotations

from typing import Any, Literal

import pytest

IniType = Literal["string", "linelist", "args", "seconds", "workers", "bool"]


class IniOption:
    """One setting of the configuration file. No tuple with names: making that class takes as long as all else here.

    Attributes:
        name: As pytest knows it.
        type: How it is read.
        default: As it would be written.
        help: For ``pytest --help``.
    """

    __slots__ = ("default", "help", "name", "type")

    def __init__(self, name: str, type_: IniType, default: str, help_: str) -> None:
        self.name = name
        self.type: IniType = type_
        self.default = default
        self.help = help_


INI_OPTIONS = (
    IniOption(
        "dockerci_service",
        "string",
        "",
        "Compose service whose image is under test; setting it switches the plugin on",
    ),
    IniOption("dockerci_compose", "args", "", "Compose files; default: what `docker compose` finds"),
    IniOption("dockerci_suite", "args", "", "paths that run inside the container; default: testpaths"),
    IniOption("dockerci_host_suite", "args", "", "paths that stay on the host even below dockerci_suite"),
    IniOption(
        "dockerci_env", "linelist", "", "KEY=VALUE, or KEY to pass the host's value: the testing environment"
    ),
    IniOption(
        "dockerci_secrets", "linelist", "", "variables of the testing environment whose values are hidden"
    ),
    IniOption(
        "dockerci_requirements", "linelist", "", "requirement, `-r file` or `group:name` beside pytest"
    ),
    IniOption("dockerci_command", "linelist", "", "[SERVICE: ]COMMAND of a suite that is not pytest"),
    IniOption("dockerci_results", "linelist", "", "[NUMBER: ][FORMAT:]PATH of results that commands write"),
    IniOption("dockerci_result_pattern", "string", "", "regular expression for a command's closing line"),
    IniOption("dockerci_container_root", "string", "", "folder in the image for rootdir; default: WORKDIR"),
    IniOption("dockerci_paths", "linelist", "", "container=host: further trees for tracebacks"),
    IniOption("dockerci_start", "args", "", "services to start; default: what the service depends on"),
    IniOption("dockerci_stack", "string", "shared", "`shared`: one stack for all workers; or `per-worker`"),
    IniOption("dockerci_workers", "workers", "1", "containers that share the suite: a number, or `auto`"),
    IniOption("dockerci_artifacts", "linelist", "", "globs of files in the container that a report takes"),
    IniOption(
        "dockerci_keep_expiry_seconds", "seconds", "3600", "how long a kept stack lives after its last use"
    ),
    IniOption("dockerci_ready_timeout_seconds", "seconds", "120", "limit for services to become ready"),
    IniOption("dockerci_build_timeout_seconds", "seconds", "1800", "limit for building the image; 0: none"),
    IniOption(
        "dockerci_test_timeout_seconds",
        "seconds",
        "0",
        "limit for each phase of a test in the container; 0: none",
    ),
    IniOption(
        "dockerci_reaper_image",
        "string",
        "",
        "image of the reaper, which cleans up when this machine dies: any with python3; `none`: no reaper; "
        "default: DOCKERCI_REAPER_IMAGE, or python:3.13-alpine",
    ),
    IniOption(
        "dockerci_allow",
        "args",
        "",
        "what is refused otherwise: privileged, docker-socket, host-namespaces, remote-include, plain-tcp",
    ),
    IniOption(
        "dockerci_push", "string", "", "repository to which a green run pushes the image it has tested"
    ),
    IniOption(
        "dockerci_push_tags", "linelist", "", "tags to push; default: {commit} {build} {version} latest"
    ),
    IniOption(
        "dockerci_push_dirty", "bool", "false", "push an image of a working tree that is not clean, too"
    ),
    IniOption(
        "dockerci_push_key",
        "string",
        "",
        "private key (PEM) that signs the evidence; default: DOCKERCI_PUSH_KEY",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every setting with pytest."""
    group = parser.getgroup("dockerci", "dockerci: run the suite inside the image under test")
    group.addoption(
        "--no-dockerci", action="store_true", dest="no_dockerci", help="run the suite on the host, this time"
    )
    group.addoption(
        "--dockerci-image",
        metavar="REF",
        dest="dockerci_image",
        help="test this existing image; build nothing",
    )
    group.addoption(
        "--dockerci-workers",
        metavar="N",
        dest="dockerci_workers",
        help="containers that share the suite: a number, or `auto` (processors)",
    )
    group.addoption(
        "--dockerci-strict",
        action="store_true",
        dest="dockerci_strict",
        help="without a reaper, end the run",
    )
    group.addoption(
        "--dockerci-keep",
        action="store_true",
        dest="dockerci_keep",
        help="leave the services running, and use those that the last run left",
    )
    group.addoption(
        "--dockerci-push",
        nargs="?",
        const=True,
        metavar="REPO",
        dest="dockerci_push",
        help="push the tested image there, if green; default: dockerci_push",
    )
    group.addoption(
        "--dockerci-report",
        metavar="DIR",
        dest="dockerci_report",
        help="write a report there: phases.json, the services' logs, artifacts",
    )
    for option in INI_OPTIONS:
        special: dict[str, object] = {"args": [], "linelist": [], "bool": option.default == "true"}
        default = special.get(option.type, option.default)
        parser.addini(option.name, option.help, type=_pytest_type(option.type), default=default)


def _pytest_type(option_type: IniType) -> Any:
    """How pytest is to read a setting; numbers may be numbers in TOML where its version allows that.

    Source: pytest's changelog: unions of types since 9.2.
    """
    if option_type not in ("seconds", "workers"):
        return option_type
    return int | float | str if pytest.version_tuple >= (9, 2) else "string"


def is_switched_on(config: pytest.Config) -> bool:
    """True when this run has an image under test."""
    return bool(config.getini("dockerci_service")) and not config.known_args_namespace.no_dockerci
