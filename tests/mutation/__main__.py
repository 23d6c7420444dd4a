"""``python -m mutation [WORD ...]``: change the code in a copy of the tree, and see whether fast tests notice.

Each mutant is tried in a fork of a process that has pytest loaded already: a second for each instead of several.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mutation.mutants import Mutant, mutants_of
from mutation.targets import TARGETS, Target

_TREE = Path(__file__).parents[2]
_MEMORY_BYTES = 4 << 30
_NOT_NEEDED = ("dockerci", "xdist", "pytest_cov", "rerunfailures", "cacheprovider")


def main(argv: Sequence[str] | None = None) -> int:
    """Try every mutant, name those that nobody noticed.

    Returns:
        1 when less than 95 % were killed.
    """
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="modules whose path has one of these; all by default"
    )
    options = parser.parse_args(argv)
    wanted = [
        each for each in TARGETS if not options.words or any(word in each.path for word in options.words)
    ]
    tried: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory(prefix="dockerci-mutation-") as folder:
        copy = Path(folder, "tree")
        shutil.copytree(_TREE, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        os.chdir(copy)
        _load(copy)
        for target in wanted:
            tried.setdefault(target.part, []).extend(_try_all(copy, target))
    killed = 0
    for part, results in tried.items():
        killed += sum(results)
        print(f"{part}: {sum(results)} of {len(results)} mutants killed")
    total = sum(map(len, tried.values()))
    print(f"all: {killed} of {total}, {100 * killed / total:.1f} %")
    return 0 if killed >= 0.95 * total else 1


def _load(copy: Path) -> None:
    """Load what all tests need, and nothing of the package."""
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(copy), str(copy / "tests")]
    os.environ["PYTHONPATH"] = os.pathsep.join((str(copy), str(copy / "tests")))
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    import hypothesis  # noqa: F401, PLC0415 - as above
    import pytest  # noqa: F401, PLC0415 - as above

    loaded = [name for name in sys.modules if name.startswith("pytest_dockerci")]
    assert not loaded, loaded


def _try_all(copy: Path, target: Target) -> list[bool]:
    path = copy / "pytest_dockerci" / target.path
    source = path.read_text()
    seconds, is_red = _run(target, 600.0)
    assert not is_red, f"{target.tests} fail without any change"
    results = []
    for mutant in mutants_of(source, target.only):
        path.write_text(mutant.source)
        _, is_killed = _run(target, 10 * seconds + 5)
        results.append(is_killed)
        if not is_killed:
            print(_survivor(target, mutant), flush=True)
    path.write_text(source)
    print(f"{target.path}: {sum(results)} of {len(results)} killed", file=sys.stderr, flush=True)
    return results


def _survivor(target: Target, mutant: Mutant) -> str:
    return f"SURVIVED {target.path}:{mutant.line}: {mutant.change}"


def _run(target: Target, limit_seconds: float) -> tuple[float, bool]:
    """Run a target's tests; how long that took, and whether something was red."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(_child(target))
    while time.monotonic() - began < limit_seconds:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return time.monotonic() - began, status != 0
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return limit_seconds, True


def _child(target: Target) -> int:
    import pytest  # noqa: PLC0415 - in the fork

    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    arguments = [word for name in _NOT_NEEDED for word in ("-p", f"no:{name}")]
    # pytest would rewrite the asserts of what has been loaded before it.
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-x", "-q", "-m", "not engine"]
    try:
        return int(pytest.main([*arguments, "--hypothesis-seed=0", *target.tests]))
    except BaseException:  # noqa: BLE001 - a mutant may do anything
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
