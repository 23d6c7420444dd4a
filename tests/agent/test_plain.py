"""What a report carries becomes what JSON can carry."""

from __future__ import annotations

import enum
import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dockerci.agent import plain


class Colour(enum.IntEnum):
    """An int that is more than an int."""

    RED = 1


class Text(str):
    """A text that is more than a text."""

    __slots__ = ()


class Broken:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (Colour.RED, 1),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("text", "text"),
        (Text("text"), "text"),
        ((1, (2,)), [1, [2]]),
        ({1: {"a": None}, None: 2}, {"1": {"a": None}, "None": 2}),
        (b"\xff", "b'\\xff'"),
        ({1}, "{1}"),
        (Broken(), "<Broken object, repr() raised ValueError>"),
        ({Broken(): 1}, {"<Broken object, str() raised ValueError>": 1}),
        pytest.param(10**6000, "<int object, repr() raised ValueError>", id="digits"),
    ],
)
def test_a_value(value: Any, expected: Any) -> None:
    """Plain values stay, subclasses become plain, all others become their `repr`."""
    result = plain.to_plain(value)
    assert result == expected
    assert type(result) is type(expected)


def test_nesting_without_end() -> None:
    """A list that holds itself ends as text at a depth that every reader takes."""
    endless: list[Any] = []
    endless.append(endless)
    result = plain.to_plain(endless)
    depth = 0
    while isinstance(result, list):
        result = result[0]
        depth += 1
    assert depth == plain.MAX_DEPTH
    assert result == "[[...]]"


def test_width_without_end() -> None:
    """What comes after a million elements is named only: two lists that hold each other double at each depth."""
    first: list[Any] = []
    first += [first, first]
    result = json.dumps(plain.to_plain(first, max_elements=1000))
    assert 0 < result.count("<list object>") < 1100


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        ([1, "a"], [1, "a"]),
        ({"a": None}, {"a": None}),
        ((1,), "(1,)"),
        ([(1,)], "[(1,)]"),
        ({1: 2}, "{1: 2}"),
        (PurePosixPath("/srv"), "/srv"),
        (b"a", "b'a'"),
    ],
)
def test_what_is_shown_is_the_same(value: Any, expected: Any) -> None:
    """A value stays one if it is shown as before, and is what was shown otherwise."""
    assert plain.shown_alike(value) == expected


def test_a_long_text_loses_its_middle() -> None:
    """Beginning and end stay, and the text says how much is left out."""
    text = "a" * plain.MAX_TEXT_CHARACTERS + "z"
    result = plain.to_plain(text)
    assert result.startswith("aaa")
    assert result.endswith("z")
    assert "\n... [1 characters left out by dockerci] ...\n" in result
    assert plain.to_plain(text[:-1]) == text[:-1]


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.complex_numbers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner) | st.tuples(inner, inner)
        ),
        max_leaves=20,
    )
)
def test_everything_becomes_json(value: Any) -> None:
    """Whatever it is, JSON without extensions carries it, and a second pass changes nothing."""
    result = plain.to_plain(value)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert plain.to_plain(result) == result
