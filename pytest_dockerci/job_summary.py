"""What a CI job's page shows of a run, as Markdown. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# GitHub refuses a page of more than 1 MiB for all steps of a job together.
MAX_CHARACTERS = 200_000
_MAX_FAILURES = 20
_MAX_LINES = 60
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A test that failed.

    Attributes:
        name: Its id.
        text: What pytest shows of it.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What there is to say of a run.

    Attributes:
        exit_status: Of the run.
        image: The tested image, ``name:tag (sha256:...)``; empty where there was none.
        counts: Numbers of tests by outcome, those of none left out.
        phases: Seconds by phase.
        pushed: ``repository@sha256:...``; empty where nothing was pushed.
        tags: Under which.
        errors: What went wrong with the run itself.
        failures: The tests that failed.
    """

    exit_status: int
    image: str = ""
    counts: Mapping[str, int]
    phases: Mapping[str, float]
    pushed: str = ""
    tags: Sequence[str] = ()
    errors: Sequence[str] = ()
    failures: Sequence[Failure] = ()


def render_summary(run: RunSummary) -> str:
    """The page's part."""
    verdict = "green" if run.exit_status == 0 else f"not green, exit code {run.exit_status}"
    rows = [
        ("image", _code(run.image) if run.image else ""),
        ("tests", ", ".join(f"{count} {name}" for name, count in run.counts.items()) or "none"),
        ("pushed", f"{_code(run.pushed)} as {', '.join(map(_code, run.tags))}" if run.pushed else ""),
        ("time", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.phases.items())),
    ]
    parts = [f"### Tests inside the image: {verdict}", ""]
    parts += ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows if text), ""]
    for error in run.errors:
        parts += [_block(error), ""]
    for failure in run.failures[:_MAX_FAILURES]:
        parts += [f"<details><summary>{_html(failure.name)}</summary>", "", _block(failure.text), ""]
        parts += ["</details>", ""]
    if len(run.failures) > _MAX_FAILURES:
        parts += [f"and {len(run.failures) - _MAX_FAILURES} more", ""]
    text = "\n".join(parts)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "\n\ncut here\n"


def _block(text: str) -> str:
    """Text as it is, between fences that do not occur in it; its end, where it is long."""
    lines = _COLOR.sub("", text).splitlines()
    if len(lines) > _MAX_LINES:
        lines = [f"... {len(lines) - _MAX_LINES} lines before", *lines[-_MAX_LINES:]]
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def _code(text: str) -> str:
    """A word that nothing in it can leave."""
    return f"<code>{_html(text)}</code>"


def _html(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")
    return " ".join(escaped.split())
