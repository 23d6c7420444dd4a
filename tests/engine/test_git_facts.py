"""Commit, dirt and the tags that follow."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_dockerci.engine.command import Commands
from pytest_dockerci.engine.git_facts import (
    GitFacts,
    choose_tags,
    parse_status,
    read_git_facts,
    repository_of,
    run_tags,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("facts", "build_number", "tags"),
    [
        (GitFacts(commit=COMMIT, is_dirty=False), None, ["0123456789ab"]),
        (GitFacts(commit=COMMIT, is_dirty=True), "41", ["0123456789ab-dirty", "41"]),
        (GitFacts(commit=None, is_dirty=False), None, ["run-1234"]),
        (GitFacts(commit=None, is_dirty=False), "#4/1", ["run-1234", "4-1"]),
        (GitFacts(commit=None, is_dirty=False), "---", ["run-1234"]),
    ],
)
def test_tags_say_the_commit_and_the_build(
    facts: GitFacts, build_number: str | None, tags: list[str]
) -> None:
    """Never `latest`."""
    assert choose_tags(facts, build_number, "1234") == tags


def test_the_tags_of_a_run() -> None:
    """Those of commits, builds and people are not among them."""
    names = ["localhost:5000/shop:run-1234", "run-7/shop:0123456789ab", "shop:41", "shop:running"]
    assert run_tags(names) == ["localhost:5000/shop:run-1234"]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (f"# branch.oid {COMMIT}\n# branch.head main\n", GitFacts(commit=COMMIT, is_dirty=False)),
        (f"# branch.oid {COMMIT}\n? new.txt\n", GitFacts(commit=COMMIT, is_dirty=True)),
        ("# branch.oid (initial)\n? new.txt\n", GitFacts(commit=None, is_dirty=False)),
    ],
)
def test_one_status_tells_all(text: str, facts: GitFacts) -> None:
    """Files that git does not know count: they are in the build's context."""
    assert parse_status(text) == facts


def run_git(folder: Path, *arguments: str) -> None:
    """Git, whoever runs the tests."""
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, env=environ
    )


def test_worktrees_have_commits_and_other_folders_have_none(tmp_path: Path) -> None:
    """No repository, no commit yet, no git: all are fine."""
    commands = Commands(os.environ)
    none = GitFacts(commit=None, is_dirty=False)
    repository = tmp_path / "repository"
    repository.mkdir()
    assert read_git_facts(commands, repository) == none
    run_git(repository, "init", "-q")
    assert read_git_facts(commands, repository) == none
    run_git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    run_git(repository, "worktree", "add", "-q", "../tree")
    facts = read_git_facts(commands, tmp_path / "tree")
    assert facts.commit is not None
    assert not facts.is_dirty
    assert read_git_facts(Commands({"PATH": "/nowhere"}), repository) == none


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("shop", "shop"),
        ("shop:1", "shop"),
        ("host:5000/a/shop:1", "host:5000/a/shop"),
        ("host:5000/shop", "host:5000/shop"),
        ("a/shop:1@sha256:00", "a/shop"),
    ],
)
def test_a_repository_is_a_reference_without_tag_and_digest(image: str, repository: str) -> None:
    """Ports of registries are no tags."""
    assert repository_of(image) == repository
