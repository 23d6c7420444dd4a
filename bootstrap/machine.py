"""Looks at this machine: which engine answers where, what is installed, who we are."""

from __future__ import annotations

import json
import os
import platform
import re
import sys

from bootstrap.engine_choice import DEFAULT_ENDPOINT, Machine
from bootstrap.steps import read_output


def look_at_machine() -> Machine:
    """Ask the docker command, the operating system and the environment; takes about 0.3 seconds."""
    endpoint, chosen_by = docker_endpoint()
    answer = read_output(["docker", "version", "--format", "{{json .Server}}"])
    engine, refusal = _server_version(answer.stdout), last_line(answer.stderr)
    system = _os_release()
    return Machine(
        platform=sys.platform,
        endpoint=endpoint,
        endpoint_chosen_by=chosen_by,
        engine=engine,
        refusal="" if engine else refusal,
        compose=_plugin_version("compose"),
        buildx=_plugin_version("buildx"),
        dockerd=read_output(["dockerd", "--version"]).stdout.strip(),
        distribution=system.get("ID", ""),
        codename=system.get("VERSION_CODENAME", ""),
        user_id=os.getuid(),
    )


def docker_endpoint() -> tuple[str, str]:
    """Where the docker command looks, and what made it look there (empty: nobody chose)."""
    if host := os.environ.get("DOCKER_HOST"):
        return host, "DOCKER_HOST"
    context = read_output(
        ["docker", "context", "inspect", "--format", "{{.Name}} {{.Endpoints.docker.Host}}"]
    )
    name, _, endpoint = context.stdout.strip().partition(" ")
    if context.returncode or not endpoint:
        return DEFAULT_ENDPOINT, ""
    return endpoint, "" if name == "default" else f'the context "{name}"'


def last_line(text: str) -> str:
    """The last line with something on it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _server_version(text: str) -> str:
    """The engine's version from ``docker version``; it prints ``null`` where none answers."""
    try:
        server = json.loads(text or "null")
    except json.JSONDecodeError:
        return ""
    return str(server.get("Version", "")) if isinstance(server, dict) else ""


def _plugin_version(plugin: str) -> str:
    """The version of the compose or buildx plugin; empty where there is none."""
    answer = read_output(["docker", plugin, "version"])
    version = re.search(r"\d+\.\d+\S*", answer.stdout)
    return version[0] if version and not answer.returncode else ""


def _os_release() -> dict[str, str]:
    """The fields of /etc/os-release; empty on systems without it."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
