"""The documentation agrees with the code, with the example project and with itself."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import iniconfig
import pytest
import yaml

from doc_pages import (
    BLOCKS,
    PAGES,
    PROJECT,
    REFERENCE,
    Block,
    ComposeLoader,
    anchor,
    blocks_of,
    column,
    prose,
    section,
    table,
)
from pytest_dockerci import fixtures, hooks
from pytest_dockerci.arguments import (
    _FLAG_OPTIONS,
    _LIST_OPTIONS,
    _PATH_LIST_OPTIONS,
    _VALUE_OPTIONS,
)
from pytest_dockerci.ci_systems import find_build_number
from pytest_dockerci.engine import labels
from pytest_dockerci.engine.container import ExecResult, TestContainer
from pytest_dockerci.engine.image import ImageUnderTest
from pytest_dockerci.engine.service import Service
from pytest_dockerci.errors import ExitStatus
from pytest_dockerci.handoff import EVIDENCE_FILE, SIGNED_FILE
from pytest_dockerci.push_tags import DEFAULT_TEMPLATES, PLACEHOLDERS
from pytest_dockerci.release import Release
from pytest_dockerci.release_files import FILES
from pytest_dockerci.setting_options import INI_OPTIONS
from pytest_dockerci.settings import ALLOWED_NAMES
from pytest_dockerci.verdict import _PRECEDENCE

# pytest itself brings tomli where the standard library has no reader.
tomllib: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
KINDS = {
    "string": "string",
    "args": "list",
    "linelist": "lines",
    "seconds": "number",
    "workers": "number",
    "bool": "yes or no",
}


def public_members(owner: type) -> set[str]:
    """Fields, properties and attributes of a class by name, methods with their parameters."""
    found = {name for name in re.findall(r"self\.(\w+) = ", inspect.getsource(owner)) if name[0] != "_"}
    if dataclasses.is_dataclass(owner):
        found |= {field.name for field in dataclasses.fields(owner)}
    for name, member in vars(owner).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            found.add(name)
        elif inspect.isfunction(member):
            found.add(f"{name}({shown_parameters(member)})")
    return found


def shown_parameters(function: Any) -> str:
    """The parameters as the reference writes them: names and defaults."""
    parts = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = "" if parameter.default is parameter.empty else "=" + repr(parameter.default)
        parts.append(parameter.name + default.replace("'", '"'))
    return ", ".join(parts)


def hook_functions() -> dict[str, Any]:
    """The hooks by name."""
    return {name: found for name, found in vars(hooks).items() if name.startswith("pytest_dockerci_")}


def fixture_names() -> set[str]:
    """The fixtures by name."""
    return {name for name in vars(fixtures) if name.startswith("dockerci_")}


@pytest.fixture(scope="session")
def options() -> set[str]:
    """The options that `pytest --help` shows for the plugin."""
    return set(re.findall(r"(?<!\w)--[a-z-]*dockerci[a-z-]*(?:=[A-Z]+)?", run_shell("pytest --help")))


def run_shell(text: str) -> str:
    """Run a block as a user would, with this environment's programs first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    completed = subprocess.run(
        ["sh", "-ec", text],
        cwd=PROJECT,
        env={**os.environ, "PATH": path, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


# The reference and the code


def test_settings_of_the_reference_are_those_of_the_code() -> None:
    """Every setting is documented with its kind and its default, and no other."""
    documented = {name: (kind, default) for name, kind, default, _ in table("settings.md", "setting")}
    assert documented == {
        option.name: (KINDS[option.type], option.default or "none") for option in INI_OPTIONS
    }


def test_names_for_allow_are_those_of_the_code() -> None:
    """Every permission is documented."""
    assert set(section("settings.md", "Names for `dockerci_allow`")) == ALLOWED_NAMES


def test_options_of_the_reference_are_those_of_the_help(options: set[str]) -> None:
    """Every option is documented, and no other."""
    assert set(column("command-line.md", "option")) == options


def test_options_for_the_container_are_those_of_the_code() -> None:
    """What is handed to the container's pytest is documented, and nothing else."""
    text = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    part = text.split("how tests are collected and run there:", 1)[1].split("\n\n", 2)[1]
    tables = (*_VALUE_OPTIONS, *_FLAG_OPTIONS, *_LIST_OPTIONS, *_PATH_LIST_OPTIONS)
    assert set(re.findall(r"`([^`]+)`", part)) - {"-s"} == {name for name, _ in tables}


def test_commands_of_the_reference_are_those_of_the_program() -> None:
    """Every command and option of `dockerci` is documented, and no other."""
    documented = set(
        re.findall(
            r"^\| `dockerci ([^`]+)` \|", (REFERENCE / "dockerci-command.md").read_text(), re.MULTILINE
        )
    )
    known = set()
    for command in re.findall(r"^    (\w+) ", run_shell("dockerci --help"), re.MULTILINE):
        known.add(command)
        found = re.findall(r"^  (--[a-z-]+)", run_shell(f"dockerci {command} --help"), re.MULTILINE)
        known |= {f"{command} {option}" for option in found}
    assert documented == known


def test_hooks_of_the_reference_are_those_of_the_code() -> None:
    """Every hook is documented with its arguments, and no other."""
    assert set(column("hooks.md", "hook")) == {
        f"{name}({', '.join(inspect.signature(hook).parameters)})" for name, hook in hook_functions().items()
    }


def test_fixtures_of_the_reference_are_those_of_the_code() -> None:
    """Every fixture is documented, and no other."""
    assert set(column("fixtures.md", "fixture")) == fixture_names()


@pytest.mark.parametrize(
    ("heading", "owner"),
    [
        pytest.param("`dockerci_image`", ImageUnderTest, id="image"),
        pytest.param('`dockerci_services["db"]`', Service, id="service"),
        pytest.param("`dockerci_container`", TestContainer, id="container"),
        pytest.param("`ExecResult`", ExecResult, id="exec"),
    ],
)
def test_members_of_the_reference_are_those_of_the_class(heading: str, owner: type) -> None:
    """Everything that a fixture's value offers is documented, with its parameters."""
    assert set(section("fixtures.md", heading)) == public_members(owner)


def test_exit_codes_of_the_reference_are_those_of_the_code() -> None:
    """Every exit code is documented under its name, and their precedence is the code's."""
    documented = {int(code): name for code, name, _ in table("exit-codes.md", "code") if name}
    known = {int(code): code.name for code in (*pytest.ExitCode, *ExitStatus)}
    assert documented == known
    text = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    order = re.search(r"the first of this order is used: ([\d, ]+)\.", text)
    assert order is not None
    assert tuple(map(int, order[1].split(", "))) == _PRECEDENCE


def test_variables_of_the_reference_are_those_of_the_code() -> None:
    """Every variable that a container gets is documented, and no other."""
    set_by_code: set[str] = set()
    for module in (PROJECT / "pytest_dockerci").rglob("*.py"):
        set_by_code |= set(
            re.findall(
                r'"((?:DOCKERCI|PYTEST_XDIST_WORKER)(?:_[A-Z_]+)?)"', module.read_text(encoding="utf-8")
            )
        )
    read_on_the_host = {"DOCKERCI_PUSH_KEY", "DOCKERCI_REAPER_IMAGE"}
    assert set(column("container-environment.md", "variable")) == set_by_code - read_on_the_host
    settings = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    assert {name for name in set_by_code if f"`{name}`" in settings} == read_on_the_host


def test_release_of_the_reference_is_that_of_the_code() -> None:
    """Every file of a release is documented, and every key of its record."""
    assert set(column("release.md", "file")) == {*FILES, EVIDENCE_FILE, SIGNED_FILE}
    assert set(column("release.md", "key")) == {
        "format",
        *(field.name for field in dataclasses.fields(Release)),
    }


def test_placeholders_of_the_reference_are_those_of_the_code() -> None:
    """Where tags are explained, and in the table of settings."""
    how_to = (PROJECT / "docs" / "how-to" / "push-what-was-tested.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"dockerci_push_tags =\n((?: {4}.*\n)+)", how_to)
    assert tuple(shown.split()) == DEFAULT_TEMPLATES
    [row] = [row for row in table("settings.md", "setting") if row[0] == "dockerci_push_tags"]
    assert set(re.findall(r"`\{(\w+)\}`", row[3])) == set(PLACEHOLDERS)


def test_labels_of_the_reference_are_those_of_the_code() -> None:
    """Every label is documented, and no other."""
    in_code = {value for value in vars(labels).values() if str(value).startswith("org.pytest-dockerci.")}
    assert set(column("labels.md", "label")) == in_code
    assert labels.RUN in in_code


def test_build_numbers_of_the_reference_are_those_of_the_code() -> None:
    """Every variable that is read for a build number is documented."""
    documented = re.findall(r"`([A-Z_]{8,})`", (REFERENCE / "labels.md").read_text(encoding="utf-8"))
    in_code = re.findall(r'"([A-Z_]+)"', inspect.getsource(find_build_number))
    assert [name for name in documented if "XDG" not in name] == in_code


def test_words_of_ours_exist(options: set[str]) -> None:
    """No page names a setting, fixture, hook or option that does not exist."""
    known = {option.name for option in INI_OPTIONS} | fixture_names() | set(hook_functions())
    known |= {option.partition("=")[0] for option in options} | {"pytest_dockerci"}
    unknown = [
        f"{page.relative_to(PROJECT)}: {word}"
        for page in PAGES
        for word in re.findall(
            r"(?<![\w-])(?:--[a-z-]*dockerci[a-z-]*|(?:pytest_)?dockerci_[a-z_]+)(?!\w)",
            page.read_text(encoding="utf-8"),
        )
        if word not in known
    ]
    assert unknown == []


# The pages among themselves


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(PROJECT))) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading that is in it."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            broken.append(link)
        elif fragment:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            if fragment not in map(anchor, headings):
                broken.append(link)
    assert broken == []


