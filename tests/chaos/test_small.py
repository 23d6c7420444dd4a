"""The small size of the chaos command, and what it does with its findings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import private_engine
from chaos import __main__ as command
from chaos import record
from chaos.families import FAMILIES
from chaos.flatness import growth_per_run
from chaos.hostile_payloads import ESCAPED, TRAP
from chaos.payloads import ran, tried
from chaos.place import project_in
from chaos.runs import SUITE_OF_RUNS, grown, in_a_row
from chaos.table import table
from chaos.trial import Family, Finding, Trial
from pytest_dockerci.engine.client import Engine

# An engine of its own, and ten runs at once, are for `make test-all` and the command.
_LONG = ("engine-kills",)
_SMALL = [
    pytest.param(
        family,
        id=family.name,
        marks=[
            pytest.mark.engine,
            *([pytest.mark.soak] if family.name in _LONG else []),
            pytest.mark.skipif(
                family.name == "engine-kills" and bool(private_engine.needs()), reason=private_engine.needs()
            ),
        ],
    )
    for family in FAMILIES.values()
    if family.small
]


@pytest.mark.parametrize("family", _SMALL)
def test_as_promised(family: Family, engine: Engine) -> None:
    """Some trials of each family that does not take long."""
    with (
        tempfile.TemporaryDirectory(prefix="dockerci-chaos-") as folder,
        family.opened(Path(folder)) as make,
    ):
        for number in range(family.small):
            finding = make(Trial(family=family.name, seed=0, number=number))
            assert finding.problems == (), finding


@pytest.mark.parametrize("number", range(4))
def test_payloads(tmp_path: Path, number: int) -> None:
    """Some of each kind: the family's own trials are of two thousand."""
    finding = tried(tmp_path / "payloads", Trial(family="payloads", seed=0, number=number), 40)
    assert finding.problems == (), finding


def test_a_payload_that_works_is_found(tmp_path: Path) -> None:
    """A trial whose tests come to something else than expected is not as promised."""
    (tmp_path / "host" / "tests").mkdir(parents=True)
    (tmp_path / "image").mkdir()
    (tmp_path / "host" / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "host" / f"{TRAP}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n")
    (tmp_path / "host" / "tests" / "test_suite.py").write_text(
        f"import os, sys, pytest\nsys.path.insert(0, {str(tmp_path / 'host')!r})\n"
        f"@pytest.mark.parametrize('number', range(3))\ndef test_it(number):\n    import {TRAP}\n"
        f"    open(os.path.join({str(tmp_path)!r}, '{ESCAPED}'), 'w').close()\n"
        "    os.write(1, b'\\x1b[2J\\n##vso[x]\\n')\n    print('canary-00-Zq/9+x0')\n    assert number\n"
    )
    problems = "\n".join(ran(tmp_path, ["--no-dockerci", "-s"], ["passed", "passed", "failed"]))
    for expected in (
        "test 0 is not passed",
        "test 2 is not failed",
        "an order: '\\x1b'",
        "an order: '##vso[x]'",
        f"import ['{TRAP}'",
        "the trap was imported",
        f"open ['{tmp_path}/{ESCAPED}'",
        f"written: {tmp_path}/{ESCAPED}",
        "a secret in the output: canary-00-Zq/9+x0",
    ):
        assert expected in problems, problems


@pytest.mark.parametrize(
    ("values", "growth"),
    [
        ([5.0] * 40, 0.0),
        ([float(number) for number in range(40)], 1.0),
        # the warm-up may grow
        ([*(float(number) for number in range(10)), *[9.0] * 30], 0.0),
        # one that is off for a moment is no growth, one in ten runs is
        ([5.0] * 30 + [9.0] + [5.0] * 9, 0.0),
        ([float(number // 10) for number in range(110)], 0.1),
    ],
)
def test_what_grows(values: list[float], growth: float) -> None:
    """By how much, with each run."""
    assert growth_per_run(values) == pytest.approx(growth, abs=0.011)


def test_a_leak_is_told() -> None:
    """By its name, and only what leaks."""
    flat = dict.fromkeys(
        ("file descriptors", "threads", "child processes", "temporary files", "cache files", "images"),
        [3.0] * 40,
    )
    leaking = [float(number) for number in range(40)]
    series = {
        **flat,
        "engine objects": leaking,
        "memory in KiB": [1000.0 + 50 * number for number in range(40)],
    }
    assert list(grown(series, [900.0 + 10 * number for number in range(40)])) == [
        "engine objects: 1.000 more with each run, from 0 to 39",
        "memory: 40 KiB more with each run than pytest alone",
    ]
    assert list(grown({**series, "engine objects": [0.0] * 40}, series["memory in KiB"])) == []


@pytest.mark.engine
@pytest.mark.soak
def test_runs_in_a_row(engine: Engine, tmp_path: Path) -> None:
    """The family's own trial is of five hundred."""
    with project_in(tmp_path / "runs", engine, SUITE_OF_RUNS) as project:
        assert in_a_row(project, engine, 16).problems == ()


@contextmanager
def _opened(_folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    def make(trial: Trial) -> Finding:
        value = trial.random.random()
        problems = ("late",) if trial.number == 3 else ()
        return Finding(
            kind="even" if trial.number % 2 == 0 else "odd", problems=problems, figures={"seconds": value}
        )

    yield make


@pytest.fixture
def dice(monkeypatch: pytest.MonkeyPatch) -> Family:
    """A family that throws a die, and is once not as promised; the only one there is."""
    family = Family(name="dice", promise="dice fall", trials=5, small=0, opened=_opened)
    monkeypatch.setattr(command, "FAMILIES", {family.name: family})
    return family


def test_shards_add_up_and_a_series_is_resumed(
    dice: Family, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is recorded is not done again; two shards are the whole."""
    first, second, whole = (str(tmp_path / name) for name in ("first", "second", "whole"))
    assert command.main(["--shard", "1/2", "--record", first]) == 0
    assert command.main(["--shard", "1/2", "--record", first]) == 0
    assert command.main(["--shard", "2/2", "--record", second]) == 1
    assert command.main(["--record", whole]) == 1
    assert len(Path(first).read_text().splitlines()) == 3
    capsys.readouterr()
    assert command.main(["--table", "--record", first, "--record", second]) == 1
    added = capsys.readouterr().out
    assert command.main(["--table", "--record", whole]) == 1
    assert capsys.readouterr().out == added
    assert "| dice fall | 5 of 5 | 5 | even 3, odd 2 | seconds: median 0." in added
    assert added.endswith("| 1 |\n")


def test_findings_of_two_commits_do_not_add_up(dice: Family, tmp_path: Path) -> None:
    """A figure belongs to one state of the code."""
    trial = Trial(family="dice", seed=1, number=0)
    lines = [record.Line(commit=commit, trial=trial, finding=Finding(kind="even")) for commit in ("a", "b")]
    for line in lines:
        record.append(tmp_path / "record", line)
    assert list(record.read([tmp_path / "record"])) == lines
    with pytest.raises(ValueError, match="they are of a, b"):
        table(lines, {dice.name: dice})
