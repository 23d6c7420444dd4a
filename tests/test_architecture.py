"""Imports point one way; files stay small; nothing heavy is loaded before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_dockerci

PACKAGE = Path(pytest_dockerci.__file__).parent
MODULES = {
    ".".join(("pytest_dockerci", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): file
    for file in sorted(PACKAGE.rglob("*.py"))
}
MAX_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}

OURS = "pytest_dockerci"
AGENT = f"{OURS}.agent"
ENGINE = f"{OURS}.engine"
REAPER = f"{OURS}.reaper"
RELAY = f"{OURS}.relay"
DOCKER = ("docker", "testcontainers", "yaml")

# What a module, or all modules below a name, must not import. The longest name counts.
FORBIDDEN_IMPORTS: dict[str, tuple[str, ...]] = {
    ENGINE: (
        "pytest",
        "_pytest",
        AGENT,
        *(
            f"{OURS}.{name}"
            for name in (
                "settings",
                "plugin",
                "host_run",
                "engine_environment",
                "controller_link",
                "xdist_controller",
                "xdist_worker",
                "host_collection",
                "items",
                "container_run",
                "remote_run",
                "worker_ledger",
                "shared_loop",
                "reports",
                "junit_records",
                "paths",
                "terminal",
                "fixtures",
                "hooks",
                "discovery",
                "collection_cache",
                "approximate_collection",
                "arguments",
                "cli",
                "host_coverage",
                "coverage_plan",
                "measured_files",
                "run_registration",
                "run_hooks",
                "setting_options",
                "push_settings",
                "push_gate",
                "command_scope",
                "selection_scope",
                "run_outcomes",
                "shipping",
                "handoff",
                "ci_report",
                "job_summary",
                "commands",
                "report_folder",
                "run_report",
            )
        ),
    ),
    f"{OURS}.commands": (ENGINE, AGENT, *DOCKER),
    **{
        f"{OURS}.commands.{name}": (ENGINE, AGENT, "pytest", "_pytest", *DOCKER)
        for name in (
            "case",
            "execution",
            "go_json",
            "junit_xml",
            "known_cases",
            "lines",
            "live_output",
            "result_line",
            "results",
            "safe_xml",
            "settings",
            "tap",
            "verdict",
        )
    },
    f"{OURS}.errors": (OURS, "pytest", *DOCKER),
    f"{OURS}.progress": (OURS, "pytest", *DOCKER),
    f"{OURS}.controller_link": (ENGINE, AGENT, "pytest", *DOCKER),
    f"{OURS}.items": (ENGINE, *DOCKER),
    f"{OURS}.container_run": (ENGINE, *DOCKER),
    f"{OURS}.remote_run": (ENGINE, "pytest", *DOCKER),
    f"{OURS}.worker_ledger": (ENGINE, "pytest", *DOCKER),
    f"{OURS}.shared_loop": (ENGINE, *DOCKER),
    f"{OURS}.schedule": (OURS, "pytest", *DOCKER),
    f"{OURS}.reports": (ENGINE, *DOCKER),
    f"{OURS}.junit_records": (ENGINE, *DOCKER),
    f"{OURS}.coverage_plan": (ENGINE, AGENT, "coverage", "pytest", *DOCKER),
    f"{OURS}.measured_files": (ENGINE, "coverage", "pytest", *DOCKER),
    f"{OURS}.host_coverage": (ENGINE, *DOCKER),
    f"{OURS}.phases": (OURS, "pytest", *DOCKER),
    f"{OURS}.artifact_names": (ENGINE, AGENT, "pytest", *DOCKER),
    f"{OURS}.report_folder": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.run_report": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.paths": (OURS, "pytest", *DOCKER),
    f"{OURS}.arguments": (OURS, "pytest", *DOCKER),
    f"{OURS}.build_inputs": (OURS, "pytest", *DOCKER),
    f"{OURS}.last_image": (ENGINE, "pytest", *DOCKER),
    f"{OURS}.collection_cache": (ENGINE, "pytest", *DOCKER),
    f"{OURS}.source_tests": (OURS, "pytest", *DOCKER),
    f"{OURS}.approximate_collection": (ENGINE, "pytest", *DOCKER),
    f"{OURS}.discovery": (ENGINE, *DOCKER),
    f"{OURS}.command_line": (OURS, "pytest", *DOCKER),
    f"{OURS}.option_sides": (OURS, "pytest", *DOCKER),
    f"{OURS}.container_share": (OURS, *DOCKER),
    f"{OURS}.container_options": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.container_selection": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.container_configuration": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.settings": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.image_reference": (OURS, "pytest", *DOCKER),
    f"{OURS}.push_tags": (ENGINE, AGENT, "pytest", *DOCKER),
    f"{OURS}.push_gate": (OURS, "pytest", *DOCKER),
    f"{OURS}.push_settings": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.selection_scope": (ENGINE, AGENT, "pytest", *DOCKER),
    f"{OURS}.command_scope": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.run_outcomes": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.evidence": (OURS, "pytest", *DOCKER),
    f"{OURS}.release": (OURS, "pytest", *DOCKER),
    f"{OURS}.release_files": (ENGINE, AGENT, "pytest", *DOCKER),
    f"{OURS}.handoff": (ENGINE, AGENT, *DOCKER),
    f"{OURS}.ci_systems": (OURS, "pytest", *DOCKER),
    f"{OURS}.job_summary": (OURS, "pytest", *DOCKER),
    f"{OURS}.ci_report": (ENGINE, AGENT, *DOCKER),
}
# The only modules of the agent that may import pytest: the supervisor must not depend on the image's.
AGENT_WITH_PYTEST = {
    f"{AGENT}.{name}"
    for name in ("junit", "session", "tree", "two_sides", "worker", "measurement_plugin", "debugging")
}
# The only ones that may import coverage, and that are imported only where it is asked for.
AGENT_WITH_COVERAGE = {f"{AGENT}.{name}" for name in ("measurement", "measured_rows")}


def imports_of(module: str) -> Iterator[tuple[str, int]]:
    """``(module, line)`` of every import that happens at run time, wherever in the file it is."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    typing_only = {
        id(node) for block in ast.walk(tree) if _is_type_checking(block) for node in ast.walk(block)
    }
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                name = ".".join([*parents, *([name] if name else [])])
            for alias in node.names:
                deeper = f"{name}.{alias.name}"
                yield (deeper if deeper in MODULES else name), node.lineno


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_below(name: str, tree: str) -> bool:
    """True for the name itself and all below it."""
    return name == tree or name.startswith(f"{tree}.")


