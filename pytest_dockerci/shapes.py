"""Shapes of plain values, as tables say them, and whether a value has one. Pure.

What comes from a container is JSON: it can be anything. `misfit` says where a value is not what it has to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Text:
    """A text.

    Attributes:
        of: The texts that are allowed; empty for all.
        is_name: It will be a name or a path: no NUL in it.
    """

    of: frozenset[str] = frozenset()
    is_name: bool = False

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        is_fit = (
            isinstance(value, str)
            and (not self.of or value in self.of)
            and not (self.is_name and "\0" in value)
        )
        return None if is_fit else ""


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number.

    Attributes:
        is_whole: It has to be whole.
    """

    is_whole: bool = False

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        kinds = (int,) if self.is_whole else (int, float)
        return None if type(value) in kinds and math.isfinite(value) else ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """None."""

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        return None if value is None else ""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value: it is only shown or passed on."""

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        del value
        return None


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of any length."""

    each: Shape

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        if not isinstance(value, list):
            return ""
        for number, part in enumerate(value):
            found = self.each.misfit(part)
            if found is not None:
                return f"[{number}]{found}"
        return None


@dataclass(frozen=True, slots=True)
class Row:
    """A list with one part for each shape."""

    parts: tuple[Shape, ...]

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        if not isinstance(value, list) or len(value) != len(self.parts):
            return ""
        for number, shape in enumerate(self.parts):
            found = shape.misfit(value[number])
            if found is not None:
                return f"[{number}]{found}"
        return None


@dataclass(frozen=True, slots=True)
class Table:
    """A dictionary of texts to values of one shape."""

    each: Shape

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        if not isinstance(value, dict):
            return ""
        for name, part in value.items():
            found = self.each.misfit(part)
            if found is not None:
                return f"[{name!r:.60}]{found}"
        return None


@dataclass(frozen=True, slots=True)
class Fields:
    """A dictionary with named values; further ones are not looked at."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        if not isinstance(value, dict) or not self.required.keys() <= value.keys():
            return ""
        for shapes in (self.optional, self.required):
            for name, shape in shapes.items():
                if name in value:
                    found = shape.misfit(value[name])
                    if found is not None:
                        return f".{name}{found}"
        return None


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of several shapes."""

    shapes: tuple[Shape, ...]

    def misfit(self, value: Any) -> str | None:
        """As `Shape.misfit`."""
        return None if any(shape.misfit(value) is None for shape in self.shapes) else ""


class Shape(Protocol):
    """What a value has to be."""

    def misfit(self, value: Any) -> str | None:
        """Where within a value of JSON's types something does not fit; None when all does."""


def misfit(value: Any, shape: Shape, where: str) -> str:
    """The place where a value is not what it has to be; empty when it is.

    Args:
        value: Of JSON's types.
        shape: What it has to be.
        where: What the value itself is called.
    """
    found = shape.misfit(value)
    return "" if found is None else f"{where}{found}"


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
