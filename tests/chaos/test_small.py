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
from chaos.table import table
from chaos.trial import Family, Finding, Trial
from pytest_dockerci.engine.client import Engine

_SMALL = [
    pytest.param(
        family,
        id=family.name,
        marks=[
            pytest.mark.engine,
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
    assert "| dice fall | 5 | even 3, odd 2 | seconds: median 0." in added
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
