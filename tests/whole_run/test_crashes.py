"""What a test does to its own process costs that test alone, in a real container."""

from __future__ import annotations

import textwrap

import pytest

from lost_descriptors import LOSSES
from whole_run.project import Project

pytestmark = pytest.mark.engine

# Test, what it does, and what the run says of it: empty for a test that passes, as by hand.
CRASHES = (
    ("segfault", "ctypes.string_at(0)", "killed by SIGSEGV (in call)"),
    ("abort", "os.abort()", "killed by SIGABRT (in call)"),
    ("exit_0", "os._exit(0)", "ended with exit code 0 (in call)"),
    ("exit_3", "os._exit(3)", "ended with exit code 3 (in call)"),
    ("sys_exit", "sys.exit(5)", "SystemExit: 5"),
    ("killed", "os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL (in call)"),
    ("group", "os.killpg(0, signal.SIGTERM); time.sleep(9)", "killed by SIGTERM (in call)"),
    ("all", "os.kill(-1, signal.SIGKILL); os._exit(1)", "the connection to the agent ended"),
    ("memory", "bytearray(1 << 30)", "by the kernel: the container's memory of 400 MiB is used up"),
    ("loop", "exec('while True: pass')", "timed out after 3 s in call"),
    (
        "blocked",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); time.sleep(99)",
        "timed out after 3 s in call",
    ),
    (
        "ignored",
        "[signal.signal(n, signal.SIG_IGN) for n in (6, 10, 15)]; time.sleep(99)",
        "timed out after 3 s in call",
    ),
    ("closed", "os.closerange(0, 65536)", "file descriptors"),
    (
        "overwritten",
        "[os.dup2(os.open('/dev/urandom', os.O_RDWR), n) for n in range(65536 >> 4)]",
        "file descriptors",
    ),
    ("flood", "os.write(1, os.urandom(1 << 20)); os.write(2, os.urandom(1 << 20))", ""),
    ("flood_past_capture", "[os.write(sys.__stdout__.fileno(), os.urandom(1 << 20)) for _ in range(8)]", ""),
    ("directory", "os.chdir(tempfile.mkdtemp()); os.rmdir(os.getcwd())", ""),
    ("clock", "setattr(time, 'time', lambda: 0.0); setattr(time, 'monotonic', lambda: 0.0)", ""),
    ("locale", "locale.setlocale(locale.LC_ALL, 'C'); os.environ.clear()", ""),
    ("handlers", "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 13, 14, 15, 17)]", ""),
    (
        "alarm",
        "signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.alarm(1); time.sleep(5)",
        "killed by SIGALRM (in call)",
    ),
    ("child", "subprocess.Popen(['sleep', '60'])", ""),
    ("fork", "os.fork() or os._exit(0)", ""),
    ("thread", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", ""),
    ("streams", "setattr(sys, 'stdout', None); setattr(sys, 'stderr', None)", ""),
    ("recursion", "(lambda f: f(f))(lambda f: f(f))", "RecursionError"),
)
IMPORTS = "import ctypes, locale, os, resource, signal, subprocess, sys, tempfile, threading, time\n"


def test_each_way_to_lose_the_agents_descriptors(project: Project) -> None:
    """The test that closed or overwrote them is told so, whatever the worker did next."""
    body = "".join(
        f"def test_{number}(): {closing}\ndef test_after_{number}(): pass\n"
        for number, closing in enumerate(LOSSES)
    )
    project.write(tests__test_crash_py=IMPORTS + body)
    outcome = project.run("-v")
    assert outcome.exit_code == 1
    for number in range(len(LOSSES)):
        section = outcome.output.partition(f"_ test_{number} _")[2].partition("\n____")[0]
        assert "it closed or overwrote the file descriptors of the agent" in section, outcome.output
        assert outcome.verdicts()[f"tests/test_crash.py::test_after_{number}"] == "PASSED"


@pytest.mark.soak  # ten of them, at random places, are in the small size of the chaos command
def test_each_crash_costs_its_own_test(project: Project) -> None:
    """Exactly the tests that died are red, each with its cause; every other test keeps its verdict."""
    body = "".join(
        f"def test_{name}(): {action}\ndef test_after_{name}(): pass\n" for name, action, _ in CRASHES
    )
    project.write(tests__test_crash_py=IMPORTS + body)
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text()
        + "    mem_limit: 400m\n    memswap_limit: 400m\n"
    )
    outcome = project.run("-v", "-o", "dockerci_test_timeout_seconds=3")
    expected = {}
    for name, _, cause in CRASHES:
        expected[f"tests/test_crash.py::test_{name}"] = "FAILED" if cause else "PASSED"
        expected[f"tests/test_crash.py::test_after_{name}"] = "PASSED"
    assert outcome.verdicts() == expected, outcome.output
    assert outcome.exit_code == 1
    for name, _, cause in CRASHES:
        section = outcome.output.partition(f"_ test_{name} _")[2].partition("\n____")[0]
        # What a process without its descriptors comes to is a matter of who notices first.
        causes = (cause, "ended with exit code") if cause == "file descriptors" else (cause,)
        assert any(text in section for text in causes), textwrap.shorten(section, 2000)
    assert "\0" not in outcome.output
