"""What runs in the container runs on Python 3.8: judged by its source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_dockerci.agent
import pytest_dockerci.reaper
import pytest_dockerci.relay

FILES = sorted(
    file
    for package in (pytest_dockerci.agent, pytest_dockerci.reaper, pytest_dockerci.relay)
    for file in Path(str(package.__file__)).parent.glob("*.py")
)
# Newer than Python 3.8: methods, functions and modules that are easily used by habit.
NEWER_NAMES = {
    "removeprefix",
    "removesuffix",
    "is_relative_to",
    "with_stem",
    "hardlink_to",
    "bit_count",
    "pairwise",
    "batched",
    "randbytes",
    "nextafter",
    "waitstatus_to_exitcode",
    "pidfd_open",
    "cache",
    "ExceptionGroup",
    "StrEnum",
    "UTC",
    "add_note",
    "unparse",
    "to_thread",
    "EncodingWarning",
    "aclosing",
    "chdir_context",
    "lcm",
    "TypeAlias",
    "ParamSpec",
    "Self",
    "Annotated",
}
NEWER_MODULES = {"zoneinfo", "graphlib", "tomllib", "importlib.resources", "importlib.metadata"}
NEWER_ARGUMENTS = {
    "slots",
    "kw_only",
    "strict",
    "match_args",
    "delete_on_close",
    "process_group",
    "umask",
    "pipesize",
}
BUILTIN_GENERICS = {"list", "dict", "tuple", "set", "frozenset", "type"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_syntax_is_that_of_python_3_8(file: Path) -> None:
    """No match statement, no parenthesised context managers, no newer syntax at all."""
    ast.parse(file.read_text(encoding="utf-8"), filename=str(file), feature_version=(3, 8))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_newer_is_used(file: Path) -> None:
    """No call, module or argument of a newer standard library; no newer generic in an annotation."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert sorted(complaint for node in ast.walk(tree) for complaint in newer_things(node)) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("'a'.removeprefix('b')", "line 1: removeprefix"),
        ("import tomllib", "line 1: tomllib"),
        ("from functools import cache", "line 1: cache"),
        ("zip(a, b, strict=True)", "line 1: strict="),
        ("def f(a: int | None): ...", "line 1: annotation int | None"),
        ("a: list[int] = []", "line 1: annotation list[int]"),
        ("x = {**{}} | dict(a=1)", "line 1: a union of dictionaries"),
        ("x = {} | {'a': 1}", "line 1: a union of dictionaries"),
    ],
)
def test_the_check_itself(source: str, complaint: str) -> None:
    """Each kind of newer thing is found."""
    assert complaint in [found for node in ast.walk(ast.parse(source)) for found in newer_things(node)]


def newer_things(node: ast.AST) -> list[str]:
    """What a node uses that Python 3.8 lacks."""
    found: list[str] = []
    if isinstance(node, ast.Attribute) and node.attr in NEWER_NAMES:
        found.append(node.attr)
    elif isinstance(node, ast.ImportFrom):
        found += [alias.name for alias in node.names if alias.name in NEWER_NAMES]
        found += [node.module] if node.module in NEWER_MODULES else []
    elif isinstance(node, ast.Import):
        found += [alias.name for alias in node.names if alias.name in NEWER_MODULES]
    elif isinstance(node, ast.keyword) and node.arg in NEWER_ARGUMENTS:
        found.append(f"{node.arg}=")
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and _is_dictionary(node.left):
        found.append("a union of dictionaries")
    else:
        found += [f"annotation {text}" for text in _newer_annotations(node)]
    return [f"line {getattr(node, 'lineno', 0)}: {text}" for text in found]


def _newer_annotations(node: ast.AST) -> list[str]:
    annotation: ast.AST | None = None
    if isinstance(node, ast.arg | ast.AnnAssign):
        annotation = node.annotation
    elif isinstance(node, ast.FunctionDef):
        annotation = node.returns
    parts = [] if annotation is None else list(ast.walk(annotation))
    return [
        ast.unparse(part)
        for part in parts
        if isinstance(part, ast.BinOp)
        or (
            isinstance(part, ast.Subscript)
            and isinstance(part.value, ast.Name)
            and part.value.id in BUILTIN_GENERICS
        )
    ]


def _is_dictionary(node: ast.AST) -> bool:
    return isinstance(node, ast.Dict) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    )
