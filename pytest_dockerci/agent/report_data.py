"""What travels of a report and of a warning: plain values that the host can show as pytest here would."""

import linecache
from typing import Any, Dict, List

from . import wire
from .plain import MAX_TEXT_CHARACTERS, safe_repr, shown_alike, to_plain


def report_data(config: Any, report: Any, max_characters: int = MAX_TEXT_CHARACTERS) -> Dict[str, Any]:
    """A report as plain values, with texts of this length at most."""
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    if data is None:  # a plugin's report type that no plugin can write
        data = {"$report_type": type(report).__name__, "nodeid": report.nodeid, "longrepr": safe_repr(report)}
    if isinstance(data.get("longrepr"), str) and hasattr(report.longrepr, "toterminal"):
        data[wire.SHOWN_AS_TEXT] = True
    subtest = data.get("_subtest.context")
    if isinstance(subtest, dict) and isinstance(subtest.get("kwargs"), dict):
        # Since pytest 9.1 the values are texts to be shown as they are; before that, their `repr` is shown.
        is_text = hasattr(type(getattr(report, "context", None)), "__post_init__")
        shown = {name: value if is_text else safe_repr(value) for name, value in subtest["kwargs"].items()}
        data["_subtest.context"] = {**subtest, "kwargs": shown}
    properties = data.get("user_properties")
    if isinstance(properties, (list, tuple)):
        # A JUnit file shows the `str` of what was recorded, a path or a tuple for instance.
        data["user_properties"] = [[shown_alike(part) for part in each] for each in properties]
    return to_plain(data, max_characters)  # type: ignore[no-any-return]


def class_names(exception_type: Any) -> List[str]:
    """The names of an exception's classes: its own first, then its bases up to a built-in one."""
    names = []
    for base in exception_type.__mro__:
        names.append(base.__name__)
        if base.__module__ == "builtins":
            break
    return names


def warning_data(message: Any, when: str, nodeid: str, location: Any) -> wire.Warned:
    """A warning with its line of source, which the host may not have.

    Args:
        message: The `warnings.WarningMessage`.
        when: ``config``, ``collect`` or ``runtest``.
        nodeid: Test or collector; may be empty.
        location: As pytest gives it: a tuple or None.
    """
    line = message.line
    if line is None:
        line = linecache.getline(message.filename, message.lineno)
    return wire.Warned(
        category=getattr(message.category, "__name__", "Warning"),
        text=to_plain(str(message.message)),
        filename=str(message.filename),
        lineno=int(message.lineno),
        line=to_plain(line.strip()),
        source="" if message.source is None else type(message.source).__name__,
        when=when,
        nodeid=nodeid,
        location=to_plain(list(location)) if location else [],
    )
