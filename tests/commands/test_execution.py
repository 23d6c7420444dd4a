"""A command's run, with real processes of this machine, and with scripted ends that no process has."""

# ruff: noqa: E501 - lines of others

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_environment import LocalCommand
from pytest_dockerci.commands.case import Case
from pytest_dockerci.commands.execution import Execution
from pytest_dockerci.commands.settings import parse_commands
from pytest_dockerci.engine.command_container import CommandEnd
from pytest_dockerci.engine.container_files import FoundFile
from pytest_dockerci.errors import CommandLostError
from pytest_dockerci.masking import Mask


class Ran:
    """What a run left."""

    def __init__(self, execution: Execution, cases: list[Case], shown: list[tuple[str, str]]) -> None:
        self.outcomes = {"::".join(filter(None, case.key)): case.outcome for case in cases}
        self.cases = cases
        self.reasons = execution.reasons()
        self.stdout = execution.stdout.text()
        self.stderr = execution.stderr.text()
        self.shown = shown
        self.is_complete = execution.is_complete


def run(
    root: Path,
    script: str,
    *results: str,
    pattern: str = "",
    timeout_seconds: float = 0.0,
    secrets: tuple[str, ...] = (),
) -> Ran:
    """Run a script to its end."""
    [command] = parse_commands(["sh test.sh"], results, pattern, service="web")
    container = LocalCommand(("sh", "-c", script), dict(os.environ), root)
    shown: list[tuple[str, str]] = []
    execution = Execution(
        command,
        container,
        mask=Mask(secrets),
        timeout_seconds=timeout_seconds,
        show=lambda stream, text: shown.append((stream, text)),
    )
    return Ran(execution, list(execution.cases()), shown)


JUNIT = "<testsuite tests='2'><testcase name='adds'/><testcase name='sums'><failure message='3 is not 4'/></testcase></testsuite>"


@pytest.mark.parametrize(
    ("script", "results", "reason"),
    [
        ("exit 3", (), "exit code 3"),
        ("kill -9 $$", (), "exit code 137: ended by signal 9 (SIGKILL)"),
        ("exit 0", ("out.xml",), "out.xml is missing: the command has not written it"),
        (": > out.xml", ("out.xml",), "out.xml is empty"),
        ("echo '<testsuite><testcase/>' > out.xml", ("out.xml",), "out.xml cannot be read as JUnit XML"),
        (f'echo "{JUNIT}" > out.xml', ("out.xml",), "1 of 2 cases failed, though its exit code is 0: sums"),
        (
            "echo '<testsuite><testcase/></testsuite>' > out.xml; exit 1",
            ("out.xml",),
            "though none of its 1 cases failed",
        ),
        ("touch -d 2001-01-01 old.xml", ("old.xml",), "old.xml is older than the run"),
        ("echo 1..2; echo ok 1", ("tap:-",), "standard output: the plan is 2 tests, and 1 came"),
        ("echo 'Result: FAILURE!'", (), "it says 'Result: FAILURE!', though its exit code is 0"),
        ("echo 'Result: FAILURE!' >&2", (), "it says 'Result: FAILURE!', though its exit code is 0"),
        ("printf 'Result: FAILURE!'", (), "it says 'Result: FAILURE!', though its exit code is 0"),
    ],
)
def test_red(tmp_path: Path, script: str, results: tuple[str, ...], reason: str) -> None:
    """Each kind of evidence, from a process."""
    ran = run(tmp_path, script, *results)
    assert reason in ran.reasons[0]


def test_green(tmp_path: Path) -> None:
    """All kinds at once; streams apart, cases of files and of standard output."""
    script = "echo 1..1; echo ok 1 - taps; echo oops >&2; echo 'Result: SUCCESS!'; echo '<testsuite><testcase name=\"a\"/></testsuite>' > out.xml"
    ran = run(tmp_path, script, "tap:-", "out.xml", pattern="^Result: SUCCESS!$")
    assert ran.reasons == ()
    assert ran.outcomes == {"taps": "passed", "a": "passed"}
    assert ran.stderr == "oops\n"
    assert ran.is_complete
    assert ("stderr", "oops\n") in ran.shown


