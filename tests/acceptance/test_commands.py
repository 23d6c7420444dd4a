"""Commands of suites that are not pytest, as pytest's user sees them; each is a process of this machine."""

# ruff: noqa: E501 - lines of others

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acceptance.project import Project
from ide.drive import discover_in_vscode, run_in_pycharm, run_in_vscode

COMMAND = "dockerci::web::sh test.sh"
JUNIT = """\
cat > out.xml <<'X'
<testsuite name="s" tests="3"><testcase classname="Cart" name="adds" time="0.5"><system-out>hello</system-out></testcase>
<testcase classname="Cart" name="sums" file="cart.js" line="7"><failure message="3 is not 4">at cart.js:7</failure></testcase>
<testcase classname="Cart" name="waits"><skipped message="no till"/></testcase></testsuite>
X
exit ${CODE:-1}
"""
TAP = """\
echo "1..3"
echo "ok 1 - adds"
echo "not ok 2 - sums"
sleep ${PAUSE:-0}
echo "ok 3 - waits"
exit 1
"""


@pytest.fixture
def commands(project: Project) -> Project:
    """A project whose only suite is a script."""
    settings(project)
    project.write("test.sh", "echo fine\n")
    return project


def settings(project: Project, *lines: str, commands: str = "sh test.sh", host: str = "") -> None:
    """Write pytest.ini: no suite of pytest, unless lines say so."""
    paths = [f"testpaths = {host}", f"dockerci_host_suite = {host}"] if host else []
    text = [
        "[pytest]",
        "dockerci_service = web",
        "dockerci_command =",
        *(f"    {line}" for line in commands.split("; ")),
    ]
    project.write("pytest.ini", "\n".join([*text, *paths, *lines]))


def script(project: Project, text: str) -> None:
    """The script, where the commands run."""
    project.write_image("test.sh", text)


def test_exit_code_0(commands: Project) -> None:
    """One item that passes, in the usual words; its output is kept."""
    script(commands, "echo fine; echo oops >&2\n")
    run = commands.run("-v", "-rA")
    assert run.exit_code == 0, run.text
    assert run.outcomes() == {COMMAND: "passed"}
    run.must_show(
        "collected 1 item", f"{COMMAND} PASSED", "[100%]", "Captured stdout call", "fine", "1 passed"
    )
    assert run.report("sh test.sh")["sections"] == [
        ["Captured stdout call", "fine\n"],
        ["Captured stderr call", "oops\n"],
    ]


def test_exit_code_3(commands: Project) -> None:
    """One failure, with its reason and its output."""
    script(commands, "echo trouble; exit 3\n")
    run = commands.run()
    assert run.exit_code == 1, run.text
    run.must_show("web: sh test.sh", "E   exit code 3", "trouble", f"FAILED {COMMAND} - exit code 3")


def test_cases_of_a_file(commands: Project) -> None:
    """Each case is an outcome of its own, with message, time, output and places; the command covers them."""
    settings(commands, "dockerci_results = out.xml")
    script(commands, JUNIT)
    run = commands.run("-v")
    assert run.exit_code == 1, run.text
    assert run.outcomes() == {
        f"{COMMAND}::Cart::adds": "passed",
        f"{COMMAND}::Cart::sums": "failed",
        f"{COMMAND}::Cart::waits": "skipped",
        COMMAND: "failed",
    }
    run.must_show(
        f"{COMMAND}::Cart::adds PASSED",
        f"{COMMAND}::Cart::sums FAILED",
        f"{COMMAND}::Cart::waits SKIPPED (no till)",
        f"{COMMAND} FAILED",
        "at cart.js:7",
        "E   3 is not 4",
        "cart.js:7 (out.xml)",
        "E   1 of 3 cases failed: Cart::sums",
        f"FAILED {COMMAND}::Cart::sums - 3 is not 4",
        "2 failed, 1 passed, 1 skipped",
    )
    adds = run.report("adds")
    assert adds["duration"] == 0.5
    assert adds["sections"] == [["Captured stdout call", "hello"]]
    assert adds["properties"] == [["results", "out.xml"]]
    assert "dockerci" in adds["keywords"]
    assert "[100%]" in run.text
    assert "200%" not in run.text


