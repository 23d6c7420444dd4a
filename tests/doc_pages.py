"""The pages of the documentation, taken apart: blocks, tables, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
REFERENCE = PROJECT / "docs" / "reference"
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: The page.
        line: Where it starts.
        info: What follows the opening fence, for instance ``shell runnable``.
        text: What is in it.
        source: The file that it quotes, relative to the project; empty for none.
    """

    page: Path
    line: int
    info: str
    text: str
    source: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


def find_blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page; ``<!-- quote: FILE -->`` right before one names what it quotes."""
    pattern = r"(?:<!-- quote: (\S+) -->\n+)?^```([^\n]*)\n(.*?)^```$"
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, match.start(2)) + 1
        yield Block(page=page, line=line, info=match[2], text=match[3], source=match[1] or "")


BLOCKS = [block for page in PAGES for block in find_blocks(page)]


def blocks_of(*languages: str) -> list[Any]:
    """The blocks in certain languages, as parameters."""
    found = [block for block in BLOCKS if block.info.split(" ")[0] in languages]
    return [pytest.param(block, id=str(block)) for block in found]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def table(page: str, header: str) -> list[list[str]]:
    """The rows of the table whose first heading is `header`, without backticks and escapes."""
    lines = iter((REFERENCE / page).read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {header} |"):
            next(lines)
            break
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        rows.append([cell.strip().strip("`").replace("\\|", "|") for cell in cells])
    return rows


def column(page: str, header: str) -> list[str]:
    """The first column of a table."""
    return [row[0] for row in table(page, header)]


def section(page: str, heading: str) -> list[str]:
    """The first column of the table below a heading."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    part = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


class ComposeLoader(yaml.SafeLoader):
    """Reads Compose files: `!override` and `!reset` are tags of Compose's own."""


ComposeLoader.add_multi_constructor("!", lambda *_: None)
