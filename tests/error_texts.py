"""Every error text of the package, with names where values will stand: ``python -m error_texts`` prints the page.

Read from the source, so that no error can be added or reworded without a change of docs/reference/errors.md.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest_dockerci

PACKAGE = Path(pytest_dockerci.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"
_BASE = "DockerCIError"
_HEAD = """\
# Errors

Every error that the plugin can end a run or a test with, as a whole: what failed and where, why, what to try. Words in
braces stand for values. The last lines of a log or of a program's output follow where there are any. Exit codes are in
[a table of their own](exit-codes.md).

This page is compared with the code by `tests/test_error_texts.py`; `python -m error_texts` in `tests/` prints it anew.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """A place of the package that makes an error.

    Attributes:
        place: Module and function.
        kind: The error's class.
        what: Its first line.
        why: The reason; empty for none.
        fix: The next step; empty for none.
        has_output: The end of an output follows.
        copies: It says what another error says, in its parts.
    """

    place: str
    kind: str
    what: str
    why: str
    fix: str
    has_output: bool
    copies: bool

    def __str__(self) -> str:
        lines = [self.what, *_labelled("why", self.why), *_labelled("try", self.fix)]
        return "\n".join([*lines, *(["  output: ..."] if self.has_output else [])])


def _labelled(label: str, text: str) -> list[str]:
    first, *others = text.splitlines() or [""]
    return [f"  {label}: {first}", *(f"       {line}" for line in others)] if first else []


def error_texts() -> list[ErrorText]:
    """All of them, by module and line."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    kinds = _kinds(list(trees.values()))
    return [text for path, tree in trees.items() for text in _in_module(path, tree, kinds)]


def _kinds(trees: list[ast.Module]) -> set[str]:
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    kinds = {_BASE}
    while True:
        more = {each.name for each in classes if any(ast.unparse(base) in kinds for base in each.bases)}
        if more <= kinds:
            return kinds
        kinds |= more


def _in_module(path: Path, tree: ast.Module, kinds: set[str]) -> Iterator[ErrorText]:
    module = path.relative_to(PACKAGE).as_posix()
    yield from _in_block(tree, module, kinds)


def _in_block(block: ast.AST, place: str, kinds: set[str]) -> Iterator[ErrorText]:
    for node in ast.iter_child_nodes(block):
        inner = place
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            inner = f"{place.partition(' ')[0]} {node.name}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in kinds and node.args:
            yield _error_text(node, place)
        yield from _in_block(node, inner, kinds)


def _error_text(call: ast.Call, place: str) -> ErrorText:
    parts = {each.arg: _template(each.value) for each in call.keywords if each.arg}
    what = _template(call.args[0])
    return ErrorText(
        place=place,
        kind=ast.unparse(call.func),
        what=what,
        why=parts.get("why", ""),
        fix=parts.get("fix", ""),
        has_output="output" in parts,
        copies=re.fullmatch(r"\{.*\.what\)?\}", what) is not None,
    )


def _template(value: ast.expr) -> str:
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_template(part) for part in parts)
        case ast.FormattedValue(value=inner, format_spec=spec):
            width = "" if spec is None else f":{_template(spec)}"
            return f"{{{ast.unparse(inner)}{width}}}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _template(left) + _template(right)
        case ast.IfExp(body=body, orelse=orelse):
            return f"({_template(body)} | {_template(orelse)})"
        case _:
            return f"{{{ast.unparse(value)}}}"


def page() -> str:
    """The page of the reference."""
    lines = [_HEAD]
    kind = ""
    for text in sorted(error_texts(), key=lambda each: (each.kind, each.place)):
        if text.kind != kind:
            kind = text.kind
            lines.append(f"## {kind}\n")
        lines.append(f"`{text.place}`\n\n```text\n{text}\n```\n")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - a command that prints
