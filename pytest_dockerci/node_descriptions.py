"""What stands behind a node of the container's, for plugins of the host that look there."""

from __future__ import annotations

from typing import Any


class ParameterSet:
    """The parameters of a test, for plugins that show them or group tests by function.

    pytest's own reordering by scope must find nothing in it: the container's pytest has done that.

    Attributes:
        id: What is in the brackets of the test's name.
        params: Name to value; the `repr` of one that JSON cannot carry.
    """

    __slots__ = ("id", "params")

    def __init__(self, id: str, params: dict[str, Any]) -> None:  # noqa: A002 - pytest's name for it
        self.id = id
        self.params = params

    @property
    def indices(self) -> dict[str, int]:
        """None: which values a parameter has is the container's to know."""
        return {}

    @property
    def _arg2scope(self) -> dict[str, None]:
        return dict.fromkeys(self.params)


class Described:
    """Stands for the object behind a node, where only what describes it is wanted.

    Args:
        texts: Its attributes: the docstring, what decorators of reporting plugins left there.
    """

    def __init__(self, texts: dict[str, str]) -> None:
        self.__doc__ = None  # not this class's
        self.__dict__.update(texts)
