"""Whole handlings of faults, taken out one by one: the test of the fault has to be red without it.

``python -m mutation.handlings [ROW ...]`` does it, in a copy of the tree and on an engine of its own. What is taken
out is a text of the source, so that a change of that place is a change of this table (`test_mutation.py`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TREE = Path(__file__).parents[2]
_LIMIT_SECONDS = 600.0
_SHOWN_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What the project does about a fault.

    Attributes:
        row: Number of the fault in the catalogue, for instance ``41``; several with a comma.
        fault: In words.
        test: The test on a real engine, as pytest is asked for it; with ``@`` in front one that needs none.
        changes: How it is taken out: module in the package, what is there, what stands there instead.
        needs_registry: The test's registry is this machine's: an engine of its own has a network of its own.
    """

    row: str
    fault: str
    test: str
    changes: tuple[tuple[str, str, str], ...]
    needs_registry: bool = False


HANDLINGS = (
    Handling(
        row="1",
        fault="Ctrl-C in any phase",
        test="tests/whole_run/test_ends.py::test_control_c[1-test]",
        changes=(
            (
                "host_run.py",
                "self.leftovers = environment.close(fast=fast)",
                "self.leftovers = () if fast else environment.close(fast=fast)",
            ),
        ),
    ),
    Handling(
        row="3",
        fault="TERM and HUP in any phase",
        test="tests/whole_run/test_ends.py::test_ending_signals",
        changes=(
            (
                "interruption.py",
                "    signal.SIGTERM: signal.SIG_DFL,\n    signal.SIGHUP: signal.SIG_DFL,\n",
                "",
            ),
        ),
    ),
    Handling(
        row="4",
        fault="pytest is killed: the watchdog",
        test="tests/whole_run/test_killed.py::test_the_watchdog_alone",
        changes=(
            (
                "engine/nets.py",
                "            commands.tell(self.watchdog)\n",
                "            self.watchdog.close()\n",
            ),
        ),
    ),
    Handling(
        row="4",
        fault="pytest and the watchdog are killed: the reaper",
        test="tests/whole_run/test_killed.py::test_the_reaper_alone",
        changes=(("reaper/program.py", '    sweep(request, plan["labels"], own_id)\n', ""),),
    ),
    Handling(
        row="15",
        fault="no engine answers",
        test="@tests/engine/test_endpoint.py",
        changes=(
            (
                "engine/reaching.py",
                "raise _unreachable(target, error) if tunnel is None else tunnel.refusal() from error",
                "raise",
            ),
        ),
    ),
    Handling(
        row="17",
        fault="the engine is killed while tests run",
        test="tests/whole_run/test_engine_ends.py::test_killed_while_tests_run",
        changes=(
            (
                "engine/trouble.py",
                'return shown_loss(engine.endpoint, error.strerror.lower() if error.strerror else "it hung up")',
                "return str(error)[:0]",
            ),
        ),
    ),
    Handling(
        row="33",
        fault="an image without Python",
        test="tests/whole_run/test_images.py::test_no_python",
        changes=(
            (
                "engine/python_probe.py",
                "except (docker.errors.APIError, requests.exceptions.RequestException) as error:",
                "except KeyError as error:",
            ),
        ),
    ),
    Handling(
        row="41",
        fault="a test that takes its process with it",
        test="tests/whole_run/test_crashes.py",
        changes=(("agent/worker_process.py", "index = self._asked_tests[0]", "pass"),),
    ),
    Handling(
        row="45",
        fault="a test that never ends, whatever it does to signals",
        test="tests/whole_run/test_crashes.py",
        changes=(
            (
                "agent/worker_process.py",
                "if limit and step_seconds > limit:",
                "if limit and now < 0:",
            ),
        ),
    ),
    Handling(
        row="48",
        fault="half a gibibyte of output",
        test="tests/whole_run/test_floods.py::test_half_a_gibibyte[True-lines]",
        changes=(("agent/plain.py", "        if len(text) <= self._max_characters:", "        if True:"),),
    ),
    Handling(
        row="50",
        fault="a test closes or overwrites every descriptor",
        test="tests/whole_run/test_crashes.py::test_each_way_to_lose_the_agents_descriptors",
        changes=(
            (
                "agent/worker.py",
                "    channel = WorkerChannel(claim",
                "    from .channel import Channel as WorkerChannel\n\n    channel = WorkerChannel(claim",
            ),
        ),
    ),
    Handling(
        row="60",
        fault="a worker of pytest-xdist is killed",
        test="tests/whole_run/test_xdist.py::test_a_worker_that_is_killed_while_its_container_works",
        changes=(("xdist_controller.py", "        self._container_of.pop(worker, None)\n", ""),),
    ),
    Handling(
        row="67",
        fault="the channel ends before the end frame",
        test="tests/whole_run/test_cut_channel.py",
        changes=(
            (
                "container_run.py",
                "            with suppress(*([AgentLostError] if is_cut_short and agent.outstanding else [])):\n",
                "            with suppress(AgentLostError):\n                self._ended.add(agent.name)\n",
            ),
        ),
    ),
    Handling(
        row="69",
        fault="silence: a frozen container, a connection that carries nothing",
        test="tests/whole_run/test_lost_containers.py::test_paused",
        changes=(
            ("channel_reader.py", "silences < _MOST_SILENCES:", "silences < 10**9:"),
            ("channel_reader.py", "while not trouble and", "while"),
        ),
    ),
    Handling(
        row="73",
        fault="a Compose file that cannot be meant",
        test="tests/engine/test_environment.py::test_a_compose_file_that_cannot_be_meant_is_refused",
        changes=(("engine/compose_model.py", "        if not outcome.is_ok:\n", "        if False:\n"),),
    ),
    Handling(
        row="75",
        fault="a service ends while it starts",
        test="tests/whole_run/test_ends.py::test_dead_service",
        changes=(
            (
                "engine/readiness.py",
                "    return Failed(cause=cause, why=seen.error)\n\n\ndef _judge_running",
                "    return NotReady(reason=cause)\n\n\ndef _judge_running",
            ),
        ),
    ),
    Handling(
        row="76",
        fault="a service ends while tests run",
        test="tests/whole_run/test_lost_services.py::test_the_running_test_fails_with_the_cause",
        changes=(("engine/service_watch.py", "while not self._events.is_closed:", "while False:"),),
    ),
    Handling(
        row="82",
        fault="two runs of one project at once, one of them killed",
        test="tests/whole_run/test_neighbours.py",
        changes=(
            (
                "engine/labels.py",
                'return {"label": [f"{RUN}={run_id}", f"{NONCE}={nonce}"]}',
                'return {"label": [RUN]}',
            ),
        ),
    ),
    Handling(
        row="88",
        fault="a registry that fails in mid push",
        test="tests/engine/test_push.py::test_a_faulted_push_leaves_the_tags_as_they_were",
        needs_registry=True,
        changes=(("engine/push.py", 'return f"{RUN_TAG}{self.run_id}"', "return self.tags[0].name"),),
    ),
    Handling(
        row="89",
        fault="somebody else's image under the tag of the run",
        test="tests/engine/test_push.py::test_an_image_that_somebody_puts_under_the_runs_tag_gets_no_final_tag",
        needs_registry=True,
        changes=(
            ("engine/pushed_image.py", "if sent and manifest.digest != sent:", "if False:"),
            (
                "engine/push.py",
                "config_digest = require_tested(registry, manifest, plan.image_id)",
                "config_digest = plan.image_id",
            ),
        ),
    ),
    Handling(
        row="90",
        fault="a push of what was not tested as it is: a tree with changes",
        test="tests/whole_run/test_push.py::test_a_setting_asks_every_run",
        needs_registry=True,
        changes=(
            ("shipping.py", "        self._require(refusals(self._facts(session, environment, tags)))\n", ""),
        ),
    ),
    Handling(
        row="96",
        fault="tests print frames, verdicts, summaries",
        test="tests/whole_run/test_hostile_suite.py",
        changes=(
            (
                "agent/worker_process.py",
                "                stdout=subprocess.PIPE,\n",
                "                stdout=from_worker[1],\n",
            ),
            (
                "agent/worker_process.py",
                'for pipe, name in ((self._process.stdout, "stdout"), (self._process.stderr, "stderr")):',
                'for pipe, name in ((self._process.stderr, "stderr"),):',
            ),
        ),
    ),
    Handling(
        row="98",
        fault="an agent reports on a test that is not due",
        test="tests/whole_run/test_hostile_agent.py",
        changes=(
            (
                "worker_ledger.py",
                "if not self._outstanding or index != self._outstanding[0]:",
                "if not self._outstanding:",
            ),
        ),
    ),
    Handling(
        row="98",
        fault="a worker sends what is no message",
        test="tests/whole_run/test_hostile_agent.py",
        changes=(
            (
                "agent/worker_process.py",
                "            self._break(str(error))\n            return None\n",
                "            return None\n",
            ),
        ),
    ),
    Handling(
        row="98",
        fault="an agent sends reports that are none",
        test="@tests/chaos/test_small.py::test_payloads[1]",
        changes=(("reports.py", "    if wrong:\n", "    if False:\n"),),
    ),
    Handling(
        row="99",
        fault="orders to the terminal and to CI systems",
        test="tests/whole_run/test_hostile_suite.py",
        changes=(
            (
                "terminal.py",
                "    result = []\n    position = 0\n",
                "    return text\n    result = []\n    position = 0\n",
            ),
        ),
    ),
    Handling(
        row="102",
        fault="forty secrets",
        test="tests/whole_run/test_secrets.py",
        needs_registry=True,
        changes=(
            ("masking.py", "return self._pattern.sub(HIDDEN, text) if self.values else text", "return text"),
        ),
    ),
    Handling(
        row="103",
        fault="services that ask for power over the host",
        test="tests/engine/test_environment.py::test_a_compose_file_that_cannot_be_meant_is_refused",
        changes=(("engine/powers.py", "if permission not in allow:", "if False:"),),
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Take out each handling; print a table of what its test came to without it.

    Returns:
        1 when a test was green without the handling, or red with it.
    """
    parser = argparse.ArgumentParser(prog="python -m mutation.handlings", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="numbers of faults; all by default")
    rows = parser.parse_args(argv).rows
    wanted = [each for each in HANDLINGS if not rows or each.row in rows]
    wrong = 0
    with (
        tempfile.TemporaryDirectory(prefix="dockerci-handlings-") as folder,
        _engine(Path(folder)) as environ,
    ):
        copy = Path(folder, "tree")
        shutil.copytree(_TREE, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        print("| fault | test | with the handling | without it |\n|---|---|---|---|", flush=True)
        for handling in wanted:
            named = {} if handling.needs_registry else environ
            results = [_is_green(copy, handling, named, is_taken_out=out) for out in (False, True)]
            wrong += results != [True, False]
            shown = " | ".join("green" if each else "red" for each in results)
            print(
                f"| {handling.row}: {handling.fault} | `{handling.test.lstrip('@')}` | {shown} |", flush=True
            )
    return 1 if wrong else 0


@contextmanager
def _engine(folder: Path) -> Iterator[dict[str, str]]:
    """An engine of its own, so that whatever a run without its handling leaves goes with it."""
    from private_engine import PrivateEngine  # noqa: PLC0415 - the default tests need only the table
    from whole_run.project import PYTHON_IMAGE  # noqa: PLC0415 - as above

    place = folder / "engine"
    place.mkdir()
    engine = PrivateEngine(place)
    try:
        engine.start()
        engine.load([PYTHON_IMAGE])
        yield engine.environ
    finally:
        engine.stop()


def _is_green(copy: Path, handling: Handling, environ: dict[str, str], *, is_taken_out: bool) -> bool:
    originals: dict[Path, str] = {}
    for module, old, new in handling.changes if is_taken_out else ():
        path = copy / "pytest_dockerci" / module
        originals.setdefault(path, path.read_text())
        path.write_text(path.read_text().replace(old, new))
    try:
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "-p",
                "no:cacheprovider",
                "-m",
                "",
                handling.test.lstrip("@"),
            ],
            cwd=copy,
            # The copy comes before the installed package, in the processes that the tests start too.
            env={**os.environ, **environ, "PYTHONPATH": str(copy), "DOCKERCI_TEST_REQUIRE_ENGINE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        for path, text in originals.items():
            path.write_text(text)
    if process.returncode and not is_taken_out:
        sys.stderr.write(process.stdout.decode("utf-8", "backslashreplace")[-_SHOWN_CHARACTERS:])
    return process.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
