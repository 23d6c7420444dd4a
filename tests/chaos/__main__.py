"""``python -m chaos [FAMILY ...]``: make trials, keep what they show, print a table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chaos import record
from chaos.families import FAMILIES
from chaos.table import table
from chaos.trial import Family, Trial

_TREE = Path(__file__).parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Make the trials that are asked for and not recorded yet.

    Returns:
        1 when something was not as promised.
    """
    options = _options(argv)
    commit = record.commit_of(_TREE)
    if not options.table:
        for name in options.families or FAMILIES:
            _run(FAMILIES[name], options, commit)
    lines = [line for line in record.read(options.record) if options.table or line.commit == commit]
    print(table(lines, FAMILIES))
    return 1 if any(line.finding.problems or line.finding.late for line in lines) else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument(
        "families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; all by default"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed, other faults")
    parser.add_argument("--trials", type=int, help="how many of each family, instead of the full size")
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="K/N", help="every Nth trial only")
    parser.add_argument(
        "--record", type=Path, action="append", help="file of the findings; the first one is added to"
    )
    parser.add_argument("--table", action="store_true", help="only print the table of the records")
    options = parser.parse_args(argv)
    options.record = options.record or [Path("chaos.jsonl")]
    unknown = [name for name in options.families if name not in FAMILIES]
    if unknown:
        parser.error(f"no family is called {', '.join(unknown)}")
    return options


def _shard(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not 1 <= int(number) <= int(of):
        raise ValueError
    return int(number), int(of)


def _run(family: Family, options: argparse.Namespace, commit: str) -> None:
    number, of = options.shard
    done = {line.trial for line in record.read(options.record) if line.commit == commit}
    numbers = range(family.trials if options.trials is None else options.trials)
    trials = [Trial(family=family.name, seed=options.seed, number=n) for n in numbers if n % of == number - 1]
    left = [trial for trial in trials if trial not in done]
    if not left:
        return
    with (
        tempfile.TemporaryDirectory(prefix="dockerci-chaos-") as folder,
        family.opened(Path(folder)) as make,
    ):
        for trial in left:
            finding = make(trial)
            record.append(options.record[0], record.Line(commit=commit, trial=trial, finding=finding))
            told = ", ".join(f"{name} {value:.2f}" for name, value in finding.figures.items())
            wrong = [*finding.problems, *finding.late]
            good = "NOT AS PROMISED" if wrong else "ok"
            title = f"{family.name} {trial.number + 1}/{len(numbers)}: {finding.kind} {told}: {good}"
            print("\n  ".join([title, *wrong]), file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
