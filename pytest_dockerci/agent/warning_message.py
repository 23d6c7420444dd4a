"""The message that tells a warning."""

from typing import Any, List

from .message import Message, message


@message
class Warned(Message):
    """A warning as pytest recorded it.

    Args:
        category: Name of the warning's class.
        text: The warning.
        filename: Container path of the line that warned.
        lineno: Line number, from 1.
        line: That line of source; empty where it cannot be read.
        source: Class of the object that the warning is about (a file that was not closed); empty for none.
        when: ``config``, ``collect`` or ``runtest``.
        nodeid: Test or collector; may be empty.
        location: ``[filename, lineno, function]`` or empty.
    """

    category: str
    text: str
    filename: str
    lineno: int
    line: str
    source: str
    when: str
    nodeid: str
    location: List[Any]
