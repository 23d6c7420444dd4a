"""Compose's answer to `docker compose config`, kept for as long as nothing has changed that it comes from.

That is: the content of the Compose files and of every file that they name, and the environment variables that
they could use, which is every word in them that could be the name of one. What cannot be followed (a file that
is named by a variable, or lies elsewhere) is not kept, and asked for each time.

Importing this loads neither PyYAML nor Docker's client.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_dockerci.build_inputs import compose_files
from pytest_dockerci.last_image import write_whole

# Under this key a service says things about itself to us (`service_state`).
EXTENSION = "x-dockerci"
_FORMAT = 1
_MAX_FILE_BYTES = 1 << 20
_MAX_FILES = 200
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
# What Compose reads of the environment whatever the files say.
_ALWAYS_READ = ("HOME", "PWD", "DOCKER_DEFAULT_PLATFORM")
_ALWAYS_READ_PREFIX = "COMPOSE_"
# Stands for the name of the run's project, which is another each time.
_PROJECT = "dockerci-project-of-the-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeModel:
    """What the Compose files mean.

    Attributes:
        data: The resolved model with the services of all profiles, as ``config --format json`` prints it:
            absolute paths, ``$`` doubled.
        active: Services of the active profiles.
        project: The name of the project as Compose would call it.
        warnings: What Compose remarked, for instance variables that are not set.
    """

    data: dict[str, Any]
    active: frozenset[str]
    project: str
    warnings: tuple[str, ...]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """Name to definition."""
        services: dict[str, dict[str, Any]] = self.data.get("services") or {}
        return services


class ModelCache:
    """The last answer for one list of Compose files.

    Args:
        folder: Where it is kept; its owner alone may read it, as values of the environment are in it.
        files: All places where the files can lie (`build_inputs.compose_files`), and ``.env``.
        environ: Compose's environment.
        question: What else the answer depends on: Compose's version, permissions.
    """

    def __init__(
        self, folder: Path, files: Sequence[Path], environ: Mapping[str, str], question: Sequence[str]
    ) -> None:
        self._files = tuple(files)
        self._environ = environ
        key = json.dumps([_FORMAT, list(map(str, files)), *question])
        self._file = folder / f"compose-{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"

    def get(self, project: str) -> ComposeModel | None:
        """The answer as it would be for a project's name; None where it has to be asked for."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            contents = {name: _content(Path(name)) for name in kept["files"]}
            if {name: _digest(content) for name, content in contents.items()} != kept["files"]:
                return None
            if self._words(contents.values()) != kept["words"]:
                return None
            model = json.loads(kept["model"].replace(_PROJECT, project))
            return ComposeModel(
                data=model["data"],
                active=frozenset(model["active"]),
                project=model["project"],
                warnings=tuple(model["warnings"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def put(self, model: ComposeModel, project: str, named: Sequence[Path] | None) -> None:
        """Keep an answer.

        Args:
            model: The answer.
            project: The project's name that was asked with.
            named: Further files that it comes from; None where they cannot be told.
        """
        self._file.unlink(missing_ok=True)
        if named is None or len(named) > _MAX_FILES:
            return
        contents = {str(file): _content(file) for file in dict.fromkeys([*self._files, *named])}
        if any(content is not None and len(content) > _MAX_FILE_BYTES for content in contents.values()):
            return
        data = {
            "files": {name: _digest(content) for name, content in contents.items()},
            "words": self._words(contents.values()),
            "model": json.dumps({**asdict(model), "active": sorted(model.active)}).replace(project, _PROJECT),
        }
        write_whole(self._file, json.dumps(data))

    def _words(self, contents: Any) -> dict[str, str]:
        """Each variable that is set and that could be used, to a digest of its value."""
        words = {word.decode("ascii") for content in contents if content for word in _WORD.findall(content)}
        words |= {name for name in self._environ if name.startswith(_ALWAYS_READ_PREFIX)}
        return {
            name: _digest(self._environ[name].encode("utf-8", "surrogateescape"))
            for name in sorted({*words, *_ALWAYS_READ})
            if name in self._environ
        }


def model_cache(
    folder: Path, rootdir: Path, files: Sequence[Path], environ: Mapping[str, str], question: Sequence[str]
) -> ModelCache:
    """Where the answer for a project's files is remembered."""
    candidates = compose_files(rootdir, files)
    env_files = [file.parent / ".env" for file in candidates[:1]]
    return ModelCache(
        folder, tuple(dict.fromkeys([*candidates, *env_files, rootdir / ".env"])), environ, question
    )


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _digest(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


def files_named_by(texts: Mapping[Path, Any], project_folder: Path) -> tuple[Path, ...] | None:
    """The files that Compose files name and whose content decides what they mean.

    Args:
        texts: Compose file to what is in it, as YAML reads it.
        project_folder: Where Compose resolves paths of the first file.

    Returns:
        All places where they can lie; None where that cannot be told.
    """
    found: dict[Path, None] = {}
    for file, data in texts.items():
        for name in _names_in(data):
            if "$" in name or re.search(r"://|^git@|^oci:|\.git\b", name):
                return None
            found[file.parent / name] = None
            found[project_folder / name] = None
    return tuple(found)


def _names_in(data: Any) -> Iterator[str]:
    """Paths in ``include``, ``extends``, ``env_file`` and ``label_file``, in all their forms."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key in ("include", "env_file", "label_file", "extends"):
                yield from _paths_in(value, is_extends=key == "extends")
            else:
                yield from _names_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from _names_in(value)


def _paths_in(value: Any, *, is_extends: bool) -> Iterator[str]:
    if isinstance(value, str):
        if not is_extends:  # there it is the name of a service
            yield value
    elif isinstance(value, list):
        for part in value:
            yield from _paths_in(part, is_extends=is_extends)
    elif isinstance(value, dict):
        for key in ("path", "file", "env_file"):
            if key in value:
                yield from _paths_in(value[key], is_extends=False)
        if "project_directory" in value:
            yield "$"  # paths start elsewhere: not followed
