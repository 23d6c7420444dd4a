"""Small changes to a module's source, one at a time. Pure."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A module with one change.

    Attributes:
        line: Where it is.
        change: What it is, for people.
        source: The whole module.
    """

    line: int
    change: str
    source: str


def mutants_of(source: str, only: Sequence[str] = ()) -> Iterator[Mutant]:
    """Every mutant of a module.

    Args:
        source: Of the module.
        only: Names of the functions and classes that are changed; all of the module when empty.
    """
    tree = ast.parse(source)
    places = [node for node in ast.walk(tree) if _is_wanted(node, tree, only)]
    quiet = _not_run(tree)
    for number, node in enumerate(places):
        if id(node) in quiet:
            continue
        for what, change in _changes(node):
            changed = copy.deepcopy(tree)
            target = [each for each in ast.walk(changed) if _is_wanted(each, changed, only)][number]
            before = ast.unparse(target).splitlines()[0]
            change(target)
            ast.fix_missing_locations(changed)
            line = getattr(node, "lineno", 0)
            yield Mutant(line=line, change=f"{what}: {before:.90}", source=ast.unparse(changed))


def _is_wanted(node: ast.AST, tree: ast.Module, only: Sequence[str]) -> bool:
    if not only:
        return True
    kept = [each for each in tree.body if getattr(each, "name", "") in only]
    line = getattr(node, "lineno", None)
    return line is not None and any(each.lineno <= line <= (each.end_lineno or 0) for each in kept)


def _not_run(tree: ast.Module) -> set[int]:
    """Ids of what no test can see: docstrings, annotations, imports for type checkers, ``__all__``-like noise."""
    quiet: set[int] = set()
    for node in ast.walk(tree):
        hidden: list[ast.AST | None] = []
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None
        ):
            hidden.append(node.body[0])
        if isinstance(node, ast.FunctionDef):
            hidden += [node.returns, *node.decorator_list]
        if isinstance(node, ast.ClassDef):
            hidden += node.decorator_list
        if isinstance(node, ast.arg):
            hidden.append(node.annotation)
        if isinstance(node, ast.AnnAssign):
            hidden.append(node.annotation)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            hidden.append(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "cast":
            hidden.append(node.args[0])
        quiet.update(id(below) for each in hidden if each is not None for below in ast.walk(each))
    return quiet


_Change = tuple[str, Callable[[ast.AST], None]]


def _changes(node: ast.AST) -> Iterator[_Change]:
    yield from _operator_changes(node)
    yield from _constant_changes(node)
    yield from _statement_changes(node)


def _operator_changes(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.Compare(ops=[operator]):
            for other in _COMPARISONS[type(operator)]:
                yield f"{type(operator).__name__} to {other.__name__}", _set_operator(other)
        case ast.BoolOp(op=operator, values=values):
            swapped: type[ast.boolop] = ast.Or if isinstance(operator, ast.And) else ast.And
            yield f"{type(operator).__name__} to {swapped.__name__}", _set("op", swapped)
            for position in range(len(values)):
                yield f"operand {position} left out", _drop_operand(position)
        case ast.UnaryOp(op=ast.Not()):
            yield "not left out", _double_negation
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS and not _is_text(node):
            yield f"{type(operator).__name__} changed", _set("op", _OPERATORS[type(operator)])
        case ast.AugAssign(op=operator) if type(operator) in _OPERATORS:
            yield f"{type(operator).__name__} changed", _set("op", _OPERATORS[type(operator)])
        case _:
            pass


def _constant_changes(node: ast.AST) -> Iterator[_Change]:
    if not isinstance(node, ast.Constant):
        return
    match node.value:
        case bool(value):
            yield "constant", _set_value(not value)
        case int(value) | float(value):
            yield "constant", _set_value(value + 1)
        case str(value):
            yield "constant", _set_value(value + "XX")
        case bytes(value):
            yield "constant", _set_value(value + b"XX")
        case _:
            pass


def _statement_changes(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            yield "condition true", _set_test(value=True)
            yield "condition false", _set_test(value=False)
        case ast.Return(value=value) if value is not None and ast.unparse(value) != "None":
            yield "returns None", _set_constant("value", None)
        case ast.Raise():
            yield "raise left out", _to_pass
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()):
            yield "call left out", _to_pass
        case ast.AugAssign() | ast.Delete():
            yield "statement left out", _to_pass
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "assignment left out", _to_pass
        case ast.Break():
            yield "break to continue", _become(ast.Continue)
        case ast.Continue():
            yield "continue to break", _become(ast.Break)
        case _:
            pass


def _is_text(node: ast.BinOp) -> bool:
    """True for ``"..." % ...`` and sums of texts: the other operator is an error at once."""
    return any(
        isinstance(side, (ast.JoinedStr, ast.List, ast.Tuple))
        or (isinstance(side, ast.Constant) and isinstance(side.value, (str, bytes)))
        for side in (node.left, node.right)
    )


def _set_operator(operator: type[ast.cmpop]) -> Callable[[ast.AST], None]:
    return lambda node: node.__setattr__("ops", [operator()])


def _set(name: str, kind: type[ast.AST]) -> Callable[[ast.AST], None]:
    return lambda node: node.__setattr__(name, kind())


def _set_value(value: object) -> Callable[[ast.AST], None]:
    return lambda node: node.__setattr__("value", value)


def _set_test(*, value: bool) -> Callable[[ast.AST], None]:
    return lambda node: node.__setattr__("test", ast.Constant(value))


def _set_constant(name: str, value: None) -> Callable[[ast.AST], None]:
    return lambda node: node.__setattr__(name, ast.Constant(value))


def _drop_operand(position: int) -> Callable[[ast.AST], None]:
    def drop(node: ast.AST) -> None:
        assert isinstance(node, ast.BoolOp)
        del node.values[position]
        if len(node.values) == 1:
            node.values.append(copy.deepcopy(node.values[0]))

    return drop


def _double_negation(node: ast.AST) -> None:
    assert isinstance(node, ast.UnaryOp)
    node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)


def _to_pass(node: ast.AST) -> None:
    _become(ast.Pass)(node)


def _become(kind: type[ast.stmt]) -> Callable[[ast.AST], None]:
    def become(node: ast.AST) -> None:
        line = getattr(node, "lineno", 1)
        node.__class__ = kind
        node.__dict__.clear()
        node.__dict__.update(lineno=line, col_offset=0, end_lineno=line, end_col_offset=0)

    return become
