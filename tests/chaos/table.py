"""The table of a series. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from chaos.record import Line
from chaos.trial import Family


def table(lines: Sequence[Line], families: Mapping[str, Family]) -> str:
    """Markdown: a row for each family, with its kinds, its figures and what was not as promised.

    Raises:
        ValueError: The lines are of several commits, which do not add up.
    """
    commits = {line.commit for line in lines}
    if len(commits) != 1:
        raise ValueError(
            f"these findings do not add up: they are of {', '.join(sorted(commits)) or 'no commit'}"
        )
    rows = [
        "| promise | trials | faults | kinds | measured | not as promised |",
        "|---|---|---|---|---|---|",
    ]
    for name, family in families.items():
        own = [line for line in lines if line.trial.family == name]
        if own:
            trials = f"{len(own)} of {family.trials}"
            cells = (family.promise, trials, f"{_cases(own):,}", _kinds(own), _figures(own), _problems(own))
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([f"Commit {commits.pop()}.", "", *rows])


def _cases(lines: Sequence[Line]) -> int:
    return sum(line.finding.cases for line in lines)


def _kinds(lines: Sequence[Line]) -> str:
    counts: Counter[str] = Counter()
    for line in lines:
        counts[line.finding.kind] += line.finding.cases
    return ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))


def _figures(lines: Sequence[Line]) -> str:
    names = dict.fromkeys(name for line in lines for name in line.finding.figures)
    return ", ".join(_shown(name, lines) for name in names) or "-"


def _shown(name: str, lines: Sequence[Line]) -> str:
    values = sorted(line.finding.figures[name] for line in lines if name in line.finding.figures)
    middle, high = values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)]
    return f"{name.replace('_', ' ')}: median {middle:.2f}, 99 % {high:.2f}, most {values[-1]:.2f}"


def _problems(lines: Sequence[Line]) -> str:
    return str(sum(1 for line in lines if line.finding.problems or line.finding.late))