def test_modules_that_are_named_exist() -> None:
    """Every module that a page names is in the tree."""
    roots = [PROJECT, PROJECT / "pytest_dockerci", PROJECT / "tests", PROJECT / "example_project"]
    missing = [
        f"{page.relative_to(PROJECT)}: {name}"
        for page in PAGES
        for name in re.findall(r"`((?:[a-z_]+/)*\w+\.py)`", prose(page))
        if not any((root / name).exists() for root in roots)
    ]
    assert missing == []


def test_index_lists_every_page() -> None:
    """Every page below docs/ can be reached from docs/README.md."""
    index = PROJECT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)\)", index.read_text())}
    assert [page for page in PAGES if "docs" in page.parts and page != index and page not in linked] == []


# Code in the pages


@pytest.mark.parametrize("block", blocks_of("toml"))
def test_toml_blocks_are_toml(block: Block) -> None:
    """They parse, and values have the kind that the setting wants."""
    data = tomllib.loads(block.text)
    values = data.get("tool", {}).get("pytest", {}).get("ini_options", {}) | data.get("pytest", {})
    lists = {option.name for option in INI_OPTIONS if option.type in ("args", "linelist")}
    ours = {name: value for name, value in values.items() if name.startswith("dockerci")}
    assert {name for name, value in ours.items() if isinstance(value, list)} == lists & set(ours)


