"""Coverage of the worker, measured as pytest-cov would measure it in the container.

Imported only where the host asks for coverage. Every process of a container that is measured
writes its data file into one folder; a worker that ends sends what lies there, also what an
earlier one that was killed has left (`measured_rows`).
"""

import os
import shutil
import tempfile
import time
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Optional

import coverage
from coverage.exceptions import CoverageWarning

from .channel import Channel
from .measured_rows import messages_of

# Saving between tests takes at most this part of the time, so a killed worker loses about a second.
_SAVE_SHARE = 0.02
_SAVE_INTERVAL_SECONDS = 1.0
_SITECUSTOMIZE = """\
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

sys.path[:] = [entry for entry in sys.path if entry != %(folder)r]
_spec = PathFinder.find_spec("sitecustomize")
if _spec is not None and _spec.loader is not None:
    _own = module_from_spec(_spec)
    sys.modules["sitecustomize"] = _own
    _spec.loader.exec_module(_own)
try:
    if %(toolkit)r not in sys.path:
        sys.path.append(%(toolkit)r)
    import coverage
    coverage.process_startup()
except Exception:
    pass
"""


class MeasurementError(Exception):
    """Coverage cannot be measured in this container."""


class Measurement:
    """Measures one worker, and what the configuration says of its child processes.

    Args:
        wanted: See `wire.Start.coverage`.
        toolkit: Folder on ``sys.path`` that child processes lack; empty for none.

    Attributes:
        cov: The measuring object, once it has started; pytest-cov's fixture ``cov`` gives it to tests.
        is_measuring: False before the start, after the end, and while a test is left out.
    """

    def __init__(self, wanted: Dict[str, Any], toolkit: str) -> None:
        self.cov: Optional[coverage.Coverage] = None
        self.is_measuring = False
        self._wanted = wanted
        self._toolkit = toolkit
        self._notes: List[str] = []
        self._next_save = 0.0  # at once after the collection

    @property
    def has_test_contexts(self) -> bool:
        """True when each line is to be noted with the test that ran it."""
        return bool(self._wanted["has_test_contexts"])

    def start(self) -> None:
        """Measure from here on.

        Raises:
            MeasurementError: There is no folder to write to, or coverage or a plugin of it fails, in its words.
        """
        folder = _folder(self._wanted)
        rcfile = folder / "coveragerc"
        data_file = str(folder / "data")
        run = {**self._run_section(), "data_file": data_file}
        sections = {**self._wanted["sections"], "run": run}
        if "COVERAGE_FILE" in os.environ:
            os.environ["COVERAGE_FILE"] = data_file
        follows_children = "subprocess" in run.get("patch", [])
        if follows_children or "multiprocessing" in run.get("concurrency", []):
            self._reach_children(folder / "site")
        try:
            rcfile.write_text(_rc_text(sections), encoding="utf-8")
            self.cov = coverage.Coverage(data_file=data_file, data_suffix=True, config_file=str(rcfile))
            self._warn_at_end(warns=False)
            self.cov.start()
        except Exception as error:
            raise MeasurementError(str(error)) from error
        if follows_children and "COVERAGE_PROCESS_CONFIG" not in os.environ:
            # Before 7.10 coverage has no `patch`.
            os.environ["COVERAGE_PROCESS_START"] = str(rcfile)
        self.is_measuring = True

    def pause(self) -> None:
        """Leave out what runs until `resume`."""
        if self.cov is not None:
            self.is_measuring = False
            self.cov.stop()

    def resume(self) -> None:
        """Go on."""
        if self.cov is not None:
            self.cov.start()
            self.is_measuring = True

    def save_sometimes(self) -> None:
        """Save what has been measured, if the last time was long enough ago: a kill costs only what is newer."""
        started = time.monotonic()
        if self.cov is None or started < self._next_save:
            return
        self.cov.get_data()  # writes to the data file what is still in memory
        ended = time.monotonic()
        self._next_save = ended + max(_SAVE_INTERVAL_SECONDS, (ended - started) / _SAVE_SHARE)

    def stop(self) -> None:
        """Measure no more; coverage warns here of sources that were never imported."""
        if self.cov is None or not self.is_measuring:
            return
        self.pause()
        self._warn_at_end(warns=bool(self._wanted["warns"]))
        with warnings.catch_warnings():
            warnings.simplefilter("default", CoverageWarning)
            self.cov.save()

    def send(self, channel: Channel) -> None:
        """Send everything measured in this container, by earlier workers and child processes too."""
        if self.cov is not None:
            self.stop()
            _send_folder(_folder(self._wanted), self._notes, channel)

    def _warn_at_end(self, *, warns: bool) -> None:
        # As pytest-cov sets them; coverage has no public switch.
        for name in ("_warn_unimported_source", "_warn_no_data"):
            setattr(self.cov, name, warns)

    def _run_section(self) -> Dict[str, Any]:
        run = dict(self._wanted["sections"].get("run", {}))
        run["parallel"] = "true"
        run.update(self._sources(run))
        run["plugins"] = [name for name in run.get("plugins", []) if self._is_importable(name)]
        if self._toolkit:
            run["omit"] = [*run.get("omit", []), self._toolkit + "/*"]
        return run

    def _sources(self, run: Dict[str, Any]) -> Dict[str, List[str]]:
        """Each source as folders that exist here, else as packages that can be imported, else as it was written."""
        sources: List[str] = []
        packages = list(run.get("source_pkgs", []))
        for source in self._wanted["sources"]:
            folders = [folder for folder in source["folders"] if Path(folder).is_dir()]
            importable = [name for name in source["packages"] if _can_find(name)]
            if folders:
                sources += folders
            elif importable:
                packages += importable
            else:
                sources.append(source["name"])
                if os.sep in source["name"]:
                    self._notes.append(
                        "nothing in the container stands for %s: dockerci_paths (container=host) tells where it is"
                        % source["name"]
                    )
        return {"source": sources, "source_pkgs": packages}

    def _is_importable(self, name: str) -> bool:
        if _can_find(name):
            return True
        self._notes.append(
            "the coverage plugin %s is not in the container, so what it measures is not in the report: "
            "add it to dockerci_requirements" % name
        )
        return False

    def _reach_children(self, folder: Path) -> None:
        """Let child processes find coverage where only the toolkit holds it."""
        where = Path(coverage.__file__)
        if not self._toolkit or Path(self._toolkit) not in where.parents:
            return
        folder.mkdir(exist_ok=True)
        text = _SITECUSTOMIZE % {"folder": str(folder), "toolkit": self._toolkit}
        (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
        paths = [str(folder), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)


def send_left_behind(wanted: Dict[str, Any], channel: Channel) -> None:
    """Send what workers that are gone have measured."""
    with suppress(MeasurementError):
        _send_folder(_folder(wanted), [], channel)


def _send_folder(folder: Path, notes: List[str], channel: Channel) -> None:
    for message in messages_of(folder, notes):
        channel.send(message)
    shutil.rmtree(str(folder), ignore_errors=True)


def _folder(wanted: Dict[str, Any]) -> Path:
    """The folder of this container's data files; made if it is not there."""
    parents = ["/dev/shm"]  # noqa: S108 - the token, in the folder's name, is a secret of this run
    with suppress(OSError):
        parents.insert(0, tempfile.gettempdir())
    for parent in parents:
        folder = Path(parent, "dockerci-coverage-" + str(wanted["token"]))
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            continue
        return folder
    raise MeasurementError("there is no folder to write to; tried %s" % " and ".join(parents))


def _can_find(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _rc_text(sections: Dict[str, Dict[str, Any]]) -> str:
    """The sections in the form of ``.coveragerc``."""
    lines = []
    for section, options in sections.items():
        lines.append("[%s]" % section)
        for name, value in options.items():
            text = "".join("\n    " + element for element in value) if isinstance(value, list) else value
            lines.append("%s = %s" % (name, text.replace("$", "$$")))
    return "\n".join(lines) + "\n"
