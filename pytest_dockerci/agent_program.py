"""The agent as the host sends it: a command line for the container's Python, and the bytes to send first."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources

_MODULES = (
    "frames",
    "message",
    "alive_message",
    "limits_message",
    "measured_message",
    "terminal_message",
    "patient_writer",
    "worker_memory",
    "debugger_device",
    "debugging",
    "schema",
    "warning_message",
    "wire",
    "system",
    "channel",
    "plain",
    "memory_limit",
    "report_data",
    "process_end",
    "supervisor",
    "worker_process",
    "worker",
    "junit",
    "session",
    "fitting",
    "two_sides",
    "tree",
    "measurement",
    "measurement_plugin",
    "measured_rows",
)


@lru_cache(maxsize=1)
def agent_arguments() -> tuple[str, ...]:
    """What follows the interpreter's path: a constant small program that reads the rest from stdin.

    ``-I`` and ``-S`` keep the image's ``PYTHON*`` variables, its packages and what they start by themselves away
    from the supervisor; the worker, which runs the suite, gets a plain interpreter.
    """
    return ("-I", "-S", "-c", _source("loader"), "supervisor", "0")


@lru_cache(maxsize=1)
def bootstrap() -> bytes:
    """The agent's modules: 8 hexadecimal digits of length, then JSON."""
    modules = {f"dockerci_agent.{name}": _source(name) for name in _MODULES}
    text = json.dumps({"loader": _source("loader"), "modules": modules}).encode("ascii")
    return b"%08x" % len(text) + text


def _source(name: str) -> str:
    return resources.files("pytest_dockerci.agent").joinpath(f"{name}.py").read_text(encoding="utf-8")
