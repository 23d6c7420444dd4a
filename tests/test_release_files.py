"""The record of a release and the files made from it, read by those that they are for where these are here."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pytest_dockerci.errors import PushError
from pytest_dockerci.handoff import require_writable, write_release
from pytest_dockerci.release import Release
from pytest_dockerci.release_files import FILES

DIGEST = f"sha256:{'a' * 64}"
RELEASE = Release(
    service="web",
    image=f"registry.example.com:5000/shop/web@{DIGEST}",
    repository="registry.example.com:5000/shop/web",
    digest=DIGEST,
    config_digest=f"sha256:{'b' * 64}",
    media_type="application/vnd.docker.distribution.manifest.v2+json",
    tags=("0123456789ab", "1.4.0", "latest"),
    commit="0123456789abcdef0123456789abcdef01234567",
    is_dirty=False,
    version="1.4.0",
    build="812",
    url="https://ci.example.com/job/812",
    run="1127115800aabbcc",
    finished_at="2026-11-27T11:58:00Z",
    tests={"passed": 7, "skipped": 1, "xfailed": 0, "failed": 0},
    evidence=f"sha256:{'c' * 64}",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All files of the release."""
    write_release(tmp_path, RELEASE, b"{}\n")
    return tmp_path


def test_all_files_are_there_and_private(folder: Path) -> None:
    """Nothing else is, no draft either."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {*FILES, "evidence.intoto.json"}
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in files} == {0o600}


def test_the_record_has_every_field(folder: Path) -> None:
    """In the format that it names."""
    data = json.loads((folder / "release.json").read_text())
    assert data.pop("format") == 1
    assert data.pop("tags") == list(RELEASE.tags)
    assert Release(**data, tags=RELEASE.tags) == RELEASE


def test_compose_takes_its_override(folder: Path, tmp_path: Path) -> None:
    """The service has the image, and is not built any more; the rest of it stays."""
    (tmp_path / "compose.yaml").write_text("services: {web: {build: ., ports: ['80']}, db: {image: x}}\n")
    shown = subprocess.run(
        [
            *("docker", "compose", "-f", "compose.yaml", "-f", "compose.release.yaml"),
            *("config", "--format", "json"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if "docker: 'compose' is not a docker command" in shown.stderr:
        pytest.skip("there is no docker compose")
    services = json.loads(shown.stdout)["services"]
    assert services["web"]["image"] == RELEASE.image
    assert "build" not in services["web"]
    assert services["web"]["ports"][0]["target"] == 80
    assert services["db"]["image"] == "x"


def test_the_swarm_script_calls_docker(folder: Path, tmp_path: Path) -> None:
    """With a service's name; without one it says how it is used."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = ["sh", str(folder / "swarm-update.sh")]
    called = subprocess.run([*script, "shop_web"], env=environ, capture_output=True, text=True, check=True)
    words = called.stdout.splitlines()
    assert words[:2] == ["service", "update"]
    assert words[-3:] == ["--image", RELEASE.image, "shop_web"]
    assert words[words.index("--update-order") + 1] == "start-first"
    without = subprocess.run(script, env=environ, capture_output=True, text=True, check=False)
    assert without.returncode != 0
    assert "usage: sh swarm-update.sh SERVICE" in without.stderr


def test_the_kustomize_component_replaces_the_tag_by_the_digest(folder: Path) -> None:
    """As kustomize's `images` transformer has it."""
    data = yaml.safe_load((folder / "kustomize/kustomization.yaml").read_text())
    assert data["kind"] == "Component"
    assert data["images"] == [{"name": RELEASE.repository, "digest": DIGEST}]


def test_ansible_variables_are_yaml(folder: Path) -> None:
    """Every value keeps its type."""
    assert yaml.safe_load((folder / "ansible-release.yml").read_text()) == {
        "release_image": RELEASE.image,
        "release_repository": RELEASE.repository,
        "release_digest": DIGEST,
        "release_tags": ["0123456789ab", "1.4.0", "latest"],
        "release_version": "1.4.0",
        "release_commit": RELEASE.commit,
    }


def test_github_outputs_are_one_line_each(folder: Path) -> None:
    """As the file behind ``GITHUB_OUTPUT`` wants them."""
    assert (folder / "github-output.txt").read_text() == (
        f"image={RELEASE.image}\ndigest={DIGEST}\ntags=0123456789ab,1.4.0,latest\nversion=1.4.0\n"
    )


def test_what_is_not_known_is_empty(tmp_path: Path) -> None:
    """Not the word None."""
    unknown = replace(RELEASE, version=None, commit=None, build=None)
    for name, render in FILES.items():
        assert "None" not in render(unknown), name


def test_only_the_last_releases_are_kept(tmp_path: Path) -> None:
    """In the project's own folder; a report's folder belongs to the user."""
    for number in range(12):
        folder = tmp_path / "releases" / f"run{number}"
        folder.mkdir(parents=True)
        os.utime(folder, (number, number))
    newest = tmp_path / "releases" / "now"
    newest.mkdir()
    write_release(newest, RELEASE, b"{}\n")
    kept = {path.name for path in (tmp_path / "releases").iterdir()}
    assert kept == {"now", *(f"run{number}" for number in range(3, 12))}


def test_a_folder_that_cannot_be_written_stops_the_push(tmp_path: Path) -> None:
    """Before it is begun; the whole text."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PushError) as caught:
        require_writable(tmp_path / "file" / "release")
    assert str(caught.value) == (
        "the image was not pushed: its evidence could not be kept\n"
        f"  why: Not a directory: {tmp_path / 'file' / 'release'}\n"
        "  try: make room there, or make it writable"
    )
