"""Shapes of plain values, as tables say them, and whether a value has one. Pure.

What comes from a container is JSON: it can be anything. `misfit` says where a value is not what it has to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """A text.

    Attributes:
        of: The texts that are allowed; empty for all.
        is_name: It will be a name or a path: no NUL in it.
    """

    of: frozenset[str] = frozenset()
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number.

    Attributes:
        is_whole: It has to be whole.
    """

    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """None."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value: it is only shown or passed on."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of any length."""

    each: Shape


@dataclass(frozen=True, slots=True)
class Row:
    """A list with one part for each shape."""

    parts: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A dictionary of texts to values of one shape."""

    each: Shape


@dataclass(frozen=True, slots=True)
class Fields:
    """A dictionary with named values; further ones are not looked at."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of several shapes."""

    shapes: tuple[Shape, ...]


Shape = Text | Number | Nothing | Anything | ListOf | Row | Table | Fields | OneOf


def misfit(value: Any, shape: Shape, where: str) -> str:
    """The place where a value is not what it has to be; empty when it is.

    Args:
        value: Of JSON's types.
        shape: What it has to be.
        where: What the value itself is called.
    """
    match shape:
        case OneOf(shapes):
            return "" if any(not misfit(value, each, where) for each in shapes) else where
        case ListOf() | Row() | Table() | Fields():
            parts = list(_parts(value, shape))
            if parts == [_NONE]:
                return where
            return next(
                (found for name, part, of in parts if (found := misfit(part, of, f"{where}{name}"))), ""
            )
        case _:
            return "" if _is_leaf(value, shape) else where


def names_in(shape: Shape) -> Iterator[str]:
    """The names of all values that a shape names, at any depth."""
    match shape:
        case Fields(required, optional):
            for name, part in {**optional, **required}.items():
                yield name
                yield from names_in(part)
        case ListOf(each) | Table(each):
            yield from names_in(each)
        case Row(parts) | OneOf(parts):
            for part in parts:
                yield from names_in(part)
        case _:
            pass


def _is_leaf(value: Any, shape: Shape) -> bool:
    match shape:
        case Text(of, is_name):
            return isinstance(value, str) and (not of or value in of) and not (is_name and "\0" in value)
        case Number(is_whole):
            kinds = (int,) if is_whole else (int, float)
            return type(value) in kinds and math.isfinite(value)
        case Nothing():
            return value is None
        case _:
            return True


_NONE: tuple[str, Any, Shape] = ("", None, Nothing())


def _parts(value: Any, shape: Shape) -> Iterator[tuple[str, Any, Shape]]:
    """The parts of a list or dictionary, each with its name and shape; `_NONE` alone when it is none such."""
    match shape, value:
        case ListOf(each), list():
            yield from ((f"[{number}]", part, each) for number, part in enumerate(value))
        case Row(parts), list() if len(value) == len(parts):
            yield from ((f"[{number}]", value[number], part) for number, part in enumerate(parts))
        case Table(each), dict():
            yield from ((f"[{name!r:.60}]", part, each) for name, part in value.items())
        case Fields(required, optional), dict() if required.keys() <= value.keys():
            shapes = {**optional, **required}
            yield from ((f".{name}", value[name], shapes[name]) for name in shapes if name in value)
        case _:
            yield _NONE
