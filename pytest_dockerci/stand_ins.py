"""Classes that stand for those of a container, which are known by their names only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def stand_in(name: str, base: type, namespace: Mapping[str, Any]) -> Any:
    """A class of that name; what no name of a class can hold (NUL, lone surrogates) is replaced in it.

    Args:
        name: As the container says.
        base: Its one base.
        namespace: Its attributes.
    """
    shown = name.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return type(shown, (base,), {key: _shown(value) for key, value in namespace.items()})


def _shown(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
