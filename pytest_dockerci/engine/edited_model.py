"""The Compose model as the project's hooks want it. Pure but for what they do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_dockerci.engine.model_cache import ComposeModel


def escape_dollars(text: str) -> str:
    """The text as Compose has to read it to mean it literally."""
    return text.replace("$", "$$")


def edited_model(
    model: ComposeModel,
    *,
    edit_model: Callable[[dict[str, Any]], None],
    built: str,
    edit_build_args: Callable[[dict[str, str]], None],
) -> ComposeModel:
    """The model after the project's hooks; they see plain dollars only in build arguments.

    Args:
        model: As Compose resolves it; not changed.
        edit_model: Changes the data in place.
        built: The service under test, where its image is built.
        edit_build_args: Changes that build's arguments in place.
    """
    edited = replace(model, data=copy.deepcopy(model.data))
    edit_model(edited.data)
    build = (edited.services.get(built) or {}).get("build")
    if build is not None:
        given = build.get("args") or {}
        args = {name: value.replace("$$", "$") for name, value in given.items() if value is not None}
        edit_build_args(args)
        unset = {name: None for name, value in given.items() if value is None}
        build["args"] = unset | {name: escape_dollars(str(value)) for name, value in args.items()}
    return edited
