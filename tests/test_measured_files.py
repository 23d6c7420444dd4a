from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from coverage import CoverageData

from pytest_dockerci.agent import wire
from pytest_dockerci.coverage_plan import CoveragePlan
from pytest_dockerci.measured_files import HostFiles, MeasuredFiles
from pytest_dockerci.paths import PathMap

FILE = "/srv/app/shop.py"


def numbers(**changes: Any) -> dict[str, Any]:
    """A row of lines."""
    return {"file": FILE, "context": "", "kind": "lines", "numbers": [1, 2], **changes}


def digest(text: str) -> str:
    """As the agent sends it."""
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "row",
    [
        numbers(numbers=[-1]),
        numbers(numbers=[True]),
        numbers(numbers=[1.0]),
        numbers(numbers=["1"]),
        numbers(numbers=[10**9]),
        numbers(numbers="12"),
        numbers(kind="arcs"),
        numbers(kind=None),
        numbers(context=None),
        numbers(context="x" * 100_000),
        numbers(file=3),
        numbers(file="/srv/app/../../etc/passwd"),
        numbers(file="/srv/app/\0"),
        numbers(file="/" + "x" * 5000),
        {"file": FILE, "tracer": ""},
        {"file": FILE, "tracer": None, "digest": ""},
        {},
    ],
)
def test_forged_rows_are_refused(row: dict[str, Any]) -> None:
    """Whatever is not what the agent would send."""
    with pytest.raises(wire.WireError):
        MeasuredFiles(has_branches=False).add([row])


def test_half_a_branch_is_refused() -> None:
    """Arcs come in pairs."""
    with pytest.raises(wire.WireError):
        MeasuredFiles(has_branches=True).add([numbers(kind="arcs", numbers=[1, 2, 3])])


def test_a_flood_is_refused() -> None:
    """A high line number costs coverage an eighth of it in bytes, for each row."""
    measured = MeasuredFiles(has_branches=False)
    rows = [numbers(numbers=[999_999])] * 20_000
    with pytest.raises(wire.WireError, match="more coverage than any suite has"):
        measured.add(rows)


def test_rows_become_a_data_file(tmp_path: Path) -> None:
    """By context and host path; what the host does not have is left out."""
    measured = MeasuredFiles(has_branches=True)
    measured.add(
        [
            numbers(kind="arcs", numbers=[-1, 1, 1, 2]),
            numbers(kind="arcs", numbers=[1, 3], context="test_b|run"),
            numbers(kind="arcs", numbers=[1, 2], file="/usr/lib/other.py"),
            {"file": FILE, "tracer": "", "digest": ""},
            {"file": "/srv/app/idle.py", "tracer": "", "digest": ""},
        ]
    )
    data = CoverageData(basename=str(tmp_path / "data"))
    measured.write(data, {FILE: "/home/shop.py", "/srv/app/idle.py": "/home/idle.py"})
    assert data.measured_files() == {"/home/shop.py", "/home/idle.py"}
    assert sorted(data.arcs("/home/shop.py") or []) == [(-1, 1), (1, 2), (1, 3)]
    assert data.contexts_by_lineno("/home/shop.py")[3] == ["test_b|run"]
    data.close()


def test_nothing_has_run(tmp_path: Path) -> None:
    """Files of which no line ran are known all the same."""
    measured = MeasuredFiles(has_branches=False)
    measured.add([{"file": FILE, "tracer": "", "digest": ""}])
    data = CoverageData(basename=str(tmp_path / "data"))
    measured.write(data, {FILE: "/home/shop.py"})
    assert data.measured_files() == {"/home/shop.py"}
    data.close()


def test_where_a_file_lies_on_the_host(tmp_path: Path) -> None:
    """By the trees that stand for each other, by `[paths]`, or by content; the others are named."""
    root, vendored = tmp_path / "shop", tmp_path / "vendored"
    for path, text in {
        root / "app.py": "A",
        root / "src" / "pack" / "a.py": "A",
        root / "src" / "pack" / "b.py": "B",
        vendored / "v.py": "V",
        tmp_path / "alias.py": "L",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    paths = PathMap(((PurePosixPath("/srv/app"), root), (PurePosixPath("/opt/v"), vendored)), root)
    alias = {"/build/l.py": str(tmp_path / "alias.py")}
    host_files = HostFiles(paths, lambda path: alias.get(path, path), [root, root / "src"])
    site = "/usr/lib/python3/site-packages/pack"
    found = host_files.find_all(
        {
            "/srv/app/app.py": ("", digest("A")),
            "/srv/app/only_in_the_image.py": ("", digest("A")),
            "/opt/v/v.py": ("", digest("another V")),
            "/build/l.py": ("", digest("L")),
            f"{site}/a.py": ("", digest("A")),
            f"{site}/b.py": ("", digest("another B")),
            str(root / "app.py"): ("", digest("A")),
            str(vendored / "v.py"): ("", digest("another V")),
        }
    )
    assert found == {
        "/srv/app/app.py": str(root / "app.py"),
        "/opt/v/v.py": str(vendored / "v.py"),
        "/build/l.py": str(tmp_path / "alias.py"),
        f"{site}/a.py": str(root / "src" / "pack" / "a.py"),
        str(root / "app.py"): str(root / "app.py"),
    }
    missing, differing = host_files.remarks()
    assert "/srv/app/only_in_the_image.py" in missing
    assert f"{site}/b.py" in missing
    assert "dockerci_paths (container=host)" in missing
    assert str(vendored / "v.py") in differing


def test_the_configuration_in_the_containers_terms(tmp_path: Path) -> None:
    """Folders and patterns are mapped; patterns that fit anywhere stay as they are."""
    root, lib = tmp_path / "shop", tmp_path / "lib"
    (root / "src" / "pack").mkdir(parents=True)
    (root / "src" / "pack" / "__init__.py").write_text("")
    lib.mkdir()
    options = {
        "run:branch": True,
        "run:omit": ["*/skip.py", "src/old/*", "/usr/lib/x.py", str(lib / "y.py")],
        "run:source": ["src", "../lib", "other", str(root / "src" / "pack")],
        "run:plugins": ["plug"],
        "run:concurrency": ["thread"],
    }
    plan = CoveragePlan(
        options.get,
        lambda name: {"depth": "3", "of": name},
        PathMap(((PurePosixPath("/srv/app"), root), (PurePosixPath("/opt/lib"), lib)), root),
        root,
    )
    assert plan.sections() == {
        "run": {
            "branch": "true",
            "concurrency": ["thread"],
            "plugins": ["plug"],
            "omit": [
                "*/skip.py", "/srv/app/src/old/*", "/usr/lib/x.py", "/opt/lib/y.py", str(lib / "y.py"),
            ],
        },
        "report": {},
        "plug": {"depth": "3", "of": "plug"},
    }  # fmt: skip
    assert plan.sources() == [
        {"name": "src", "folders": ["/srv/app/src"], "packages": ["pack"]},
        {"name": "../lib", "folders": ["/opt/lib"], "packages": []},
        {"name": "other", "folders": ["/srv/app/other"], "packages": []},
        {"name": str(root / "src" / "pack"), "folders": ["/srv/app/src/pack"], "packages": ["pack"]},
    ]
