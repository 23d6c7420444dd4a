"""The real agent as a child process, driven by the host's end of the channel."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from local_environment import LocalStream
from lost_descriptors import LOSSES
from process_state import is_running
from pytest_dockerci.agent import frames, wire
from pytest_dockerci.agent.alive_message import ALIVE_SECONDS
from pytest_dockerci.agent_program import agent_arguments, bootstrap
from pytest_dockerci.collection_failure import ContainerPytestError
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.interruption import Interruption
from pytest_dockerci.listener import Borrower, Listener
from pytest_dockerci.remote_run import RemoteRun
from pytest_dockerci.worker_ledger import TestRecord
from variants import soak_after

WAIT_SECONDS = 30.0
needs_subtests = pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests since 9.0")


class Agent:
    """An agent and what it said."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output: list[tuple[str, str]] = []
        self.warnings: list[wire.Warned] = []
        self.on_terminal = b""
        self.stream = LocalStream([sys.executable, *agent_arguments()], dict(os.environ), root)
        self.run = RemoteRun(
            self.stream,
            name="container 0",
            listener=Listener(
                show_output=lambda stream, text: self.output.append((stream, text)),
                record_warning=self.warnings.append,
                measured=lambda _: None,
                lend_terminal=self._lend_terminal,
            ),
            changed=threading.Condition(),
            arrived=lambda _: None,
        )

    def _lend_terminal(self, borrower: Borrower, is_over: Callable[[], bool]) -> None:
        """Somebody who lets every test go on."""
        borrower.type("continue\n")
        while borrower.is_in_debugger and not is_over():
            borrower.show(is_over, self._show_on_terminal)
        borrower.show(is_over, self._show_on_terminal)

    def _show_on_terminal(self, data: bytes) -> None:
        self.on_terminal += data

    def start(
        self,
        source: str,
        *args: str,
        timeout_seconds: float = 0.0,
        terminal: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start a worker whose suite is this file."""
        (self.root / "test_it.py").write_text(source)
        self.run.start(
            wire.Start(
                args=["-p", "no:dockerci", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *args],
                cwd=str(self.root),
                environ={"ONLY_IN_THE_WORKER": "yes"},
                toolkit="",
                hidden_conftests=[],
                known_ini=[],
                phase_timeout_seconds=timeout_seconds,
                coverage={},
                terminal=dict(terminal),
            )
        )

    def records(self, source: str, timeout_seconds: float = 0.0) -> list[TestRecord]:
        """Run a file whole; a worker that dies is started again for the rest."""
        self.start(source, timeout_seconds=timeout_seconds)
        count = len(self.run.collection().items)
        self.run.dispatch(range(count), wire.THEN_END)
        records = []
        for index in range(count):
            records.append(self.run.record(index))
            self.run.proceed()
            if self.run.has_died and index + 1 < count:
                self.start(source, timeout_seconds=timeout_seconds)
                self.run.collection()
                self.run.dispatch(range(index + 1, count), wire.THEN_END)
        self.run.deliver()
        return records

    def end(self) -> wire.Finished:
        """End the session in good order."""
        self.run.finish()
        finished = self.run.wait_finished(WAIT_SECONDS)
        self.run.deliver()
        return finished


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """An agent that is open; its processes have ended when the test has."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    agent = Agent(tmp_path)
    agent.run.open()
    yield agent
    agent.run.close()


def until(is_true: Callable[[], bool]) -> None:
    """Wait until something is true, for a limited time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def words(records: list[TestRecord]) -> list[str]:
    """Each test in a word, or the outcomes of its phases."""
    result = []
    for record in records:
        if record.passed is not None:
            result.append("plain pass")
        elif record.died is not None:
            result.append(f"died in {record.died.when}")
        else:
            result.append(" ".join(str(data["outcome"]) for data, _ in record.reports))
    return result


def test_outcomes(agent: Agent) -> None:
    """A plain pass is five numbers; everything else is pytest's own reports."""
    records = agent.records(
        "import pytest\n"
        "def test_pass(): pass\n"
        "def test_fail(): raise LookupError('no')\n"
        "def test_skip(): pytest.skip('why')\n"
        "@pytest.mark.xfail\ndef test_xfail(): assert 0\n"
        "def test_print(): print('hello')\n"
        "def test_exit(): raise SystemExit(3)\n"
        "def test_last(): pass\n"
    )
    assert words(records) == [
        "plain pass",
        "passed failed passed",
        "passed skipped passed",
        "passed skipped passed",
        "passed passed passed",
        "passed failed passed",
        "plain pass",
    ]
    assert records[0].passed is not None
    assert len(records[0].passed) == 5
    assert records[1].reports[1][1] == ["LookupError"]
    assert ["Captured stdout call", "hello\n"] in records[4].reports[1][0]["sections"]
    finished = agent.end()
    assert (finished.received, finished.reported, finished.exit_status) == (7, 7, 1)


@pytest.mark.parametrize("phase", soak_after(1, ["call", "setup", "teardown"]))
@pytest.mark.parametrize(
    ("death", "cause"),
    [
        ("os._exit(0)", "the Python process ended with exit code 0"),
        ("os._exit(3)", "the Python process ended with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the Python process was killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the Python process was killed by SIGKILL"),
        ("os.killpg(0, signal.SIGKILL)", "the Python process was killed by SIGKILL"),
    ],
)
def test_a_death(agent: Agent, phase: str, death: str, cause: str) -> None:
    """However and in whichever phase the process dies: it costs this test, and a new one runs the rest."""
    lines = {name: death if name == phase else "pass" for name in ("setup", "call", "teardown")}
    records = agent.records(
        "import os, signal, pytest\n"
        f"@pytest.fixture\ndef around():\n    {lines['setup']}\n    yield\n    {lines['teardown']}\n"
        f"def test_before(): pass\ndef test_it(around): {lines['call']}\ndef test_after(): pass\n"
    )
    assert words(records) == ["plain pass", f"died in {phase}", "plain pass"]
    assert records[1].died is not None
    assert records[1].died.cause == cause
    agent.end()


def test_last_words(agent: Agent) -> None:
    """What a process wrote past pytest's capture before it died is kept."""
    [record] = agent.records(
        "import os\ndef test_it(capfd):\n    with capfd.disabled():\n"
        "        os.write(2, b'last words')\n        os._exit(1)\n"
    )
    assert record.died is not None
    assert record.died.output == "last words"


def test_an_endless_loop(agent: Agent) -> None:
    """The limit of a phase ends it from outside; the stack is shown."""
    records = agent.records(
        "def test_loop():\n    while True: pass\ndef test_after(): pass\n", timeout_seconds=0.5
    )
    assert words(records) == ["died in call", "plain pass"]
    assert records[0].died is not None
    assert records[0].died.cause == "timed out after 0.5 s in call"
    assert "in test_loop" in records[0].died.output


def test_a_loop_that_ignores_signals(agent: Agent) -> None:
    """What does not end by itself is ended by force."""
    records = agent.records(
        "import faulthandler, signal, time\ndef test_loop():\n    faulthandler.disable()\n"
        "    signal.signal(signal.SIGABRT, signal.SIG_IGN)\n    time.sleep(600)\n",
        timeout_seconds=0.3,
    )
    assert words(records) == ["died in call"]


def test_the_limit_is_for_each_phase(agent: Agent) -> None:
    """Many short tests may together take longer than the limit of one."""
    source = "import time, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_n(n): time.sleep(0.2)\n"
    assert words(agent.records(source, timeout_seconds=1.0)) == ["plain pass"] * 6


@needs_subtests
def test_a_subtest_is_part_of_the_call(agent: Agent) -> None:
    """The limit is for the test's call as a whole, and a death after a subtest is one in the call."""
    records = agent.records(
        "import os, time\n"
        "def test_slow(subtests):\n    for number in range(50):\n"
        "        with subtests.test(number=number):\n            time.sleep(0.1)\n            assert number\n"
        "def test_dies(subtests):\n    with subtests.test():\n        pass\n    os._exit(3)\n"
        "def test_after(): pass\n",
        timeout_seconds=1.0,
    )
    assert words(records) == ["died in call", "died in call", "plain pass"]
    assert records[0].died is not None
    assert records[0].died.cause == "timed out after 1 s in call"


@pytest.mark.parametrize("closing", LOSSES)
def test_closed_file_descriptors(agent: Agent, closing: str) -> None:
    """A test that closes or overwrites the agent's own descriptors is the one that is told."""
    records = agent.records(f"import os, time\ndef test_it(): {closing}\ndef test_after(): pass\n")
    assert words(records) == ["died in call", "plain pass"]
    assert records[0].died is not None
    assert records[0].died.cause == "it closed or overwrote the file descriptors of the agent"
    agent.end()


def test_replaced_system_functions(agent: Agent) -> None:
    """What a fixture puts in the place of system functions is for the test, not for the agent."""
    records = agent.records(
        "import os, pytest, select, time, warnings\n"
        "@pytest.fixture\n"
        "def replaced(monkeypatch):\n"
        "    monkeypatch.setattr(os, 'getpid', lambda: 1)\n"
        "    for name in ('getppid', 'read', 'write', '_exit'):\n"
        "        monkeypatch.setattr(os, name, lambda *_: 1 / 0)\n"
        "    monkeypatch.setattr(select, 'select', lambda *_: 1 / 0)\n"
        "    monkeypatch.setattr(time, 'monotonic', lambda *_: 1 / 0)\n"
        "def test_warns(replaced): warnings.warn('heard')\n"
        "def test_dies(replaced): __import__('posix')._exit(3)\n"
        "def test_after(): pass\n"
    )
    assert words(records) == ["plain pass", "died in call", "plain pass"]
    assert "heard" in [warning.text for warning in agent.warnings]
    agent.end()


def test_a_child_that_runs_on_into_pytest(agent: Agent) -> None:
    """A forked child that returns from the test does not speak for its parent: each test is reported once."""
    records = agent.records(
        "import os, pytest\n"
        "def test_fork():\n    if os.fork() == 0: return\n    os.wait()\n"
        "def test_after(): pass\n"
    )
    assert words(records) == ["plain pass", "plain pass"]
    finished = agent.end()
    assert (finished.received, finished.reported) == (2, 2)


def test_a_megabyte_of_binary_output(agent: Agent) -> None:
    """Output past the capture arrives whole, in order, and byte by byte recoverable."""
    records = agent.records(
        "import os\ndef test_it(capfd):\n    with capfd.disabled():\n"
        "        data = bytes(range(256)) * 4096\n"
        "        while data: data = data[os.write(1, data):]\n"
    )
    assert words(records) == ["plain pass"]
    agent.end()
    got = b"".join(text.encode("utf-8", "surrogateescape") for _, text in agent.output)
    assert got == bytes(range(256)) * 4096


def test_nothing_of_ours_is_on_standard_streams(agent: Agent) -> None:
    """The worker has an empty standard input, like a test under pytest's capture by hand."""
    records = agent.records("import os\ndef test_it(): assert os.read(0, 10) == b''\n")
    assert words(records) == ["plain pass"]


def test_the_environment_of_the_worker(agent: Agent) -> None:
    """Variables of the start reach the tests and their children, not the supervisor."""
    source = (
        "import os\ndef test_it():\n    assert os.environ['ONLY_IN_THE_WORKER'] == 'yes'\n"
        "    parent = open(f'/proc/{os.getppid()}/environ', 'rb').read()\n"
        "    assert b'ONLY_IN_THE_WORKER' not in parent\n"
    )
    assert words(agent.records(source)) == ["plain pass"]


def test_the_agent_leaves_no_file(agent: Agent) -> None:
    """Nothing but the suite's own files is written."""
    agent.records("def test_it(): pass\n")
    agent.end()
    assert [path.name for path in agent.root.iterdir()] == ["test_it.py"]


def test_pytest_that_refuses_its_command_line(agent: Agent) -> None:
    """The words and the exit status of the container's pytest are passed on."""
    agent.start("", "--no-such-option")
    with pytest.raises(ContainerPytestError) as caught:
        agent.run.collection()
    assert caught.value.container_exit_status == 4
    assert "unrecognized arguments: --no-such-option" in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path, agent: Agent) -> None:
    """A worker that cannot be started is told, and the agent goes on."""
    agent.run.start(
        wire.Start(
            args=[],
            cwd=str(tmp_path / "missing"),
            environ={},
            toolkit="",
            hidden_conftests=[],
            known_ini=[],
            phase_timeout_seconds=0.0,
            coverage={},
        )
    )
    with pytest.raises(DockerCIError, match="died while it collected"):
        agent.run.collection()
    assert words(agent.records("def test_it(): pass\n")) == ["plain pass"]