@pytest.mark.parametrize("block", blocks_of("ini"))
def test_ini_blocks_are_ini(block: Block) -> None:
    """They parse as pytest and tox parse them."""
    assert list(iniconfig.IniConfig(str(block), data=block.text))


@pytest.mark.parametrize("block", blocks_of("yaml"))
def test_yaml_blocks_are_yaml(block: Block) -> None:
    """They parse, with Compose's tags."""
    assert isinstance(yaml.load(block.text, Loader=ComposeLoader), dict)  # noqa: S506 - derived from SafeLoader


@pytest.mark.parametrize("block", blocks_of("python"))
def test_python_blocks_fit_the_code(block: Block) -> None:
    """They compile; hooks in them take arguments that the hook has."""
    tree = ast.parse(block.text, filename=str(block))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("pytest_dockerci_"):
            arguments = {argument.arg for argument in node.args.args}
            assert arguments <= set(inspect.signature(hook_functions()[node.name]).parameters)


@pytest.mark.parametrize(
    "block", [param for param in blocks_of("shell") if "runnable" in param.values[0].info]
)
def test_runnable_blocks_run(block: Block) -> None:
    """They end with exit code 0."""
    run_shell(block.text)


@pytest.mark.parametrize("block", [pytest.param(block, id=str(block)) for block in BLOCKS if block.source])
def test_quotes_are_what_the_file_says(block: Block) -> None:
    """A block that quotes a file is a part of it, line by line."""
    file = (PROJECT / block.source).read_text(encoding="utf-8")
    assert f"\n{block.text}" in f"\n{file}"


@pytest.mark.parametrize("block", blocks_of("text"))
def test_shown_runs_name_tests_that_exist(block: Block) -> None:
    """A test of the example that a shown run names is in the example."""
    missing = []
    for file, test in re.findall(r"^(tests\w*/[\w/]+\.py)::(\w+)", block.text, re.MULTILINE):
        source = PROJECT / "example_project" / file
        if not source.exists() or f"def {test}(" not in source.read_text(encoding="utf-8"):
            missing.append(f"{file}::{test}")
    assert missing == []


def test_every_block_says_its_language() -> None:
    """No block is left unchecked because it does not say what it is."""
    known = {"toml", "ini", "yaml", "python", "shell", "text", "dockerfile"}
    assert [str(block) for block in BLOCKS if block.info.split(" ")[0] not in known] == []