def test_a_pattern_demands_its_line(tmp_path: Path) -> None:
    """Where it is configured."""
    assert run(tmp_path, "echo fine", pattern="^good$").reasons == (
        "no line of it says how it ended (dockerci_result_pattern)",
    )


def test_names_of_several_results_are_told_apart(tmp_path: Path) -> None:
    """Two files with the same names."""
    script = "for name in a b; do echo '<testsuite><testcase name=\"x\"/></testsuite>' > $name.xml; done"
    assert list(run(tmp_path, script, "a.xml", "b.xml").outcomes) == ["x", "x (2)"]


def test_go_on_standard_output_is_shown_as_a_person_would_see_it(tmp_path: Path) -> None:
    """The output within the events."""
    events = (
        '{"Action":"run","Package":"p","Test":"T"}',
        '{"Action":"output","Package":"p","Test":"T","Output":"=== RUN   T\\\\n"}',
        '{"Action":"pass","Package":"p","Test":"T"}',
        '{"Action":"pass","Package":"p"}',
    )
    ran = run(tmp_path, "cat <<'X'\nbuilding\n" + "\n".join(events).replace("\\\\n", "\\n") + "\nX", "go:-")
    assert ran.reasons == ()
    assert ran.outcomes == {"p::T": "passed"}
    assert [text for _, text in ran.shown] == ["building\n", "=== RUN   T\n"]


def test_secrets(tmp_path: Path) -> None:
    """Never reach a case, a reason or the output."""
    script = 'echo hunter2hunter2; echo \'<testsuite><testcase name="hunter2hunter2"><failure message="no hunter2hunter2"/></testcase></testsuite>\' > out.xml'
    ran = run(tmp_path, script, "out.xml", secrets=("hunter2hunter2",))
    assert "hunter2" not in str([ran.cases, ran.reasons, ran.stdout, ran.shown])
    assert ran.cases[0].message == "no ***"


def test_time_limit(tmp_path: Path) -> None:
    """TERM gives it time to write results, which count and do not make it green; KILL ends what does not listen."""
    script = 'trap \'echo "<testsuite><testcase name=\\"a\\"/></testsuite>" > out.xml; exit 0\' TERM; sleep 60 & wait'
    ran = run(tmp_path, script, "out.xml", timeout_seconds=0.5)
    assert ran.reasons == (
        "it did not end within 0.5 s (dockerci_test_timeout_seconds = 0.5), and was ended",
    )
    assert ran.outcomes == {"a": "passed"}
    assert not ran.is_complete
    began = time.monotonic()
    ran = run(tmp_path, "trap '' TERM; sleep 60 & wait; sleep 60", timeout_seconds=0.5)
    assert 3 < time.monotonic() - began < 20
    assert "and was ended" in ran.reasons[0]


