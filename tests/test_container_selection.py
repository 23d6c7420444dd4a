"""Whether ``-m`` leaves anything for the container to collect."""

from __future__ import annotations

import pytest

from pytest_dockerci.container_selection import can_select


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ("dockerci", True),
        ("not dockerci", False),
        ("slow", True),
        ("not slow", True),
        ("slow and not dockerci", False),
        ("slow or not dockerci", True),
        ("not (dockerci or slow)", False),
        ("not dockerci or (slow and not slow)", False),
        ("(slow or fast) and not (slow or dockerci)", False),
        ("not dockerci and", True),  # pytest tells what is wrong with it
        (" or ".join(f"(a{number} and not a{number})" for number in range(40)), True),  # not looked into
    ],
)
def test_can_select(expression: str, *, expected: bool) -> None:
    """Only where no test with the mark can be selected, whatever its other marks are, is nothing started."""
    assert can_select(expression, "dockerci") is expected


@pytest.mark.skipif(pytest.version_tuple < (8, 3), reason="arguments of marks in -m came with pytest 8.3")
def test_marks_with_arguments() -> None:
    """A mark with arguments is a question of its own."""
    assert can_select("ticket(number=8)", "dockerci")
    assert not can_select("ticket(number=8) and not dockerci", "dockerci")
    assert can_select("ticket(number=8) and not ticket(number=9)", "dockerci")
