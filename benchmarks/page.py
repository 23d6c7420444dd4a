"""The table of results, and the page with its chart."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.paired import Result

_HEAD = ("what", "ours", "others", "ratio", "limit", "goal", "kept")


# Ratios of paired medians vary by less than this from one measurement to the next.
_TOLERATED = 1.25


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table: medians, and ours in relation to the best of the others."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(result) for result in results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(result: Result) -> tuple[str, ...]:
    unit = result.benchmark.unit
    (ours, our_median), *others = result.medians.items()
    limit, goal, most = result.benchmark.limit, result.benchmark.goal, result.benchmark.most
    limits = [] if limit is None else [f"{limit:.2f}"]
    limits += [] if most is None else [f"{most:g} {unit}"]
    return (
        result.benchmark.title,
        f"{ours} {our_median:.2f} {unit}",
        ", ".join(f"{name} {median:.2f} {unit}" for name, median in others),
        "" if result.ratio is None else f"{result.ratio:.2f}",
        ", ".join(limits),
        "" if goal is None else f"{goal:.2f}",
        "yes" if result.is_kept else "no",
    )


def write_ratios(file: Path, results: Sequence[Result]) -> None:
    """Write down what later measurements are compared with."""
    ratios = {result.benchmark.name: round(result.ratio, 4) for result in results if result.ratio is not None}
    file.write_text(json.dumps(ratios, indent=1) + "\n", encoding="utf-8")


def regressions(file: Path, results: Sequence[Result]) -> list[str]:
    """What has become slower than it was, by its ratio to the others: times depend on the machine.

    Args:
        file: Written by `write_ratios`.
        results: Measured now.
    """
    before = json.loads(file.read_text(encoding="utf-8"))
    return [
        f"{name}: {result.ratio:.2f} of the best other, it was {before[name]:.2f}"
        for result in results
        if (name := result.benchmark.name) in before
        and result.ratio is not None
        and result.ratio > before[name] * _TOLERATED
    ]


def write_page(page: Path, results: Sequence[Result]) -> None:
    """Write a Markdown page with the table and, beside it, the chart (SVG)."""
    chart = page.with_suffix(".svg")
    _draw(chart, results)
    system = f"{platform.system()} {platform.machine()}"
    machine = f"{os.cpu_count()} processors, {system}, Python {platform.python_version()}"
    page.write_text(
        f"# Benchmarks\n\nMeasured on {time.strftime('%Y-%m-%d')}: {machine}. `make benchmark` measures again. "
        "Subjects run by turns; the figures are\nmedians, the ratio is ours to the best of the others.\n\n"
        f"{table(results)}\n\n![Medians of each benchmark]({chart.name})\n",
        encoding="utf-8",
    )


def _draw(chart: Path, results: Sequence[Result]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only a page needs it

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(
        len(results),
        figsize=(8, sum(0.6 + 0.3 * len(result.medians) for result in results)),
        height_ratios=[len(result.medians) + 1 for result in results],
        squeeze=False,
        layout="constrained",
    )
    for axis, result in zip(axes.flat, results, strict=True):
        names = list(result.medians)[::-1]
        bars = axis.barh(names, [result.medians[name] for name in names], color="#b8c4d0", height=0.6)
        bars[-1].set_color("#1f6feb")
        axis.bar_label(bars, fmt=f"%.2f {result.benchmark.unit}", padding=4, fontsize=8)
        axis.set_title(result.benchmark.title, loc="left", fontsize=9)
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.tick_params(bottom=False, labelbottom=False, left=False, labelsize=8)
        axis.margins(x=0.15)
    figure.savefig(chart, metadata={"Date": None})
    plt.close(figure)
