"""The fingerprint of what an image is built from: what changes it, and what must not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_dockerci.build_inputs import BuildInputs, compose_files, read_ignore


@pytest.mark.parametrize(
    ("text", "left_out", "kept"),
    [
        ("", [], ["a", "b/"]),
        ("# note\n\n*.log\n", ["a.log"], ["b/a.log", "log"]),
        ("**/*.log", ["a.log", "b/c/a.log"], ["a.txt"]),
        ("node_modules", ["node_modules/", "node_modules/a/b"], ["web/node_modules/"]),
        ("/build/\n", ["build/", "build/x"], ["src/build/"]),
        ("./docs", ["docs/a.md"], ["docs.txt"]),
        ("a?c\n[xy].py", ["abc", "x.py"], ["ac", "z.py"]),
        ("*\n!app\n!README.md", ["tests/a.py", "x"], ["app/a.py", "README.md", "tests/"]),
        ("!keep.log\n*.log", ["keep.log"], []),
    ],
)
def test_rules_of_a_dockerignore(text: str, left_out: list[str], kept: list[str]) -> None:
    """The last rule that matches decides; with exceptions no folder is left out as a whole."""
    is_ignored = read_ignore(text)
    assert [name for name in left_out if not is_ignored(name)] == []
    assert [name for name in kept if is_ignored(name)] == []


def touch_later(path: Path) -> None:
    """Give a file another time of change."""
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "a file of the application": (lambda root: (root / "app.py").write_text("longer"), True),
    "its time": (lambda root: touch_later(root / "app.py"), True),
    "a new file": (lambda root: (root / "src/new.py").write_text(""), True),
    "a file that went": (lambda root: (root / "src/a.py").unlink(), True),
    "the Dockerfile": (lambda root: (root / "Dockerfile").write_text("FROM b"), True),
    "a Compose file that came": (lambda root: (root / "compose.override.yaml").write_text(""), True),
    "the suite": (lambda root: (root / "tests/test_a.py").write_text("x"), False),
    "what is ignored": (lambda root: (root / "out/log.txt").write_text("xx"), False),
    "a cache": (lambda root: (root / "src/__pycache__/a.pyc").write_text("xx"), False),
    "a virtual environment": (lambda root: (root / "env/lib.py").write_text("xx"), False),
    "nothing": (lambda _: None, False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_a_fingerprint(tmp_path: Path, name: str) -> None:
    """Contexts by name, size and time; single files by content; the suite, caches and the ignored not at all."""
    files = {
        "app.py": "a",
        "src/a.py": "",
        "src/__pycache__/a.pyc": "",
        "tests/test_a.py": "",
        "out/log.txt": "",
        "env/pyvenv.cfg": "",
        "env/lib.py": "",
        "Dockerfile": "FROM a",
        "compose.yaml": "services: {}",
        ".dockerignore": "out\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    inputs = BuildInputs(
        contexts=(tmp_path,),
        files=(*compose_files(tmp_path, ()), tmp_path / "Dockerfile"),
        left_out=(tmp_path / "tests",),
    )
    before = inputs.fingerprint()
    change, has_effect = CHANGES[name]
    change(tmp_path)
    assert (inputs.fingerprint() != before) is has_effect


def test_a_context_with_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no fingerprint."""
    monkeypatch.setattr("pytest_dockerci.build_inputs.MAX_ENTRIES", 3)
    for number in range(3):
        (tmp_path / str(number)).touch()
    assert BuildInputs(contexts=(tmp_path,)).fingerprint()
    (tmp_path / "one-more").touch()
    assert BuildInputs(contexts=(tmp_path,)).fingerprint() == ""


def test_compose_files_in_a_folder_above(tmp_path: Path) -> None:
    """Compose looks upwards; so do we."""
    (tmp_path / "compose.yml").touch()
    (tmp_path / "deep").mkdir()
    assert tmp_path / "compose.yml" in compose_files(tmp_path / "deep", ())
    assert compose_files(tmp_path, [tmp_path / "other.yaml"]) == (tmp_path / "other.yaml",)
