"""What is mutated, and which fast tests have to notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A module of the package.

    Attributes:
        part: What the table calls the group.
        path: Of the module, in the package.
        tests: Test files that need no engine, fast ones first.
        only: Functions and classes, where the rest is input and output that only an engine can judge; all when empty.
    """

    part: str
    path: str
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()


_WIRE = ("tests/agent/test_wire.py",)
TARGETS = (
    Target(part="protocol", path="agent/frames.py", tests=_WIRE),
    Target(part="protocol", path="agent/message.py", tests=_WIRE),
    Target(part="protocol", path="agent/schema.py", tests=_WIRE),
    Target(part="protocol", path="agent/wire.py", tests=_WIRE),
    Target(part="protocol", path="agent/worker_memory.py", tests=("tests/agent/test_worker_memory.py",)),
    Target(part="protocol", path="agent/channel.py", tests=("tests/agent/test_channel.py",)),
    Target(part="protocol", path="engine/frames.py", tests=("tests/engine/test_frames.py",)),
    Target(part="protocol", path="worker_ledger.py", tests=("tests/test_worker_ledger.py",)),
    Target(part="gate", path="verdict.py", tests=("tests/test_verdict.py",)),
    Target(part="gate", path="decode_gate.py", tests=("tests/test_decode_gate.py",)),
    Target(part="gate", path="shapes.py", tests=("tests/test_decode_gate.py",)),
    Target(part="reaper plan", path="reaper/program.py", tests=("tests/reaper/test_program.py",)),
    Target(
        part="reaper plan",
        path="engine/reaper.py",
        tests=("tests/engine/test_reaper.py",),
        only=("sockets_on_engine",),
    ),
    Target(
        part="reaper plan",
        path="engine/leftovers.py",
        tests=("tests/engine/test_leftovers.py",),
        only=("gc_plan",),
    ),
    Target(
        part="reaper plan",
        path="engine/cleanup.py",
        tests=("tests/engine/test_leftovers.py",),
        only=("parse_time", "is_reaper", "networks_of", "connections"),
    ),
    Target(part="readiness", path="engine/listening_sockets.py", tests=("tests/engine/test_listening.py",)),
    Target(part="commands", path="engine/cli_plugins.py", tests=("tests/engine/test_cli_plugins.py",)),
    Target(
        part="seeds",
        path="engine/seed_overlay.py",
        tests=("tests/engine/test_seed_overlay.py",),
        only=("can_be_overlaid",),
    ),
)