def test_known_cases_are_listed_and_selected(commands: Project) -> None:
    """After one whole run: `--collect-only`, `-k`, `--lf` and ids know the cases; the command still runs whole."""
    settings(commands, "dockerci_results = out.xml")
    script(commands, JUNIT)
    assert commands.run("--collect-only", "-q").ids() == [COMMAND]
    assert not commands.was_started
    commands.run()
    names = [f"{COMMAND}::Cart::{name}" for name in ("adds", "sums", "waits")]
    listing = commands.run("--collect-only")
    assert listing.ids() == [COMMAND, *names]
    listing.must_show(
        "<Commands dockerci>", "<Service web>", "<Command sh test.sh>", "<Cases Cart>", "<Case adds>"
    )

    run = commands.run("-k", "adds", "-v")
    assert run.outcomes() == {names[0]: "passed", COMMAND: "failed"}
    run.must_show(
        "4 items / 3 deselected / 1 selected", "runs whole: 1 of the 3 cases of its last run are reported"
    )

    run = commands.run("--lf")
    assert run.outcomes() == {names[1]: "failed", COMMAND: "failed"}

    run = commands.run(names[2], names[0].replace("dockerci", str(commands.host / "pytest.ini")))
    assert run.outcomes() == {names[0]: "passed", names[2]: "skipped", COMMAND: "failed"}

    run = commands.run("--deselect", names[1], CODE="0")
    assert run.outcomes()[COMMAND] == "failed", "what is not reported counts all the same"

    run = commands.run(f"{COMMAND}::Cart::nothing")
    assert run.exit_code == 4
    run.must_show("not found: dockerci::web::sh test.sh::Cart::nothing")

    run = commands.run("dockerci::other")
    assert run.exit_code == 4
    run.must_show("there is no dockerci::other", COMMAND)


@pytest.mark.soak
def test_cases_that_are_gone_and_new_ones(commands: Project) -> None:
    """A known case that does not come is skipped once; a new one is reported."""
    settings(commands, "dockerci_results = out.xml")
    script(commands, JUNIT)
    commands.run()
    script(commands, JUNIT.replace('name="adds"', 'name="renamed"'))
    run = commands.run()
    assert run.outcomes()[f"{COMMAND}::Cart::adds"] == "skipped"
    assert run.outcomes()[f"{COMMAND}::Cart::renamed"] == "passed"
    run = commands.run()
    assert f"{COMMAND}::Cart::adds" not in run.outcomes()


def test_tap_comes_live(commands: Project, tmp_path: Path) -> None:
    """A case is reported while the command runs on."""
    settings(commands, "dockerci_results = tap:-")
    script(commands, TAP)
    run = commands.run("-v", PAUSE="1.5")
    times = {
        event["nodeid"].rpartition("::")[2]: event["stop"]
        for event in run.of_kind("test")
        if event["when"] == "teardown"
    }
    assert times["waits"] - times["adds"] > 1.0
    assert run.outcomes() == {
        f"{COMMAND}::adds": "passed",
        f"{COMMAND}::sums": "failed",
        f"{COMMAND}::waits": "passed",
        COMMAND: "failed",
    }


def test_x_ends_a_command_at_its_first_failure(commands: Project) -> None:
    """Where the format streams; nothing after it is reported, the command neither."""
    settings(commands, "dockerci_results = tap:-")
    script(commands, TAP)
    began = time.monotonic()
    run = commands.run("-x", PAUSE="60")
    assert time.monotonic() - began < 30
    assert run.exit_code == 1
    assert run.outcomes() == {f"{COMMAND}::adds": "passed", f"{COMMAND}::sums": "failed"}
    run.must_show("stopping after 1 failures")


def test_s_shows_output_as_it_comes(commands: Project) -> None:
    """Both streams; nothing of it is an order to the CI system or the terminal, and nothing is shown twice."""
    text = "printf ':'; sleep 0.3; printf ':error::x\\n'; printf '\\033]0;title\\007'; echo out; echo err >&2; sleep 0.3; exit 1\n"
    script(commands, text)
    run = commands.run("-s")
    assert "\n::error" not in run.text
    assert "\x1b]0" not in run.text
    assert run.text.count("out\n") == 1
    assert "err\n" in run.text
    assert run.report("sh test.sh")["sections"] == []


