"""The `dockerci` command: what is wrong with my set-up, and what is left on my engine."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.errors import CleanupError, DockerCIError, SettingsError
from pytest_dockerci.kept_stack import END_COMMAND, describe_seconds, read_kept
from pytest_dockerci.state import RunOwner, base_directory, find_owners, take_lease

if TYPE_CHECKING:
    from pytest_dockerci.engine.cleanup import EngineObject
    from pytest_dockerci.engine.client import Engine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 when all is well, 1 for an image that is not proved to be tested, 4 for what cannot be meant, 6 without a
        usable engine, 8 when a registry fails, 9 when something could not be removed.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except DockerCIError as error:
        from pytest_dockerci.terminal import printable  # noqa: PLC0415 - loads pytest

        sys.stderr.write(f"{printable(str(error))}\n")
        return int(error.exit_status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dockerci", description="Companion of the pytest plugin pytest-dockerci."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser("doctor", help="check the engine and its tools; say what to fix")
    doctor.set_defaults(run=_doctor)
    gc = commands.add_parser("gc", help="remove what runs have left on the engine when they were killed")
    gc.add_argument("--dry-run", action="store_true", help="list it, remove nothing")
    gc.add_argument("--all", action="store_true", help="also remove the caches, which later runs would reuse")
    gc.set_defaults(run=_gc)
    down = commands.add_parser(
        "down", help="end the stack that --dockerci-keep has left for this folder's project"
    )
    down.add_argument("--all", action="store_true", help="those of all projects")
    down.set_defaults(run=_down)
    verify = commands.add_parser("verify", help="check the test result that is attached to an image")
    verify.add_argument("reference", metavar="REF", help="an image in a registry: NAME:TAG or NAME@DIGEST")
    verify.add_argument(
        "--key", metavar="FILE", help="count only statements that this public key (PEM) has signed"
    )
    verify.set_defaults(run=_verify)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    del options
    engine = _connect()
    checks = (
        ("Docker Engine", engine.version, f"at {engine.endpoint}"),
        ("API", _dotted(engine.api_version), ""),
        ("Docker Compose", _dotted(engine.compose_version), ""),
        ("buildx", _dotted(engine.buildx_version), ""),
    )
    for name, version, remark in checks:
        _say(f"ok  {name} {version} {remark}".rstrip())
    leftovers = [owner for owner in _owners(engine) if owner.is_abandoned]
    if leftovers:
        _say(f"!!  {len(leftovers)} runs were killed before they could clean up\n    try: dockerci gc")
    return 0


def _gc(options: argparse.Namespace) -> int:
    # Only this command pays for Docker's client.
    from pytest_dockerci.engine.leftovers import (  # noqa: PLC0415
        find_leftovers,
        gc_plan,
        remove_leftovers,
        sweep,
    )

    engine = _connect()
    owners = {owner.run_id: owner for owner in _owners(engine)}
    found = find_leftovers(engine)
    dead = {run_id for run_id, things in found.runs.items() if _is_dead(owners.get(run_id), things)}
    things = gc_plan(found, live_runs=frozenset(found.runs) - dead, include_caches=options.all)
    for run_id in sorted(set(found.runs) - dead):
        _say(f"run {run_id} {_why_left_alone(owners.get(run_id))}: left alone")
    for thing in things:
        _say(f"{'would remove' if options.dry_run else 'removing'} {thing}")
    if not things:
        _say("nothing to remove")
    if not options.all and found.caches:
        _say(f"{len(found.caches)} caches are kept for later runs; --all removes them")
    if options.dry_run:
        return 0
    left = remove_leftovers(engine, things)
    if left:
        raise CleanupError("some objects could not be removed", why="\n".join(left), fix="docker ps --all")
    sweep(engine, [owner for owner in owners.values() if owner.is_abandoned])
    return 0


def _verify(options: argparse.Namespace) -> int:
    from pytest_dockerci.engine.verification import verify_image  # noqa: PLC0415 - loads Docker's client
    from pytest_dockerci.image_reference import ReferenceFormatError, parse_reference  # noqa: PLC0415 - with it
    from pytest_dockerci.terminal import printable  # noqa: PLC0415 - loads pytest

    try:
        reference = parse_reference(options.reference)
    except ReferenceFormatError as error:
        raise SettingsError(
            f"{options.reference} is no name of an image", why=str(error), fix="write NAME:TAG or NAME@DIGEST"
        ) from None
    key = None
    if options.key is not None:
        from pytest_dockerci.signing import read_public_key  # noqa: PLC0415 - loads what is optional

        key = read_public_key(options.key)
    found = verify_image(reference, os.environ, key)
    _say(f"image   {reference.repository}@{found.digest}")
    for statement in found.statements:
        warned = f", {statement.warned} only when repeated" if statement.warned else ""
        said = f"tests   {statement.result}: {statement.passed} passed{warned} {statement.url}"
        _say(printable(said.rstrip()))
    for problem in found.problems:
        _say(printable(f"ignored a statement: {problem}"))
    if found.failure:
        _say(printable(f"NOT TESTED: {found.failure}"))
        return 1
    if key is not None:
        _say(printable(f"signed  with the key {key.name}"))
    elif found.is_signed:
        _say("signed, origin not proved: give the public key of whom you trust with --key")
    else:
        _say("unsigned: origin not proved; whoever may write to the repository can attach a statement")
    return 0


def _why_left_alone(owner: RunOwner | None) -> str:
    if owner is None:
        return "was not started by this user here"
    kept = read_kept(owner.folder)
    if kept is None:
        return f"still goes on (process {owner.pid})"
    if owner.is_alive:
        return f"is a kept stack in use (process {kept.user})"
    left = describe_seconds(max(0.0, kept.left_seconds))
    return f"is a kept stack of {kept.rootdir}, for {left} more (`{END_COMMAND}` ends it)"


def _down(options: argparse.Namespace) -> int:
    from pytest_dockerci.engine.leftovers import remove_run  # noqa: PLC0415 - heavy

    here = Path.cwd()
    engine = _connect()
    stacks = [kept for owner in _owners(engine) if (kept := read_kept(owner.folder)) is not None]
    chosen = [kept for kept in stacks if options.all or here.is_relative_to(kept.rootdir)]
    for kept in stacks:
        if kept not in chosen:
            _say(f"the stack of {kept.rootdir} stays; --all ends it as well")
    if not chosen:
        _say("no stack is kept" + ("" if options.all else f" for {here}"))
    left: list[str] = []
    for kept in chosen:
        lease = take_lease(kept.folder)
        if lease is None:
            left.append(f"the stack of {kept.rootdir} is in use by process {kept.user}")
            continue
        try:
            problems = remove_run(engine, kept.run_id, kept.nonce, kept.folder)
        finally:
            lease.release()
        left += problems
        if not problems:
            _say(f"ended the stack of {kept.rootdir}, {describe_seconds(kept.age_seconds)} old")
    if left:
        raise CleanupError(
            "not every stack could be ended", why="\n".join(left), fix="end what uses it, and repeat"
        )
    return 0


def _is_dead(owner: RunOwner | None, things: Sequence[EngineObject]) -> bool:
    """True for a run of this host that is over and keeps nothing, and all of whose objects carry its nonce."""
    from pytest_dockerci.engine.labels import NONCE  # noqa: PLC0415 - with the engine side

    return (
        owner is not None
        and owner.is_abandoned
        and all(thing.labels.get(NONCE) == owner.nonce for thing in things)
    )


def _owners(engine: Engine) -> list[RunOwner]:
    return find_owners(base_directory(os.environ), engine.id)


def _connect() -> Engine:
    from pytest_dockerci.engine.client import connect_engine  # noqa: PLC0415 - `dockerci --help` needs no Docker client

    # No suite's secrets are sent: what pytest's settings refuse is no danger here.
    return connect_engine(os.environ, frozenset({"plain-tcp"}))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
