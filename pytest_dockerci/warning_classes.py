"""Classes of warnings that are known by their names only: nothing is imported because a container says so.

Every name is an attribute of this module, so that pytest-xdist, which sends warnings by module
and class name, finds them in the controller.
"""

from __future__ import annotations

import builtins
from functools import cache

from pytest_dockerci.stand_ins import stand_in


@cache
def warning_class(name: str) -> type[Warning]:
    """The built-in class of that name, or one that stands for it."""
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Warning):
        return known
    made: type[Warning] = stand_in(name, Warning, {"__module__": __name__})
    return made


def __getattr__(name: str) -> type[Warning]:
    if name.startswith("__"):
        raise AttributeError(name)
    return warning_class(name)
