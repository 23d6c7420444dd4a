"""The collection tree of the container's pytest as rows of plain values."""

import hashlib
import inspect
from typing import Any, Dict, FrozenSet, Iterable, List, Optional

import pytest

from .plain import to_plain

# Arguments of marks and parameters are shown and matched by ``-m``, never given to a test.
_MAX_ARGUMENT_CHARACTERS = 1000
_MAX_ARGUMENT_ELEMENTS = 300


class Tree:
    """Numbers the nodes of a session, parents first, and describes each one once.

    Attributes:
        has_docs: Rows carry docstrings, for a listing that shows them.
    """

    def __init__(self) -> None:
        self.has_docs = False
        self.rows: List[Dict[str, Any]] = []
        self._nodes: List[Any] = []
        self._numbers: Dict[int, int] = {}
        self._inherited: Dict[int, FrozenSet[str]] = {}

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
        if parent not in self._inherited:
            self._inherited[parent] = frozenset(() if node.parent is None else node.parent.keywords)
        row = _row(node, parent, self._inherited[parent])
        doc = _doc(node) if self.has_docs and "function" not in row else None
        if doc:
            row["doc"] = doc
        self.rows.append(row)
        return number

    def numbers(self, nodes: Iterable[Any]) -> List[int]:
        """The numbers of several nodes."""
        self._inherited = {}  # plugins may have added some since
        return [self.number(node) for node in nodes]


def digest_of(items: Iterable[Any]) -> str:
    """SHA-256 (hex) over the node ids in order."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.nodeid.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _row(node: Any, parent: int, inherited: FrozenSet[str]) -> Dict[str, Any]:
    """A node as plain values; `inherited` are its parent's keywords."""
    function = getattr(node, "function", None)
    row = {
        "parent": parent,
        "kind": _kind(node),
        "type": type(node).__name__,
        "name": str(node.name),
        "path": str(node.path),
        "nodeid": str(node.nodeid),
        "keywords": _own_keywords(node, function, inherited),
        "markers": [_marker(mark) for mark in node.own_markers],
    }  # type: Dict[str, Any]
    if isinstance(node, pytest.Item):
        path, line, domain = node.location
        row["location"] = [str(path), line if isinstance(line, int) else None, str(domain)]
        row["originalname"] = to_plain(getattr(node, "originalname", None))
        texts = _texts(function)
        if texts:
            row["function"] = texts
        callspec = getattr(node, "callspec", None)
        if callspec is not None:
            parameters = {str(name): _argument(value) for name, value in callspec.params.items()}
            row["callspec"] = [str(callspec.id), parameters]
    elif isinstance(node, (pytest.Module, pytest.Class)):
        defined = getattr(node, "_obj", None)  # as it was imported; a module that failed to import has none
        row["python"] = _python_names(defined)
    return row


def _python_names(defined: Any) -> List[str]:
    """The module, and the qualified name within it where it is a class: what shuffling plugins go by."""
    if inspect.isclass(defined):
        return [str(defined.__module__), str(defined.__qualname__)]
    return [str(getattr(defined, "__name__", ""))]


def _texts(function: Any) -> Dict[str, str]:
    """What the test's function is described by, for reports: its docstring, and texts that decorators gave it."""
    named = [("__doc__", getattr(function, "__doc__", None)), *getattr(function, "__dict__", {}).items()]
    return {name: to_plain(text) for name, text in named if isinstance(text, str) and isinstance(name, str)}


def _doc(node: Any) -> Optional[str]:
    """What ``--collect-only -v`` writes below a node.

    Source: `_printcollecteditems` in pytest's terminal.py.
    """
    thing = getattr(node, "obj", None)
    return inspect.getdoc(thing) if thing else None


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


def _own_keywords(node: Any, function: Any, inherited: FrozenSet[str]) -> List[str]:
    """What `-k` and `report.keywords` see at this node and not at its parent."""
    # Those of the node alone, where they can be had: with all that it inherits, it takes three times as long.
    keywords = getattr(node.keywords, "_markers", node.keywords)
    own = [str(keyword) for keyword in keywords if keyword not in inherited]
    extra = [str(keyword) for keyword in node.extra_keyword_matches]
    return sorted({*own, *extra, *getattr(function, "__dict__", ())})


def _marker(mark: Any) -> List[Any]:
    if mark.name == "parametrize":
        return [mark.name, [], {}]  # each of its tests has the mark, with the values of all of them
    return [
        mark.name,
        [_argument(value) for value in mark.args],
        {k: _argument(v) for k, v in mark.kwargs.items()},
    ]


def _argument(value: Any) -> Any:
    """A marker's argument if JSON can carry it, its `repr` otherwise (callables, objects)."""
    if isinstance(value, str):
        # The text that it is equal to: an enumeration's member (allure's severity) calls itself something else.
        value = str.__str__(value)
    return to_plain(value, _MAX_ARGUMENT_CHARACTERS, _MAX_ARGUMENT_ELEMENTS)
