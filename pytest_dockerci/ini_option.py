"""What a setting of the configuration file is, and the error for a value that cannot be meant. Pure."""

from __future__ import annotations

import shlex
from typing import Literal, NamedTuple

from pytest_dockerci.errors import SettingsError

IniType = Literal["string", "linelist", "args", "seconds", "workers", "bool"]


class IniOption(NamedTuple):
    """One setting of the configuration file."""

    name: str
    type: IniType
    default: str
    help: str


def bad_value(setting: str, value: str, allowed: str) -> SettingsError:
    """The error for a value that a setting or an option cannot have."""
    return SettingsError(
        f"pytest-dockerci: {setting} = {shlex.quote(value)} cannot be used", fix=f"write {allowed}"
    )
