"""Bind mounts on an engine that is not local: the project's files are copied into volumes of the run.

A path of this machine means nothing there: the engine would mount an empty folder, or a stranger's. Compose's
`secrets` and `configs` from files are bind mounts as well.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.compose_lines import mount_line
from pytest_dockerci.engine.powers import ENGINE_SOCKETS
from pytest_dockerci.engine.suite import has_subpath
from pytest_dockerci.engine.volumes import Fill, create_volume, fill_volumes
from pytest_dockerci.errors import SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.engine.archive import ArchiveWriter
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.progress import Progress

# Section of the model, and where its entries are mounted when they do not say it.
_FILE_SECTIONS = {"secrets": PurePosixPath("/run/secrets"), "configs": PurePosixPath("/")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A bind mount of the project.

    Attributes:
        service: Who mounts it.
        source: On this machine.
        target: In the service's containers.
        is_read_only: It cannot be written to there.
        must_exist: Compose would not create it.
    """

    service: str
    source: Path
    target: str
    is_read_only: bool
    must_exist: bool


def find_binds(data: Mapping[str, Any], service: str) -> list[Bind]:
    """The bind mounts of a service, secrets and configs from files included; the engine's own socket is none.

    Args:
        data: Compose's resolved model.
        service: Its name.
    """
    definition = data["services"][service]
    binds = [
        Bind(
            service=service,
            source=Path(volume["source"]),
            target=str(volume["target"]),
            is_read_only=bool(volume.get("read_only")),
            must_exist=(volume.get("bind") or {}).get("create_host_path") is False,
        )
        for volume in definition.get("volumes") or []
        if _is_bind(volume)
    ]
    for section, folder in _FILE_SECTIONS.items():
        for entry in definition.get(section) or []:
            file = _file_of(data, section, entry)
            if file:
                target = folder / str(entry.get("target") or entry["source"])
                binds.append(
                    Bind(
                        service=service,
                        source=Path(file),
                        target=str(target),
                        is_read_only=True,
                        must_exist=True,
                    )
                )
    return binds


def with_volumes(data: Mapping[str, Any], service: str, volumes: Mapping[Path, Mapping[str, Any]]) -> None:
    """Put volumes in the place of a service's bind mounts.

    Args:
        data: The model; changed in place.
        service: Its name.
        volumes: Source to what is mounted instead, without its target.
    """
    definition = data["services"][service]
    mounts = [
        {
            **volumes[bind.source],
            "target": bind.target,
            **({"read_only": True} if bind.is_read_only else {}),
        }
        for bind in find_binds(data, service)
    ]
    others = [volume for volume in definition.get("volumes") or [] if not _is_bind(volume)]
    if mounts:
        definition["volumes"] = [*others, *mounts]
    for section in _FILE_SECTIONS:
        entries = definition.get(section) or []
        kept = [entry for entry in entries if not _file_of(data, section, entry)]
        if len(kept) < len(entries):
            definition[section] = kept


def _is_bind(volume: Mapping[str, Any]) -> bool:
    return volume.get("type") == "bind" and not str(volume.get("source")).endswith(ENGINE_SOCKETS)


def _file_of(data: Mapping[str, Any], section: str, entry: Mapping[str, Any]) -> str:
    return str(((data.get(section) or {}).get(entry["source"]) or {}).get("file") or "")


class ProjectCopies:
    """The copies of one run; on a local engine there are none.

    Args:
        engine: The engine.
        identity: Labels the volumes.
        rootdir: The project.
        progress: Told what is copied.
    """

    def __init__(self, engine: Engine, identity: RunIdentity, rootdir: Path, progress: Progress) -> None:
        self._engine = engine
        self._identity = identity
        self._rootdir = rootdir
        self._progress = progress
        self._pending: dict[Path, str] = {}
        self._brought: set[Path] = set()

    def replace_binds(self, model: ComposeModel, names: Iterable[str], files: Sequence[Path]) -> ComposeModel:
        """The model with volumes in the place of bind mounts; `bring` fills them.

        Args:
            model: As Compose resolves it; not changed.
            names: Services that may be started.
            files: The Compose files, for messages.

        Raises:
            SettingsError: A source is not the project's, or the engine cannot mount single files.
        """
        if self._engine.target.is_local:
            return model
        data = copy.deepcopy(model.data)
        for name in names:
            binds = find_binds(data, name)
            for bind in binds:
                self._require_ours(bind, files)
            with_volumes(data, name, {bind.source: self._volume(bind.source, data) for bind in binds})
        return replace(model, data=data)

    def bring(self) -> None:
        """Create and fill the volumes that are not there yet.

        Raises:
            SettingsError: A file cannot be read.
        """
        new = {source: name for source, name in self._pending.items() if source not in self._brought}
        if not new:
            return
        for name in new.values():
            create_volume(self._engine, name, self._identity.labels)
        shown = ", ".join(self._shown(source) for source in new)
        self._progress.line(f"dockerci: copied to the engine's machine, where it is elsewhere: {shown}")
        fills = {name: _writer(source) for source, name in new.items()}
        try:
            # As bind mounts show them: with the owners' numbers that they have here.
            fill_volumes(self._engine, self._identity, fills, uid=None, gid=None)
        except PermissionError as error:
            raise SettingsError(
                f"{error.filename} cannot be copied to the engine's machine",
                why="permission denied",
                fix="make it readable, or mount less than all of its folder",
            ) from error
        self._brought |= set(new)

    def _volume(self, source: Path, data: dict[str, Any]) -> dict[str, Any]:
        key = hashlib.sha256(str(source).encode()).hexdigest()[:8]
        name = f"{self._identity.project}-copy-{key}"
        self._pending[source] = name
        data["volumes"] = {**(data.get("volumes") or {}), name: {"name": name, "external": True}}
        options = {"subpath": source.name} if source.is_file() else {}
        return {"type": "volume", "source": name, "volume": options}

    def _require_ours(self, bind: Bind, files: Sequence[Path]) -> None:
        where = mount_line(files, bind.service, bind.target)
        folders = [self._rootdir.resolve(), *(file.parent.resolve() for file in files)]
        if not any(bind.source.resolve().is_relative_to(folder) for folder in folders):
            raise SettingsError(
                f'the service "{bind.service}" mounts {bind.source}, which the engine\'s machine does not have',
                why=f"{where}: the engine is at {self._engine.endpoint}; "
                "only the project's own files are copied there",
                fix=f"move it below {self._rootdir}; what is that machine's own is a volume with "
                "driver_opts: {type: none, o: bind, device: PATH}",
            )
        if bind.must_exist and not bind.source.exists():
            raise SettingsError(
                f'the service "{bind.service}" mounts {bind.source}, which does not exist',
                why=where,
                fix="create it, or correct the path in the Compose file",
            )
        if bind.source.is_file() and not has_subpath(self._engine):
            raise SettingsError(
                f'the service "{bind.service}" mounts a single file, {bind.source.name}',
                why=f"{where}: on an engine elsewhere this needs Docker Engine 26 and Compose 2.26",
                fix="install newer ones, or mount its folder",
            )

    def _shown(self, source: Path) -> str:
        return str(source.relative_to(self._rootdir)) if source.is_relative_to(self._rootdir) else str(source)


def _writer(source: Path) -> Fill:
    def write(archive: ArchiveWriter, path: PurePosixPath) -> None:
        if source.is_file():
            archive.add_folder(path)
            archive.add_file(path / source.name, source.resolve())
        elif source.is_dir():
            archive.add_tree(path, source.resolve())
        else:  # as the engine creates what is not there
            archive.add_folder(path)

    return write
