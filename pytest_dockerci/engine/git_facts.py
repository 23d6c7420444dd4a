"""What git says about the working tree, and the tags that follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_dockerci.engine.command import Commands
from pytest_dockerci.errors import CommandError

_COMMIT_DIGITS = 12
_TIMEOUT_SECONDS = 20.0
_RUN_TAG = "run-"
_TAG = re.compile(r"[\w][\w.-]{0,127}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFacts:
    """The commit that the working tree stands on.

    Attributes:
        commit: Full hash; None without git, outside a repository, or before the first commit.
        is_dirty: Something differs from the commit, files that git does not know included.
        problem: Why there is no commit though there may be a repository; empty when all is plain.
    """

    commit: str | None
    is_dirty: bool
    problem: str = ""


def read_git_facts(commands: Commands, rootdir: Path) -> GitFacts:
    """One call of git; a machine without git, or a folder without a repository, is fine."""
    argv = ["git", "-C", str(rootdir), "status", "--porcelain=v2", "--branch", "--untracked-files=normal"]
    try:
        completed = commands.run(
            argv, timeout_seconds=_TIMEOUT_SECONDS, environ={"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        )
    except CommandError:
        return GitFacts(commit=None, is_dirty=False)
    if not completed.is_ok:
        first_line = (completed.stderr.strip().splitlines() or ["git did not answer"])[0]
        problem = "" if "not a git repository" in first_line else first_line
        return GitFacts(commit=None, is_dirty=False, problem=problem)
    return parse_status(completed.stdout)


def read_git_tags(commands: Commands, rootdir: Path, commit: str | None) -> tuple[str, ...]:
    """Names of the tags that point exactly at a commit."""
    if commit is None:
        return ()
    argv = ["git", "-C", str(rootdir), "tag", "--points-at", commit]
    completed = commands.run(argv, timeout_seconds=_TIMEOUT_SECONDS, environ={"LC_ALL": "C"})
    return tuple(completed.stdout.split()) if completed.is_ok else ()


def parse_status(text: str) -> GitFacts:
    """The facts in the output of ``git status --porcelain=v2 --branch``."""
    commit = None
    is_dirty = False
    for line in text.splitlines():
        if line.startswith("# branch.oid "):
            oid = line.split()[2]
            commit = None if oid == "(initial)" else oid
        elif line and not line.startswith("#"):
            is_dirty = True
    return GitFacts(commit=commit, is_dirty=is_dirty and commit is not None)


def choose_tags(facts: GitFacts, build_number: str | None, run_id: str) -> list[str]:
    """The tags of a built image: the commit's, or the run's where there is no commit, then the build number.

    A build number that Docker does not allow as a tag is made one, character by character.
    """
    if facts.commit is None:
        tags = [f"{_RUN_TAG}{run_id}"]
    else:
        tags = [facts.commit[:_COMMIT_DIGITS] + ("-dirty" if facts.is_dirty else "")]
    if build_number:
        tag = re.sub(r"[^\w.-]", "-", build_number, flags=re.ASCII).lstrip(".-")[:128]
        tags.append(tag)
    return [tag for tag in dict.fromkeys(tags) if _TAG.match(tag)]


def run_tags(names: Iterable[str]) -> list[str]:
    """Of an image's names, those that stand for a run only."""
    return [name for name in names if name.rpartition(":")[2].startswith(_RUN_TAG)]


def repository_of(image: str) -> str:
    """An image reference without its tag and digest."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
