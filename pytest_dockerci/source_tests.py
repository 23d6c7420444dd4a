"""The tests that a Python file seems to define, read from its source: nothing is imported. Pure.

Names and lines only: what decides at run time (parameters, generated tests, bases from elsewhere)
cannot be seen here.
"""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_UNITTEST_PREFIX = "test"
_NOT_TESTS = frozenset({"fixture", "property", "cached_property", "setter", "overload"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePatterns:
    """pytest's settings for what is a test: prefixes or patterns.

    Attributes:
        classes: ``python_classes``.
        functions: ``python_functions``.
    """

    classes: tuple[str, ...] = ("Test",)
    functions: tuple[str, ...] = ("test",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTest:
    """A function or method that looks like a test.

    Attributes:
        name: Its name.
        line: Of its first decorator or its ``def``, from 0.
        marks: Names of the marks that its decorators set.
    """

    name: str
    line: int
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceClass:
    """A class that looks like one with tests.

    Attributes:
        name: Its name.
        is_unittest: It derives from `unittest.TestCase`, as far as names tell.
        marks: Names of the marks on it.
        members: Tests and classes in it, in the order in which pytest lists them.
    """

    name: str
    is_unittest: bool
    marks: tuple[str, ...]
    members: tuple[SourceTest | SourceClass, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModule:
    """A file.

    Attributes:
        marks: Names of the marks in its ``pytestmark``.
        members: Tests and classes, in the order of the file.
    """

    marks: tuple[str, ...] = ()
    members: tuple[SourceTest | SourceClass, ...] = ()


def read_source(source: bytes, patterns: NamePatterns) -> SourceModule:
    """The tests of a file.

    Raises:
        SyntaxError: It is not Python.
        ValueError: It holds a NUL.
    """
    tree = ast.parse(source)
    reader = _Reader(
        patterns, {node.name: node for node in _statements(tree.body) if isinstance(node, ast.ClassDef)}
    )
    return SourceModule(marks=_assigned_marks(tree.body), members=tuple(reader.members(tree.body)))


class _Reader:
    def __init__(self, patterns: NamePatterns, classes: dict[str, ast.ClassDef]) -> None:
        self._patterns = patterns
        self._classes = classes

    def members(self, body: Sequence[ast.stmt]) -> Iterator[SourceTest | SourceClass]:
        found: dict[str, SourceTest | SourceClass] = {}
        for node in _statements(body):
            if isinstance(node, _FUNCTIONS) and self._is_test(node):
                found[node.name] = _test(node)
            elif isinstance(node, ast.ClassDef):
                read = self._class(node)
                if read is not None:
                    found[node.name] = read
        yield from found.values()

    def _class(self, node: ast.ClassDef) -> SourceClass | None:
        lineage = list(self._lineage(node))
        is_unittest = any(_is_test_case(base) for each in lineage for base in each.bases)
        if not is_unittest and not _matches(node.name, self._patterns.classes):
            return None
        if any(_switches_off(each) for each in lineage[:1]):
            return None
        methods = {
            method.name: method
            for each in reversed(lineage)
            for method in _statements(each.body)
            if isinstance(method, _FUNCTIONS)
        }
        members: list[SourceTest | SourceClass]
        if is_unittest:
            names = sorted(name for name in methods if name.startswith(_UNITTEST_PREFIX))
            members = [_test(methods[name]) for name in names]
        elif "__init__" in methods or "__new__" in methods:
            return None
        else:
            members = list(
                {
                    member.name: member for each in reversed(lineage) for member in self.members(each.body)
                }.values()
            )
        marks = (*_decorated_marks(node), *_assigned_marks(node.body))
        return SourceClass(name=node.name, is_unittest=is_unittest, marks=marks, members=tuple(members))

    def _lineage(self, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
        """The class and those of its bases that the same file defines, nearest first."""
        waiting, seen = [node], set()
        while waiting:
            each = waiting.pop(0)
            if each.name in seen:
                continue
            seen.add(each.name)
            yield each
            waiting += [
                self._classes[base.id]
                for base in each.bases
                if isinstance(base, ast.Name) and base.id in self._classes
            ]

    def _is_test(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        return _matches(node.name, self._patterns.functions) and not any(
            _last_name(decorator) in _NOT_TESTS for decorator in node.decorator_list
        )


def _test(node: ast.FunctionDef | ast.AsyncFunctionDef) -> SourceTest:
    # Where Python says that the code of a decorated function begins.
    line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return SourceTest(name=node.name, line=line - 1, marks=_decorated_marks(node))


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, those under conditions included."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _statements(node.body)
        if isinstance(node, (ast.If, ast.Try)):
            yield from _statements(node.orelse)
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _statements(handler.body)


def _is_test_case(base: ast.expr) -> bool:
    return _last_name(base).endswith("TestCase")


def _switches_off(node: ast.ClassDef) -> bool:
    """The class says ``__test__ = False``."""
    return any(
        isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__test__" for target in statement.targets)
        and isinstance(statement.value, ast.Constant)
        and not statement.value.value
        for statement in node.body
    )


def _decorated_marks(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[str, ...]:
    return tuple(mark for decorator in node.decorator_list for mark in _marks(decorator))


def _assigned_marks(body: Sequence[ast.stmt]) -> tuple[str, ...]:
    """The marks of ``pytestmark = ...``, one or a list."""
    found: list[str] = []
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            values = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
            found += [mark for value in values for mark in _marks(value)]
    return tuple(found)


def _marks(node: ast.expr) -> Iterator[str]:
    """The name in ``pytest.mark.NAME`` or ``pytest.mark.NAME(...)``; parametrize marks nothing to select by."""
    target = node.func if isinstance(node, ast.Call) else node
    if (
        isinstance(target, ast.Attribute)
        and _last_name(target.value) == "mark"
        and target.attr != "parametrize"
    ):
        yield target.attr


def _last_name(node: ast.expr) -> str:
    target = node.func if isinstance(node, ast.Call) else node
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """As pytest matches ``python_classes`` and ``python_functions``: a prefix, or a pattern."""
    return any(
        name.startswith(pattern)
        or (any(sign in pattern for sign in "*?[") and fnmatch.fnmatchcase(name, pattern))
        for pattern in patterns
    )