def test_a_host_that_hangs_up(agent: Agent) -> None:
    """When the channel ends, the worker and what it started in its session end too."""
    agent.start(
        "import os, subprocess, time\ndef test_it():\n    child = subprocess.Popen(['sleep', '600'])\n"
        "    with open('pids', 'w') as file: print(os.getppid(), os.getpid(), child.pid, file=file, flush=True)\n"
        "    time.sleep(600)\n"
    )
    agent.run.collection()
    agent.run.dispatch([0], wire.THEN_END)
    pids = agent.root / "pids"
    until(lambda: pids.exists() and pids.read_text().endswith("\n"))
    processes = [int(pid) for pid in pids.read_text().split()]
    assert all(is_running(pid) for pid in processes)
    agent.run.close()
    until(lambda: not any(is_running(pid) for pid in processes))


def test_a_host_whose_words_are_damaged() -> None:
    """The agent says so and ends; what its own program looks like inside helps nobody."""
    completed = subprocess.run(
        [sys.executable, *agent_arguments()],
        input=bootstrap() + wire.Encoder().frame(b"x")[:-1] + b"y",
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert completed.returncode == 1
    why = "frame 0 is damaged: its checksum does not match"
    assert completed.stderr.decode() == f"dockerci: what comes from the host is damaged: {why}\n"


@pytest.mark.soak
def test_an_agent_with_nothing_to_say_says_that_it_is_alive(tmp_path: Path) -> None:
    """Whatever its worker does: the two are processes of their own."""
    stream = LocalStream([sys.executable, *agent_arguments()], dict(os.environ), tmp_path)
    stream.write(bootstrap())
    heard: list[wire.Message] = []
    decoder = wire.Decoder()
    began = time.monotonic()
    data = stream.read(WAIT_SECONDS).removeprefix(frames.PREAMBLE)
    while not any(isinstance(message, wire.Alive) for message in heard):
        decoder.feed(data)
        heard += decoder.messages()
        data = stream.read(WAIT_SECONDS)
    assert ALIVE_SECONDS <= time.monotonic() - began < 3 * ALIVE_SECONDS
    assert [type(message) for message in heard[:2]] == [wire.Hello, wire.Alive]
    stream.close()


@pytest.mark.soak
def test_what_a_busy_worker_does_not_take_yet_keeps_nobody_waiting(agent: Agent) -> None:
    """More than a pipe holds, asked for while a test runs: its time limit is kept, and all else is run."""
    count = 15_000
    agent.start(
        "import pytest, time\n"
        "def test_slow():\n    time.sleep(100)\n"
        f"@pytest.mark.parametrize('n', range({count}))\ndef test_quick(n): pass\n",
        timeout_seconds=2,
    )
    assert len(agent.run.collection().items) == count + 1
    agent.run.dispatch([0, 1], wire.THEN_WAIT)
    time.sleep(0.5)
    agent.run.dispatch(range(2, count + 1), wire.THEN_END)
    record = agent.run.record(0)
    assert record.died is not None
    assert "timed out after 2 s" in record.died.cause


def test_dead_workers_leave_no_descriptors_behind(agent: Agent) -> None:
    """Else a suite of many crashes would end the agent."""
    lines = "".join(
        f"def test_{number}():\n"
        "    print(len(os.listdir(f'/proc/{os.getppid()}/fd')), file=open('counts', 'a'))\n"
        "    os._exit(1)\n"
        for number in range(6)
    )
    assert words(agent.records("import os\n" + lines)) == ["died in call"] * 6
    counts = (agent.root / "counts").read_text().split()
    assert len(set(counts)) == 1, counts


def test_an_agent_that_is_killed(agent: Agent) -> None:
    """The supervisor's own death is told as the end of the connection, never waited for."""
    agent.start(
        "import os, signal, time\ndef test_it():\n    open('pid', 'w').write(f'{os.getpid()}\\n')\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n    time.sleep(600)\n"
    )
    agent.run.collection()
    agent.run.dispatch([0], wire.THEN_END)
    with pytest.raises(DockerCIError, match="the connection to the agent ended"):
        agent.run.record(0)
    os.kill(int((agent.root / "pid").read_text()), signal.SIGKILL)  # in a container, its end does that


def test_tests_run_ahead_and_wait_after_a_failure(agent: Agent) -> None:
    """Passing tests run on by themselves; after any other the worker waits for the host's word."""
    agent.start(
        "from pathlib import Path\ndef test_1(): pass\ndef test_2(): assert 0\ndef test_3(): Path('ran').touch()\n"
    )
    agent.run.collection()
    agent.run.dispatch([0, 1, 2], wire.THEN_END)
    agent.run.record(1)
    assert agent.run.waiting_after == 1
    assert not (agent.root / "ran").exists()
    finished = agent.end()
    assert (finished.received, finished.reported) == (3, 2)
    assert not (agent.root / "ran").exists()


@pytest.mark.parametrize("wait", ["for one test", "for any"])
def test_a_prompt_is_shown_on_the_lent_terminal_only(agent: Agent, wait: str) -> None:
    """However late it is lent: what is typed at a prompt before that would reach the host instead."""
    terminal = {"kind": "terminal", "type": "xterm", "rows": "50", "columns": "100"}
    agent.start("def test_it():\n    breakpoint()\n", terminal=terminal)
    agent.run.collection()
    agent.run.dispatch([0], wire.THEN_END)
    until(lambda: agent.run.is_in_debugger)
    time.sleep(0.5)  # by now the prompt has come, too
    if wait == "for any":
        agent.run.deliver()
        agent.run.serve_debugger(lambda: False)
    record = agent.run.record(0)
    assert words([record]) == ["passed passed passed"]
    assert b"(Pdb) " in agent.on_terminal
    assert not [text for _, text in agent.output if "(Pdb)" in text]


@needs_subtests
def test_time_with_a_debugger_does_not_count_after_a_subtest(agent: Agent) -> None:
    """The call goes on after one, and with it what was taken off its time, whenever the supervisor has looked."""
    agent.start(
        "import time\nclass Slow:\n    def __repr__(self):\n        time.sleep(0.6)\n        return 'slow'\n"
        "def test_it(subtests):\n    breakpoint()\n    shown_when_reported = Slow()\n"
        "    with subtests.test():\n        raise LookupError\n    time.sleep(0.5)\n",
        "--showlocals",
        timeout_seconds=1.5,
        terminal={"kind": "terminal", "type": "xterm", "rows": "50", "columns": "100"},
    )
    agent.run.collection()
    agent.run.dispatch([0], wire.THEN_END)
    until(lambda: agent.run.is_in_debugger)
    time.sleep(2)
    record = agent.run.record(0)
    assert record.died is None, record.died
    assert words([record]) == ["passed failed failed passed"]


def test_a_test_once_more(agent: Agent) -> None:
    """`Again` runs the test afresh, with new function fixtures and the module's old ones."""
    agent.start(
        "import pytest\nCALLS = []\n"
        "@pytest.fixture(scope='module')\ndef module(): CALLS.append('module')\n"
        "@pytest.fixture\ndef function(): CALLS.append('function')\n"
        "def test_it(module, function): assert CALLS == ['module', 'function', 'function']\n"
        "def test_after(module): pass\n"
    )
    agent.run.collection()
    agent.run.dispatch([0, 1], wire.THEN_END)
    assert words([agent.run.record(0)]) == ["passed failed passed"]
    agent.run.run_again(0)
    assert words([agent.run.record(0)]) == ["plain pass"]
    agent.run.proceed()
    assert words([agent.run.record(1)]) == ["plain pass"]
    agent.end()


def test_an_interrupt_that_python_swallows_ends_the_wait(
    agent: Agent, request: pytest.FixtureRequest
) -> None:
    """As one does that is raised in a finaliser, where Python only prints it."""
    agent.start("import time\ndef test_slow(): time.sleep(100)\n")
    agent.run.collection()
    agent.run.dispatch([0], wire.THEN_END)
    interruption = Interruption(lambda: None)
    interruption.catch()
    request.addfinalizer(interruption.release)

    def swallow(*_: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGUSR1, swallow)
    request.addfinalizer(lambda: signal.signal(signal.SIGUSR1, before))
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGUSR1])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        agent.run.record(0)
    timer.join()
