"""Where Docker's plugins are, and that they are called as `docker` calls them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_dockerci.engine.cli_plugins import plugin_call
from pytest_dockerci.engine.command import Commands
from pytest_dockerci.errors import CommandError


def program(path: Path, content: str = "\x7fELF") -> Path:
    """An executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Docker's own program on PATH, and a configuration of Docker's."""
    program(tmp_path / "bin/docker")
    (tmp_path / "config").mkdir()
    return {"PATH": str(tmp_path / "bin"), "DOCKER_CONFIG": str(tmp_path / "config")}


def test_a_plugin_of_the_user_is_called_by_itself(tmp_path: Path, environ: dict[str, str]) -> None:
    """As the specification of plugins has it: its own name comes first, and it is told who calls."""
    plugin = program(tmp_path / "config/cli-plugins/docker-compose")
    called = plugin_call(["docker", "compose", "--project-name", "a", "config"], environ)
    assert called == (
        [str(plugin), "compose", "--project-name", "a", "config"],
        {"DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND": str(tmp_path / "bin/docker")},
    )


def test_folders_of_the_configuration_come_after_that(tmp_path: Path, environ: dict[str, str]) -> None:
    """The first that has it counts; what cannot be run does not."""
    further = [tmp_path / "one", tmp_path / "two"]
    (tmp_path / "config/config.json").write_text(json.dumps({"cliPluginsExtraDirs": list(map(str, further))}))
    last = program(further[1] / "docker-buildx")
    program(further[0] / "docker-buildx").chmod(0o644)
    (tmp_path / "config/cli-plugins/docker-buildx").mkdir(parents=True)
    assert plugin_call(["docker", "buildx", "version"], environ)[0] == [str(last), "buildx", "version"]
    first = program(further[0] / "docker-buildx")
    assert plugin_call(["docker", "buildx", "version"], environ)[0][0] == str(first)


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["docker", "version"], id="not a plugin's"),
        pytest.param(["docker"], id="no plugin"),
        pytest.param(["git", "compose"], id="not Docker's"),
        pytest.param(["docker", "scan", "x"], id="a plugin that is not needed"),
    ],
)
def test_other_commands_stay_as_they_are(tmp_path: Path, environ: dict[str, str], argv: list[str]) -> None:
    """Whatever lies among the plugins."""
    program(tmp_path / "config/cli-plugins/docker-scan")
    program(tmp_path / "config/cli-plugins/docker-compose")
    assert plugin_call(argv, environ) == (argv, {})


def test_folders_of_all_users_come_last(tmp_path: Path, environ: dict[str, str]) -> None:
    """Where no folder has it, Docker's own program says so."""
    system = [str(tmp_path / "system"), str(tmp_path / "other")]
    argv = ["docker", "compose", "version"]
    assert plugin_call(argv, environ, system) == (argv, {})
    last = program(tmp_path / "other/docker-compose")
    assert plugin_call(argv, environ, system)[0][0] == str(last)
    first = program(tmp_path / "config/cli-plugins/docker-compose")
    assert plugin_call(argv, environ, system)[0][0] == str(first)


def test_a_script_in_place_of_docker_is_called(tmp_path: Path, environ: dict[str, str]) -> None:
    """Podman's, or one that adds something: whoever put it there wants it to be used."""
    program(tmp_path / "config/cli-plugins/docker-compose")
    program(tmp_path / "bin/docker", "#!/bin/sh\n")
    assert plugin_call(["docker", "compose", "version"], environ) == (["docker", "compose", "version"], {})


def test_without_docker_nothing_is_called(tmp_path: Path, environ: dict[str, str]) -> None:
    """The error is about the program that people know."""
    program(tmp_path / "config/cli-plugins/docker-compose")
    environ["PATH"] = str(tmp_path)
    with pytest.raises(CommandError, match="docker could not be started"):
        Commands(environ).run(["docker", "compose", "version"], timeout_seconds=10)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cliPluginsExtraDirs": null}'])
def test_a_broken_configuration_is_somebody_elses_error(
    tmp_path: Path, environ: dict[str, str], text: str
) -> None:
    """The folder of the user is looked at all the same."""
    (tmp_path / "config/config.json").write_text(text)
    plugin = program(tmp_path / "config/cli-plugins/docker-compose")
    assert plugin_call(["docker", "compose"], environ)[0] == [str(plugin), "compose"]


@pytest.mark.engine
@pytest.mark.parametrize("argv", [["docker", "compose", "version"], ["docker", "buildx", "ls"]])
def test_both_ways_say_the_same(argv: list[str]) -> None:
    """The real plugins, called by themselves and by `docker`."""
    called, added = plugin_call(argv, os.environ)
    assert added, "the plugins are not where Docker looks for them"
    assert called[0] != "docker"
    environ = dict(os.environ)
    directly = Commands(environ).run(argv, timeout_seconds=60)
    by_docker = Commands(environ).run(["env", *argv], timeout_seconds=60)
    assert (directly.exit_code, directly.stdout) == (by_docker.exit_code, by_docker.stdout) != (0, "")
    assert directly.argv == tuple(argv)
