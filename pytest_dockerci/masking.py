"""Hides the values of secrets in texts, whatever form they have taken there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, quote_plus

# Shorter ones stand in too many words by chance.
MIN_CHARACTERS = 6
HIDDEN = "***"


class Mask:
    """Hides some values.

    Args:
        values: The values; those shorter than `MIN_CHARACTERS` are not hidden.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values = frozenset(value for value in values if len(value) >= MIN_CHARACTERS)
        self._forms = sorted({form for value in self.values for form in _forms(value)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms)))

    def __bool__(self) -> bool:
        return bool(self.values)

    def hide(self, text: str) -> str:
        """A text without them."""
        return self._pattern.sub(HIDDEN, text) if self.values else text

    def hide_in(
        self,
        value: Any,
        *,
        words: Mapping[str, Container[Any]] = MappingProxyType({}),
        keys: Container[str] = (),
    ) -> Any:
        """A plain value without them in any of its texts.

        Args:
            value: Of JSON's types.
            words: For some keys, the values that stay as they are.
            keys: Keys that are part of a structure and stay as they are; in all others they are hidden too.
        """
        match value:
            case str():
                return self.hide(value)
            case list() | tuple():
                return type(value)(self.hide_in(part, words=words, keys=keys) for part in value)
            case dict():
                return {
                    key if key in words or key in keys else self.hide(key): (
                        part
                        if isinstance(part, str) and part in words.get(key, ())
                        else self.hide_in(part, words=words, keys=keys)
                    )
                    for key, part in value.items()
                }
            case _:
                return value

    def begun_at_end_of(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of one that is not complete yet."""
        longest = min(len(text), len(self._forms[0]) - 1) if self._forms else 0
        for length in range(longest, 0, -1):
            end = text[-length:]
            if any(form.startswith(end) for form in self._forms):
                return length
        return 0


class StreamMask:
    """Hides them in a text that comes in pieces.

    Args:
        mask: What to hide.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be shown by now."""
        text = self._mask.hide(self._held + text)
        held = self._mask.begun_at_end_of(text)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back and did not become one."""
        rest, self._held = self._held, ""
        return rest


def _forms(value: str) -> Iterator[str]:
    """How a value may be written: as it is, quoted for JSON, Python and addresses, in base64."""
    yield value
    yield from (line for line in value.splitlines() if len(line) >= MIN_CHARACTERS)
    yield from (json.dumps(value, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    yield from (repr(value)[1:-1], quote(value, safe=""), quote_plus(value))
    data = value.encode("utf-8", "surrogateescape")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # What stands before it decides about its first characters, and what comes after it about the last.
            text = encode(b"\0" * shift + data).decode()
            begin = (0, 2, 3)[shift]
            end = len(text) - (0 if (len(data) + shift) % 3 == 0 else text.count("=") + 1)
            yield text[begin:end]


_known = Mask()


def know(values: Iterable[str]) -> None:
    """From here on, `hide` hides these in this process as well."""
    global _known  # noqa: PLW0603 - every text of the process goes through it, wherever it is made
    _known = Mask({*_known.values, *values})


def known() -> Mask:
    """The mask of this process."""
    return _known


def hide(text: str) -> str:
    """A text without the secrets that this process knows."""
    return _known.hide(text)
