"""``python -m benchmarks [NAME ...]``: run, print a table, write it and a chart into docs/."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    cold_run,
    growth,
    huge_output,
    listing,
    many_tests,
    memory,
    output_memory,
    paired,
    seeded_run,
    tear_down,
    unchanged_image,
    unused,
    warm_run,
    workers,
)
from benchmarks.page import regressions, table, write_page, write_ratios

MODULES = (
    cold_run,
    seeded_run,
    warm_run,
    many_tests,
    growth,
    memory,
    workers,
    huge_output,
    output_memory,
    unchanged_image,
    unused,
    listing,
    tear_down,
)
BENCHMARKS = {module.BENCHMARK.name: module.BENCHMARK for module in MODULES}


def main() -> int:
    """Run the benchmarks that were asked for.

    Returns:
        1 when a limit was not kept.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default"
    )
    parser.add_argument("--rounds", type=int, help="how often each subject runs")
    parser.add_argument("--page", type=Path, help="write the table and its chart there (a Markdown file)")
    parser.add_argument("--ratios", type=Path, help="write the ratios there, for a later --check")
    parser.add_argument("--check", type=Path, help="fail where a ratio is worse than the one in this file")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}")
    results = []
    for name in options.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        with tempfile.TemporaryDirectory(prefix=f"dockerci-benchmark-{name}-") as folder:
            tell = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731 - one line
            results.append(paired.run(benchmark, Path(folder), options.rounds or benchmark.rounds, tell))
    print(table(results))
    if options.page is not None:
        write_page(options.page, results)
    if options.ratios is not None:
        write_ratios(options.ratios, results)
    if options.check is not None:
        worse = regressions(options.check, results)
        print(*worse, sep="\n")
        return 1 if worse else 0
    return 0 if all(result.is_kept for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
