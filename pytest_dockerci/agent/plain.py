"""Turns whatever a report carries into values that JSON can carry, with a limit on their size."""

import math
from typing import Any

MAX_TEXT_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 60


def to_plain(value: Any, depth: int = 0) -> Any:
    """The value as None, bool, int, finite float, str, list or dict with text keys.

    What is none of these becomes its `repr`; a text longer than `MAX_TEXT_CHARACTERS` loses
    its middle, and says how much.
    """
    if value is None or isinstance(value, bool):
        plain: Any = value
    elif isinstance(value, str):
        plain = shorten(str(value))
    elif isinstance(value, int):
        plain = int(value)
    elif isinstance(value, float):
        plain = float(value) if math.isfinite(value) else repr(float(value))
    elif isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
        plain = [to_plain(element, depth + 1) for element in value]
    elif isinstance(value, dict) and depth < MAX_DEPTH:
        plain = {shorten(str(key)): to_plain(element, depth + 1) for key, element in value.items()}
    else:
        plain = shorten(safe_repr(value))
    return plain


def shorten(text: str) -> str:
    """The text, without its middle when it is longer than `MAX_TEXT_CHARACTERS`."""
    if len(text) <= MAX_TEXT_CHARACTERS:
        return text
    half = MAX_TEXT_CHARACTERS // 2
    left_out = len(text) - 2 * half
    return "%s\n... [%d characters left out by dockerci] ...\n%s" % (text[:half], left_out, text[-half:])


def safe_repr(value: Any) -> str:
    """`repr`, or what can be said when that fails."""
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a test's own __repr__ may raise anything
        return "<%s object, repr() raised %s>" % (type(value).__name__, type(error).__name__)
