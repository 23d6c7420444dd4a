"""Which of the container's paths a command line asks for: by what it names, and by ``-m``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from _pytest.mark.expression import Expression

from pytest_dockerci.container_options import located

if TYPE_CHECKING:
    import pytest

    from pytest_dockerci.arguments import Suite

# Each name doubles the work; who writes a longer expression can wait for the container.
_MAX_NAMES = 10


def paths_for_container(config: pytest.Config, suite: Suite) -> list[str]:
    """What the container has to collect, relative to the root; nothing where ``-m`` leaves out all its tests."""
    if not can_select(config.option.markexpr, "dockerci"):
        return []
    return suite.selected(located(config, config.args))


def can_select(expression: str, mark: str) -> bool:
    """True when ``-m expression`` can select a test that has a mark, whatever other marks it has.

    An expression that pytest refuses counts as one that can: pytest tells what is wrong with it.
    """
    if not expression.strip():
        return True
    try:
        compiled = Expression.compile(expression)
    except Exception:  # noqa: BLE001 - the class is pytest's secret, and differs from version to version
        return True
    return _can_be_true(compiled, {(mark, ()): True})


def _can_be_true(compiled: Expression, known: Mapping[Any, bool]) -> bool:
    if len(known) > _MAX_NAMES:
        return True

    def has_mark(name: str, /, **arguments: Any) -> bool:
        key = (name, tuple(sorted(arguments.items())))
        if key not in known:
            raise _UndecidedError(key)
        return known[key]

    try:
        return compiled.evaluate(has_mark)
    except _UndecidedError as undecided:
        return any(_can_be_true(compiled, {**known, undecided.key: value}) for value in (False, True))


class _UndecidedError(Exception):
    def __init__(self, key: Any) -> None:
        self.key = key