class Scripted:
    """A container whose streams and end are given: for ends that a process of this machine cannot have."""

    image_id = "sha256:built"

    def __init__(self, pieces: list[tuple[int, bytes]], end: CommandEnd | None, trouble: str = "") -> None:
        self._pieces = pieces
        self._end = end
        self._trouble = trouble
        self.signals: list[str] = []
        self.is_closed = False

    def start(self) -> None:
        """It runs."""

    def read_piece(self, timeout_seconds: float) -> tuple[int, bytes] | None:
        """What was given, then the end of the streams; without an end, silence."""
        if self._pieces:
            return self._pieces.pop(0)
        if self._end is None and "KILL" not in self.signals:
            time.sleep(timeout_seconds / 10)
            raise TimeoutError
        return None

    def kill(self, signal_name: str) -> None:
        """Note it."""
        self.signals.append(signal_name)

    def trouble(self) -> str:
        """As given."""
        return self._trouble

    def end(self, timeout_seconds: float) -> CommandEnd | None:
        """As given; one that was killed has ended."""
        if self._end is None and "KILL" in self.signals:
            return CommandEnd(exit_code=137, is_out_of_memory=False, image_id=self.image_id, started_at=0.0)
        return self._end

    def files(self, path: str) -> Iterator[FoundFile]:
        """None."""
        return iter(())

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def execution_of(container: Scripted, *results: str) -> Execution:
    """A run of it."""
    [command] = parse_commands(["make test"], results, "", service="web")
    return Execution(command, container, mask=Mask(), timeout_seconds=0, show=lambda _stream, _text: None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_out_of_memory": True, "exit_code": 137}, "out of memory"),
        ({"is_out_of_memory": True}, "out of memory"),
        ({"image_id": "sha256:other"}, "it ran in sha256:other, which is not the image under test"),
    ],
)
def test_ends(changes: dict[str, object], reason: str) -> None:
    """What the engine says of the end counts."""
    values = {
        "exit_code": 0,
        "is_out_of_memory": False,
        "image_id": "sha256:built",
        "started_at": 0.0,
        **changes,
    }
    container = Scripted([(1, b"fine\n")], CommandEnd(**values))  # type: ignore[arg-type]
    execution = execution_of(container)
    assert list(execution.cases()) == []
    assert reason in execution.reasons()[0]
    assert container.is_closed


def test_what_it_needs_is_gone() -> None:
    """From another thread; the reason is the verdict's."""
    container = Scripted([], None)
    execution = execution_of(container)
    threading.Timer(0.1, execution.break_off, ["service db was lost"]).start()
    assert list(execution.cases()) == []
    assert execution.reasons() == ("service db was lost",)
    assert container.signals == ["KILL"]


def test_a_container_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence makes us ask; the answer ends the run."""
    monkeypatch.setattr("pytest_dockerci.commands.execution._SILENT_SECONDS", 0.1)
    execution = execution_of(Scripted([], None, trouble="the container was removed"))
    with pytest.raises(CommandLostError, match="`make test` was lost"):
        list(execution.cases())


def test_a_last_test_is_reported_in_a_pause() -> None:
    """TAP's last test waits for details that may follow, not for ever."""
    container = Scripted([(1, b"1..2\nnot ok 1 - a\n")], None)
    execution = execution_of(container, "tap:-")
    cases = execution.cases()
    assert next(cases).name == "a"
    cases.close()
    assert container.is_closed


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_closing_line_is_found_however_it_is_cut(size: int, end: str) -> None:
    """Between lines that are passed over."""
    text = ("x" * 50 + "\n") * 20 + "Result: FAILURE!" + end + ("\ny" * 20 if end else "")
    data = text.encode()
    pieces = [(1, data[index : index + size]) for index in range(0, len(data), size)]
    values = CommandEnd(exit_code=0, is_out_of_memory=False, image_id="sha256:built", started_at=0.0)
    execution = execution_of(Scripted(pieces, values))
    assert list(execution.cases()) == []
    assert execution.reasons() == ("it says 'Result: FAILURE!', though its exit code is 0",)


def test_pieces_may_be_cut_anywhere() -> None:
    """Byte by byte, the two streams in turns."""
    text = "1..2\nok 1 - grün\nok 2 - b\n".encode()
    pieces = [piece for index in range(len(text)) for piece in ((1, text[index : index + 1]), (2, b"."))]
    end = CommandEnd(exit_code=0, is_out_of_memory=False, image_id="sha256:built", started_at=0.0)
    execution = execution_of(Scripted(pieces, end), "tap:-")
    assert [case.name for case in execution.cases()] == ["grün", "b"]
    assert execution.reasons() == ()
    assert execution.stderr.text() == "." * len(text)
