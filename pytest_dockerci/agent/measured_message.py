"""The message about what coverage has measured."""

from typing import Any, Dict, List

from .message import Message, message


@message
class Measured(Message):
    """A part of what coverage has measured in this container; sent before `Finished`.

    Args:
        rows: Either the numbers of a file and a context: ``{"file", "context", "kind": "lines" or "arcs", "numbers"}``,
            those of arcs in pairs; or a file: ``{"file", "tracer", "digest"}``, the digest a SHA-256 (hex).
        notes: What the user should know, one sentence each.
    """

    rows: List[Dict[str, Any]]
    notes: List[str]