def test_secrets_are_hidden(commands: Project) -> None:
    """In output, in cases of files and of streams."""
    settings(commands, "dockerci_results = out.xml", "dockerci_secrets = API_KEY")
    script(commands, 'echo "key $API_KEY"\n' + JUNIT.replace("'X'", "X").replace("3 is not 4", "no $API_KEY"))
    run = commands.run("-s", "-rA", API_KEY="hunter2hunter2")
    assert "hunter2" not in run.text
    assert "no ***" in run.text
    assert "hunter2" not in str(run.events)


def test_time_limit(commands: Project) -> None:
    """It is ended from outside; what it printed is kept, and what it did not get to is not run."""
    settings(commands, "dockerci_results = tap:-")
    script(commands, TAP)
    commands.run()
    run = commands.run("-o", "dockerci_test_timeout_seconds=1", PAUSE="60")
    assert run.exit_code == 1, run.text
    run.must_show("it did not end within 1 s (dockerci_test_timeout_seconds = 1)")
    assert run.outcomes()[f"{COMMAND}::waits"] == "failed"
    assert "not run: `sh test.sh`: it did not end within 1 s" in run.report("waits")["text"]


def test_several_commands_host_tests_and_a_suite(project: Project) -> None:
    """In one run, in this order; `-k` leaves out what it does not name."""
    project.write("tests/test_inside.py", "def test_inside(): pass\n")
    project.write("checks/test_outside.py", "def test_outside(): pass\n")
    text = "[pytest]\ndockerci_service = web\ntestpaths = tests checks\ndockerci_host_suite = checks\n"
    project.write("pytest.ini", text + "dockerci_command =\n    sh one.sh\n    other: sh two.sh 'a b'\n")
    project.write_image("one.sh", "exit 0\n")
    project.write_image("two.sh", "test \"$1\" = 'a b'\n")
    run = project.run("-v")
    assert run.exit_code == 0, run.text
    assert run.ids() == [
        "dockerci::web::sh one.sh",
        "dockerci::other::sh two.sh 'a b'",
        "tests/test_inside.py::test_inside",
        "checks/test_outside.py::test_outside",
    ]
    assert set(run.outcomes().values()) == {"passed"}
    assert project.run("tests", "--dockerci-workers=2").ids() == ["tests/test_inside.py::test_inside"]
    assert project.run("-k", "one or inside", "--dockerci-workers=2").exit_code == 0


def test_only_selected_commands_start_an_environment(commands: Project) -> None:
    """Host tests beside them need none."""
    commands.write("checks/test_outside.py", "def test_outside(): pass\n")
    settings(commands, host="checks")
    run = commands.run("-k", "outside")
    assert run.outcomes() == {"checks/test_outside.py::test_outside": "passed"}
    assert not commands.was_started


def test_an_environment_that_fails(commands: Project) -> None:
    """Each command and each known case says that it was not run; exit 6."""
    settings(commands, "dockerci_results = out.xml")
    script(commands, JUNIT)
    commands.run()
    run = commands.run(DOCKERCI_TEST_START_FAILURE="no image")
    assert run.exit_code == 6, run.text
    assert set(run.outcomes().values()) == {"failed"}
    assert len(run.outcomes()) == 4
    run.must_show("not run: no image")


def test_a_program_that_is_not_there(commands: Project) -> None:
    """Its item says so."""
    settings(commands, commands="./nothing-here")
    run = commands.run()
    assert run.exit_code == 1
    run.must_show("the command could not be started", "No such file")


