"""The collection tree of the container's pytest as rows of plain values."""

import hashlib
from typing import Any, Dict, Iterable, List

import pytest

from .plain import safe_repr, to_plain


class Tree:
    """Numbers the nodes of a session, parents first, and describes each one once."""

    def __init__(self) -> None:
        self.rows: List[Dict[str, Any]] = []
        self._nodes: List[Any] = []
        self._numbers: Dict[int, int] = {}

    def number(self, node: Any) -> int:
        """The number of a node, -1 for the session; new nodes get a row."""
        if isinstance(node, pytest.Session) or node is None:
            return -1
        known = self._numbers.get(id(node))
        if known is not None:
            return known
        parent = self.number(node.parent)
        self._numbers[id(node)] = number = len(self.rows)
        self._nodes.append(node)  # keeps the id from being used again
        self.rows.append(_row(node, parent))
        return number

    def numbers(self, nodes: Iterable[Any]) -> List[int]:
        """The numbers of several nodes."""
        return [self.number(node) for node in nodes]


def digest_of(items: Iterable[Any]) -> str:
    """SHA-256 (hex) over the node ids in order."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.nodeid.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _row(node: Any, parent: int) -> Dict[str, Any]:
    row = {
        "parent": parent,
        "kind": _kind(node),
        "type": type(node).__name__,
        "name": node.name,
        "path": str(node.path),
        "nodeid": node.nodeid,
        "keywords": _own_keywords(node),
        "markers": [_marker(mark) for mark in node.own_markers],
    }  # type: Dict[str, Any]
    if isinstance(node, pytest.Item):
        path, line, domain = node.location
        row["location"] = [str(path), line if isinstance(line, int) else None, str(domain)]
        row["originalname"] = getattr(node, "originalname", None)
    return row


def _kind(node: Any) -> str:
    if isinstance(node, pytest.Item):
        return "item"
    if isinstance(node, pytest.Class):
        return "class"
    if isinstance(node, pytest.Package) or type(node).__name__ == "Dir":
        return "directory"
    directory = getattr(pytest, "Directory", None)  # since pytest 8
    if directory is not None and isinstance(node, directory):
        return "directory"
    return "file" if isinstance(node, pytest.File) else "collector"


def _own_keywords(node: Any) -> List[str]:
    """What `-k` and `report.keywords` see at this node and not at its parent."""
    inherited = set(node.parent.keywords) if node.parent is not None else set()
    own = [str(keyword) for keyword in node.keywords if keyword not in inherited]
    extra = [str(keyword) for keyword in node.extra_keyword_matches]
    attributes = list(getattr(getattr(node, "function", None), "__dict__", ()))
    return sorted({*own, *extra, *attributes})


def _marker(mark: Any) -> List[Any]:
    return [
        mark.name,
        [_argument(value) for value in mark.args],
        {k: _argument(v) for k, v in mark.kwargs.items()},
    ]


def _argument(value: Any) -> Any:
    """A marker's argument if JSON can carry it, its `repr` otherwise (callables, objects)."""
    return (
        to_plain(value)
        if isinstance(value, (str, int, float, list, tuple, dict, type(None)))
        else safe_repr(value)
    )
