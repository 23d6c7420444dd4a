"""XML from a stranger as a tree: no document type, no entities of its own, bounded in every direction. Pure.

Source: Python's documentation, "XML vulnerabilities": ElementTree by itself expands entities.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 100


class UnsafeXmlError(ValueError):
    """The bytes are not XML that is accepted; says why and where."""


def read_tree(data: bytes) -> Element:
    """The root element, names without their namespaces.

    Raises:
        UnsafeXmlError: It is not well-formed, or holds what is refused.
    """
    reader = _Reader()
    try:
        return reader.read(data)
    except expat.ExpatError as error:
        raise UnsafeXmlError(_explained(error)) from error
    except (LookupError, ValueError) as error:  # an encoding that Python does not know
        if isinstance(error, UnsafeXmlError):
            raise
        raise UnsafeXmlError(str(error)) from error


class _Reader:
    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._elements = 0
        parser: Any = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._builder.data
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype
        parser.ExternalEntityRefHandler = self._refuse_doctype
        self._parser = parser

    def read(self, data: bytes) -> Element:
        self._parser.Parse(data, True)
        return self._builder.close()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise UnsafeXmlError(
                f"more than {MAX_DEPTH} elements within each other, or {MAX_ELEMENTS} in all"
            )
        self._builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._builder.end(_local(name))

    def _refuse_doctype(self, *_: object) -> None:
        raise UnsafeXmlError("it has a document type (DOCTYPE), which no results file needs: refused")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _explained(error: expat.ExpatError) -> str:
    words = expat.ErrorString(error.code)
    cut = (
        "; was it cut off?"
        if words in ("no element found", "unclosed token", "unclosed CDATA section")
        else ""
    )
    return f"{words}, line {error.lineno}, column {error.offset + 1}{cut}"
