"""When Compose's answer is still good, and when it has to be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dockerci.engine.compose_model import _files_behind
from pytest_dockerci.engine.model_cache import ComposeModel, ModelCache, files_named_by, model_cache

PROJECT = "dockerci-shop-r1"


def model(**service: Any) -> ComposeModel:
    """An answer."""
    return ComposeModel(
        data={"name": PROJECT, "services": {"db": {"image": "postgres:17", **service}}},
        active=frozenset({"db"}),
        project="shop",
        warnings=("a warning",),
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A project whose Compose file includes another, and names an env file."""
    (tmp_path / "compose.yaml").write_text(
        "include: [more.yaml]\n"
        "services:\n  db: {image: '${IMAGE}', env_file: [db.env], environment: [PASSED]}\n"
    )
    (tmp_path / "more.yaml").write_text("services: {web: {extends: {file: web.yaml, service: web}}}\n")
    (tmp_path / "web.yaml").write_text("services: {web: {image: x}}\n")
    (tmp_path / "db.env").write_text("A=${IN_ENV_FILE}\n")
    return tmp_path


def cache(root: Path, *question: str, **environ: str) -> ModelCache:
    """The cache of a project under an environment."""
    (root / "cache").mkdir(exist_ok=True)
    return model_cache(root / "cache", root, [], environ, question or ("2.26.1",))


def put(root: Path, **environ: str) -> None:
    """Remember an answer that comes from the project's files."""
    cache(root, **environ).put(model(), PROJECT, _files_behind([root / "compose.yaml"]))


def test_nothing_has_changed(files: Path) -> None:
    """The answer is the same, under whatever project's name."""
    put(files, IMAGE="a", UNUSED="1")
    assert cache(files, IMAGE="a", UNUSED="2").get(PROJECT) == model()
    other = cache(files, IMAGE="a").get("dockerci-shop-r2")
    assert other is not None
    assert other.data["name"] == "dockerci-shop-r2"


@pytest.mark.parametrize("name", ["compose.yaml", "more.yaml", "web.yaml", "db.env"])
def test_a_file_has_changed(files: Path, name: str) -> None:
    """Whichever of those that the answer comes from; one that is gone as well."""
    put(files)
    text = (files / name).read_text()
    (files / name).write_text(text + "\n")
    assert cache(files).get(PROJECT) is None
    (files / name).write_text(text)
    assert cache(files).get(PROJECT) is not None
    (files / name).unlink()
    assert cache(files).get(PROJECT) is None


@pytest.mark.parametrize("name", ["compose.override.yaml", ".env"])
def test_a_file_has_come(files: Path, name: str) -> None:
    """One that Compose would look for."""
    put(files)
    (files / name).write_text("")
    assert cache(files).get(PROJECT) is None


@pytest.mark.parametrize("name", ["IMAGE", "PASSED", "IN_ENV_FILE", "COMPOSE_PROFILES", "HOME"])
def test_a_variable_has_changed(files: Path, name: str) -> None:
    """Used by ``$``, passed on by its name, in an env file, or read by Compose in any case."""
    put(files, **{name: "before"})
    assert cache(files, **{name: "before"}).get(PROJECT) is not None
    assert cache(files, **{name: "after"}).get(PROJECT) is None
    assert cache(files).get(PROJECT) is None


def test_another_compose(files: Path) -> None:
    """Another version, or other permissions, may mean another answer."""
    put(files)
    assert cache(files, "2.40.3").get(PROJECT) is None
    assert cache(files, "2.26.1", "remote-include").get(PROJECT) is None


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ({"include": ["a.yaml", {"path": ["b.yaml", "c.yaml"], "env_file": "x.env"}]}, "a b c x"),
        ({"services": {"w": {"extends": "other", "env_file": ["a.env", {"path": "b.env"}]}}}, "a b"),
        ({"services": {"w": {"extends": {"file": "a.yaml", "service": "w"}}}}, "a"),
        ({"services": {"w": {"env_file": "${WHICH}.env"}}}, None),
        ({"include": ["oci://registry/x"]}, None),
        ({"include": [{"path": "a.yaml", "project_directory": ".."}]}, None),
        ({"services": {"w": {"image": "x", "environment": {"env": "y"}}}}, ""),
        (None, ""),
    ],
)
def test_files_that_are_named(data: Any, names: str | None) -> None:
    """In all the forms that Compose has; what cannot be followed is not remembered."""
    found = files_named_by({Path("/p/sub/compose.yaml"): data}, Path("/p"))
    if names is None:
        assert found is None
    else:
        assert found is not None
        assert sorted({file.stem for file in found}) == names.split()
        assert {file.parent for file in found} <= {Path("/p"), Path("/p/sub")}


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {}, "words": {}, "model": "{}"}'])
def test_what_cannot_be_read(files: Path, text: str) -> None:
    """Is no answer."""
    put(files)
    [file] = (files / "cache").iterdir()
    file.write_text(text)
    assert cache(files).get(PROJECT) is None


def test_only_its_owner_reads_it(files: Path) -> None:
    """Values of the environment are in it; values that only decide whether it holds are not."""
    put(files, IMAGE="canary-value")
    [file] = (files / "cache").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert "canary-value" not in file.read_text()
