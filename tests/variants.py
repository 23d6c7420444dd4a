"""Which values of a parameter belong to the default tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

_PARAM = type(pytest.param())


def soak_after(count: int, values: Iterable[Any]) -> list[Any]:
    """The values for ``parametrize``; all but the first ones are part of the long tests only.

    Args:
        count: How many are part of the default tests.
        values: As for ``parametrize``; a tuple that is the value of one name as ``pytest.param(tuple)``.
    """
    return [_soak(value) if number >= count else value for number, value in enumerate(values)]


def _soak(value: Any) -> Any:
    if isinstance(value, _PARAM):
        return pytest.param(*value.values, marks=[*value.marks, pytest.mark.soak], id=value.id)
    return pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.soak)