def test_control_c(commands: Project) -> None:
    """Ends the command and the run, with pytest's own exit code."""
    script(commands, "echo it runs; sleep 321\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "local_environment", "-s"],
        cwd=commands.host,
        env=commands.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - one thread
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "it runs" in line:
            break
    os.kill(process.pid, signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == 2, rest
    assert "Traceback" not in rest


def test_junitxml(commands: Project) -> None:
    """The host's file holds the command and its cases, with times and messages."""
    settings(commands, "dockerci_results = out.xml")
    script(commands, JUNIT)
    commands.run("--junitxml=report.xml")
    text = (commands.host / "report.xml").read_text()
    assert 'tests="4"' in text
    assert 'failures="2"' in text
    assert 'classname="dockerci.web.sh test.sh.Cart" name="sums"' in text
    assert 'message="3 is not 4"' in text
    assert 'classname="dockerci.web.sh test.sh.Cart" name="adds" time="0.500"' in text


def test_xdist_is_refused(commands: Project) -> None:
    """With the way out."""
    run = commands.run("-n", "2")
    assert run.exit_code == 4
    run.must_show("dockerci_command cannot be distributed by pytest-xdist", "--dockerci-workers=N")


def test_reruns(commands: Project) -> None:
    """A command without cases runs again; cases are what they are."""
    script(commands, "if [ -e again ]; then exit 0; fi; touch again; exit 1\n")
    run = commands.run("--reruns", "1", "-v")
    assert run.exit_code == 0, run.text
    run.must_show("RERUN", "PASSED")
    settings(commands, "dockerci_results = tap:-")
    script(commands, TAP)
    run = commands.run("--reruns", "1", "-v")
    assert run.text.count("::sums FAILED") == 1
    assert run.text.count("::sums RERUN") == 0


def test_a_plan_runs_nothing(commands: Project) -> None:
    """`--setup-plan` starts nothing."""
    script(commands, "touch ran\n")
    run = commands.run("--setup-plan")
    assert run.exit_code in (0, 5), run.text
    assert not (commands.image / "ran").exists()
    assert not commands.was_started


def test_a_setting_that_cannot_be_meant(commands: Project) -> None:
    """Exit 4, with what would be right."""
    settings(commands, "dockerci_results = out.txt")
    run = commands.run()
    assert run.exit_code == 4
    run.must_show("dockerci_results = out.txt cannot be used", "its format before it (junit:, tap: or go:)")


def push(project: Project, *args: str) -> tuple[int, str]:
    """A run that is asked to push an image that was built; nothing here could."""
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *args],
        cwd=project.host,
        env={
            **project.environ,
            "PYTEST_ADDOPTS": "",
            "DOCKERCI_TEST_BUILT_SECONDS": "1",
            "DOCKERCI_TEST_COMMIT": "0123456789abcdef0123456789abcdef01234567",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return process.returncode, process.stdout


def test_what_may_be_pushed(commands: Project) -> None:
    """Not an image whose command the command line leaves out, nor one in which nothing passed; else the gate is open."""
    commands.write("checks/test_outside.py", "def test_outside(dockerci_image): pass\n")
    more = [
        "addopts = -p local_environment -p no:hypothesispytest",
        "dockerci_push = registry.invalid/shop/web",
    ]
    settings(commands, *more, host="checks")
    script(commands, "exit 0\n")
    exit_code, text = push(commands, "checks")
    assert exit_code == 8, text
    assert "the command line leaves out `sh test.sh`" in text
    settings(commands, *more, host="checks", commands="other: sh test.sh")
    exit_code, text = push(commands)
    assert exit_code == 8, text
    assert "no test passed inside the image" in text
    settings(commands, *more, host="checks")
    exit_code, text = push(commands)
    assert "leaves out" not in text
    assert "no test passed" not in text
    assert "no verdict" not in text


@pytest.mark.soak
def test_ides(commands: Project) -> None:
    """VS Code and PyCharm show the cases of the last run, and their results, live."""
    settings(commands, "dockerci_results = out.xml")
    script(commands, JUNIT)
    commands.run()
    found = discover_in_vscode(commands.host, commands.environ, "-p", "local_environment")
    assert found.names() == [f"pytest.ini: {name}" for name in ("sh test.sh", "adds", "sums", "waits")], (
        found.text
    )
    chosen = [test["runID"] for test in found.tests if test["name"] in ("adds", "sums")]
    run = run_in_vscode(commands.host, commands.environ, chosen, "-p", "local_environment")
    names = {test_id.rpartition("::")[2]: word for test_id, word in run.results.items()}
    assert names == {"adds": "success", "sums": "failure", "sh test.sh": "failure"}, run.text
    run = run_in_pycharm(commands.host, commands.environ, [str(commands.host)], "-p", "local_environment")
    failed = {message["name"] for message in run.messages if message["service"] == "testFailed"}
    assert failed == {"dockerci.web.sh test_sh.Cart.sums", "dockerci.web.sh test_sh"}, run.text