@pytest.mark.parametrize("module", MODULES)
def test_forbidden_imports(module: str) -> None:
    """No module imports what the table forbids it."""
    rules = max((tree for tree in FORBIDDEN_IMPORTS if is_below(module, tree)), key=len, default=None)
    forbidden = FORBIDDEN_IMPORTS[rules] if rules is not None else ()
    assert [
        f"line {line}: {name}"
        for name, line in imports_of(module)
        if any(is_below(name, tree) for tree in forbidden)
    ] == []


@pytest.mark.parametrize(
    "module",
    [module for module in MODULES if any(is_below(module, tree) for tree in (AGENT, REAPER, RELAY))],
)
def test_what_runs_in_a_container_imports_the_standard_library_only(module: str) -> None:
    """And the agent itself; pytest where the suite runs. `dockerci_agent` is its name in the container."""
    allowed = {"pytest", "_pytest"} if module in AGENT_WITH_PYTEST else set()
    allowed |= {"coverage"} if module in AGENT_WITH_COVERAGE else set()
    assert [
        f"line {line}: {name}"
        for name, line in imports_of(module)
        if not is_below(name, AGENT)
        and name.partition(".")[0] not in {*sys.stdlib_module_names, "dockerci_agent", *allowed}
    ] == []


def test_the_table_names_what_exists() -> None:
    """A rule for a module that was renamed would hold nothing."""
    assert {
        name for name in (*FORBIDDEN_IMPORTS, *AGENT_WITH_PYTEST, *AGENT_WITH_COVERAGE) if name not in MODULES
    } == set()


def test_imports_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Relative, nested and aliased imports count; those for type checkers do not."""
    file = tmp_path / "probe.py"
    file.write_text(
        "import os.path as p\nfrom . import wire\nfrom .channel import Channel\nfrom pytest_dockerci import errors\n"
        "if TYPE_CHECKING:\n    import docker\ndef f():\n    import yaml\n"
    )
    monkeypatch.setitem(MODULES, f"{AGENT}.probe", file)
    assert sorted(name for name, _ in imports_of(f"{AGENT}.probe")) == [
        "os.path",
        f"{AGENT}.channel",
        f"{AGENT}.wire",
        f"{OURS}.errors",
        "yaml",
    ]


@pytest.mark.parametrize("module", MODULES)
def test_a_file_is_small(module: str) -> None:
    """A file that grows beyond its one job is split."""
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) < MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_named_for_its_job(module: str) -> None:
    """No drawer for everything."""
    assert module.rpartition(".")[2] not in FORBIDDEN_NAMES


def test_nothing_listens() -> None:
    """No port but the near end of a tunnel to an engine elsewhere, on loopback; what else serves is a socket."""
    serving = {"listen", "bind", "create_server", "TCPServer", "HTTPServer", "start_server"}
    found = {
        module
        for module, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in serving
    }
    assert found == {f"{ENGINE}.relay"}


HEAVY = (
    "docker",
    "yaml",
    "testcontainers",
    "requests",
    "urllib3",
    "uv",
    "importlib.resources",
    "pytest_dockerci.engine",
)


@pytest.mark.parametrize(
    "module",
    [f"{OURS}.plugin", f"{OURS}.run_registration", f"{OURS}.host_run", f"{OURS}.items"],
)
def test_nothing_heavy_is_loaded_early(module: str) -> None:
    """Importing the host's side loads no client of Docker: that waits for a run that needs one."""
    program = (
        "import sys, pytest; before = set(sys.modules); "
        f"import {module}; print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    assert module in loaded
    heavy = [
        name
        for name in HEAVY
        if name != "importlib.resources" or module in (f"{OURS}.plugin", f"{OURS}.items")
    ]
    assert [name for name in loaded if any(is_below(name, tree) for tree in heavy)] == []


def test_a_run_that_is_not_switched_on_loads_little(pytester: pytest.Pytester) -> None:
    """A project that does not use the plugin pays for its settings, hooks and fixtures, and for nothing else."""
    pytester.makepyfile(
        "import sys\n"
        "def test_loaded():\n"
        "    ours = {name.partition('.')[2] for name in sys.modules if name.startswith('pytest_dockerci')}\n"
        "    assert ours <= {'', 'fixtures', 'hooks', 'plugin', 'setting_options'}\n"
        "    assert not {'docker', 'yaml', 'testcontainers', 'requests'} & set(sys.modules)\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", timeout=60)
    result.assert_outcomes(passed=1)
