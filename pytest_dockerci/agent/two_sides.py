"""One command line and one configuration file for two pytests: the container's half.

It takes what the host knows for known, drops what only the host needs, and tells what it knows itself.
What neither side knows is left to the container's pytest, which says so.
"""

import importlib.util
import sys
from contextlib import suppress
from typing import Any, Dict, List, Sequence

import pytest

from . import wire
from .channel import Channel


class ContainerSide:
    """A plugin that settles what the host could not decide."""

    def __init__(self, channel: Channel, start: wire.Start) -> None:
        self._channel = channel
        self._start = start
        self._values: List[int] = []
        self._warnings: List[str] = []

    def arguments(self) -> List[str]:
        """The whole command line; some of it is taken off again once all options are known."""
        dropped = {text for text in self._start.host_filters if not _is_there(_category(text))}
        arguments = _without_filters(self._start.args, dropped)
        if dropped.intersection(self._start.filterwarnings):
            kept = [text for text in self._start.filterwarnings if text not in dropped]
            arguments[:0] = ["-o", "filterwarnings=" + "\n".join(kept)]
        plugins = [word for name in self._start.plugins for word in ("-p", name)]
        optional = [word for words in self._start.optional for word in words]
        return [*plugins, *optional, *arguments]

    # Plugins

    def pytest_addoption(self, pluginmanager: Any) -> None:
        """Leave out a plugin of the host's ``-p`` that is not here."""
        consider = pluginmanager.consider_pluginarg

        def consider_if_there(name: str) -> None:
            try:
                consider(name)
            except (ImportError, pytest.UsageError) as error:
                if name not in self._start.plugins or not _says_missing(str(error), name):
                    raise
                self._warnings.append("-p %s: there is no such plugin in the container" % name)

        # pytest has no hook between the choice of a plugin and its import.
        pluginmanager.consider_pluginarg = consider_if_there

    # Options

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_load_initial_conftests(self, parser: Any, args: List[str]) -> Any:
        """Once the suite's ``conftest.py`` files are loaded, every option is known."""
        outcome = yield
        if outcome.excinfo is not None:  # a conftest.py failed: pytest says so
            return
        for words in self._start.optional:
            if _is_unknown(parser, words):
                _take_out(args, words)
        self._settle(parser, args)
        if _distributes(parser, args):
            # The host shares the suite out; here, each test has to run in this process.
            args.append("-n0")

    def _settle(self, parser: Any, args: List[str]) -> None:
        """Put each word that follows an option where it belongs: to the option, or to the paths."""
        undecided = self._start.undecided
        if not undecided:
            return
        count = sum(len(entry["paths"]) for entry in undecided)
        del args[len(args) - count :]
        paths: List[str] = []
        for position, entry in enumerate(undecided):
            pair = [entry["option"], entry["word"]]
            if entry["option"]:
                if entry["word"] not in _plain_words(parser, pair):
                    self._values.append(position)
                    continue
                _take_out(args, pair)
                args.append(entry["option"])
            paths += entry["paths"]
        args += paths or self._start.default_paths

    # Configuration

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        """Register the host's markers."""
        known = {_marker_name(line) for line in config.getini("markers")}
        for line in self._start.markers:
            if _marker_name(line) not in known:
                config.addinivalue_line("markers", line)
        for text in self._warnings:
            self._channel.send(
                wire.Warned(
                    category="PytestConfigWarning",
                    text=text,
                    filename=str(config.inipath or config.rootpath),
                    lineno=1,
                    line="",
                    source="",
                    when="config",
                    nodeid="",
                    location=[],
                )
            )

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_collection(self, session: Any) -> Any:
        """Take the ini keys of the host for known, just before pytest looks for unknown ones."""
        yield
        parser = session.config._parser  # noqa: SLF001 - the only way to it
        known = getattr(parser, "_inidict", {})
        for name in self._start.known_ini:
            if name not in known:
                parser.addini(name, "known to the host's plugins only")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> None:
        """Before the collection is sent, tell what is known here."""
        config = session.config
        plugins: Dict[str, str] = {}
        for _, distribution in config.pluginmanager.list_plugin_distinfo():
            with suppress(Exception):  # a damaged distribution has no name or no version
                plugins[str(distribution.project_name)] = str(distribution.version)
        markers = [str(line) for line in config.getini("markers")]
        self._channel.send(wire.Sides(plugins=plugins, markers=markers, values=self._values))


def _is_unknown(parser: Any, words: Sequence[str]) -> bool:
    try:
        return bool(parser.parse_known_and_unknown_args(list(words))[1])
    except pytest.UsageError:  # known, with another value than it may have here: pytest will say so
        return False


def _plain_words(parser: Any, words: Sequence[str]) -> List[str]:
    try:
        return list(parser.parse_known_args(list(words)).file_or_dir)
    except pytest.UsageError:
        return []


def _distributes(parser: Any, args: Sequence[str]) -> bool:
    try:
        options = parser.parse_known_args(list(args))
    except pytest.UsageError:
        return False
    return bool(
        getattr(options, "numprocesses", None)
        or getattr(options, "tx", None)
        or getattr(options, "dist", "no") != "no"
    )


def _take_out(args: List[str], words: Sequence[str]) -> None:
    """Take a run of words out of the command line, once."""
    for position in range(len(args) - len(words) + 1):
        if args[position : position + len(words)] == list(words):
            del args[position : position + len(words)]
            return


def _without_filters(args: Sequence[str], dropped: Any) -> List[str]:
    kept: List[str] = []
    for word in args:
        if word in dropped and kept and kept[-1] == "-W":
            kept.pop()
        else:
            kept.append(word)
    return kept


def _category(text: str) -> str:
    return [*text.split(":"), "", ""][2].strip()


def _is_there(category: str) -> bool:
    """True when the package of a class can be found; it is not imported: pytest has not begun."""
    try:
        return importlib.util.find_spec(category.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return category.partition(".")[0] in sys.modules


def _says_missing(text: str, name: str) -> bool:
    """True when an error of pytest says that this plugin itself is missing, not something that it imports.

    Source: `PytestPluginManager.import_plugin` of pytest 7 to 9.
    """
    parts = name.split(".")
    return any("No module named '%s'" % ".".join(parts[:end]) in text for end in range(1, len(parts) + 1))


def _marker_name(line: str) -> str:
    return line.partition(":")[0].partition("(")[0].strip()
