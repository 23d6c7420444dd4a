"""Docker's command line without its first half: ``docker compose`` is ``docker-compose``, called as Docker calls it.

``docker`` itself looks for its plugins, asks what it finds what it is, and calls one: 35 ms and a processor for
each command (measured on two processors: ``docker compose version`` takes 57 ms, the plugin by itself 22 ms).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_dockerci.engine.endpoint import configuration_folder

NAMES = ("compose", "buildx")
# Tells a plugin that it is called as one, and by what.
CALLER = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"
_SYSTEM_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_SCRIPT = b"#!"


def plugin_call(
    argv: Sequence[str], environ: Mapping[str, str], system_folders: Sequence[str] = _SYSTEM_FOLDERS
) -> tuple[list[str], dict[str, str]]:
    """The command that ``docker`` would call, and what it would add to the environment.

    Args:
        argv: Any command. Only those of Docker's plugins become others, and only where the plugin lies where
            Docker looks for it and ``docker`` is Docker's own program: a script of that name is somebody's, who
            wants it to be called.
        environ: The command's environment.
        system_folders: Where all users' plugins are; those of the user come before them.

    Source: Docker CLI Plugin Spec, "Required sub-commands" (``docker-NAME NAME OPTIONS``), and
    ``cli-plugins/manager`` of docker/cli 26.1 for the folders and their order.
    """
    if len(argv) < 2 or argv[0] != "docker" or argv[1] not in NAMES:  # noqa: PLR2004 - program and plugin
        return list(argv), {}
    docker = shutil.which("docker", path=environ.get("PATH", os.defpath))
    if docker is None or _is_script(docker):
        return list(argv), {}
    for folder in [*_own_folders(environ), *map(Path, system_folders)]:
        plugin = folder / f"docker-{argv[1]}"
        if os.access(plugin, os.X_OK) and plugin.is_file():
            return [str(plugin), *argv[1:]], {CALLER: docker}
    return list(argv), {}


def _own_folders(environ: Mapping[str, str]) -> list[Path]:
    configuration = configuration_folder(environ)
    try:
        further = json.loads((configuration / "config.json").read_bytes()).get("cliPluginsExtraDirs") or []
    except (OSError, ValueError, AttributeError):
        further = []  # whoever needs more of this file tells what is wrong with it
    return [Path(folder) for folder in (configuration / "cli-plugins", *further)]


def _is_script(program: str) -> bool:
    try:
        with Path(program).open("rb") as file:
            return file.read(len(_SCRIPT)) == _SCRIPT
    except OSError:
        return True  # it may be run and not read: nothing is known of it
