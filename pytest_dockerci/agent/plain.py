"""Turns whatever a report carries into values that JSON can carry, with limits on their size."""

import math
from typing import Any

MAX_TEXT_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 60
MAX_ELEMENTS = 1_000_000
_MAX_INT_BITS = 8192  # JSON is decimal, and Python refuses to write much longer numbers so


def to_plain(value: Any, max_characters: int = MAX_TEXT_CHARACTERS, max_elements: int = MAX_ELEMENTS) -> Any:
    """The value as None, bool, int, finite float, str, list or dict with text keys.

    What is none of these becomes its `repr`; a text longer than `max_characters` loses its
    middle, and says how much; what comes after `max_elements` is named by its type only.
    """
    kind = type(value)
    if value is None or kind is bool or (kind is str and len(value) <= max_characters):
        return value  # nearly all there is
    return _Reducer(max_characters, max_elements).plain(value, 0)


class _Reducer:
    """One value on its way to JSON."""

    def __init__(self, max_characters: int, max_elements: int) -> None:
        self._max_characters = max_characters
        self._left = max_elements

    def plain(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or isinstance(value, bool):
            plain: Any = value
        elif isinstance(value, str):
            plain = self._shorten(str(value))
        elif isinstance(value, int) and int(value).bit_length() <= _MAX_INT_BITS:
            plain = int(value)
        elif isinstance(value, float):
            plain = float(value) if math.isfinite(value) else repr(float(value))
        elif self._left < 0:  # even its `repr` may have no end
            plain = "<%s object>" % type(value).__name__
        elif isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
            plain = [self.plain(element, depth + 1) for element in value]
        elif isinstance(value, dict) and depth < MAX_DEPTH:
            plain = {
                self._shorten(safe_str(key)): self.plain(element, depth + 1) for key, element in value.items()
            }
        else:
            plain = self._shorten(safe_repr(value))
        return plain

    def _shorten(self, text: str) -> str:
        if len(text) <= self._max_characters:
            return text
        half = self._max_characters // 2
        left_out = len(text) - 2 * half
        return "%s\n... [%d characters left out by dockerci] ...\n%s" % (text[:half], left_out, text[-half:])


def shown_alike(value: Any) -> Any:
    """The value if its `str` is the same after a journey through JSON, that `str` otherwise."""
    plain = to_plain(value)
    text = safe_str(value)
    return plain if str(plain) == text else to_plain(text)


def safe_repr(value: Any) -> str:
    """`repr`, or what can be said when that fails."""
    return _text_by(repr, value)


def safe_str(value: Any) -> str:
    """`str`, or what can be said when that fails."""
    return _text_by(str, value)


def _text_by(function: Any, value: Any) -> str:
    try:
        return str(function(value))
    except Exception as error:  # noqa: BLE001 - a test's own object may raise anything
        return "<%s object, %s() raised %s>" % (
            type(value).__name__,
            function.__name__,
            type(error).__name__,
        )
