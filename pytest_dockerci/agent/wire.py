"""The messages between the host, the supervisor and the worker.

Sans I/O: bytes go in, messages come out, and the other way round. Both ends import
this file, so it speaks Python 3.8 and imports the standard library only. A message
is the payload of a frame: a JSON array ``[name, fields]``.
"""

# ruff: noqa: PLC0414 - what is imported as itself is offered here
import json
from dataclasses import field, fields
from typing import Any, Dict, Iterator, List, Tuple, Type

from .alive_message import Alive as Alive
from .frames import FrameDecoder, FrameEncoder
from .frames import WireError as WireError
from .limits_message import Limits as Limits
from .measured_message import Measured as Measured
from .message import Message as Message
from .message import message
from .schema import fits
from .terminal_message import Debugger as Debugger
from .terminal_message import Output as Output
from .terminal_message import TerminalInput as TerminalInput
from .terminal_message import TerminalOutput as TerminalOutput
from .terminal_message import TerminalSize as TerminalSize
from .warning_message import Warned as Warned

PROTOCOL_VERSION = 1

# What follows the last test of a `Run`: an index, or one of these.
THEN_END = -1  # nothing: tear everything down
THEN_WAIT = -2  # the next `Run` or `Finish` will tell: the last test waits for it
THEN_SESSION = -3  # something that shares only the session

# In a report's data: its text was an object of pytest's (a doctest's failure), which has no one-line message.
SHOWN_AS_TEXT = "dockerci_shown_as_text"


# Host to agent


@message
class Start(Message):
    """Start a worker: configure pytest and collect.

    Args:
        args: Command line of pytest in the container.
        cwd: Directory that ``python -m pytest`` would be run from.
        environ: Variables set in the worker only; they travel nowhere else.
        toolkit: Directory appended to ``sys.path``; empty for none.
        hidden_conftests: ``conftest.py`` files that belong to the host and are not loaded here.
        known_ini: Settings that the host's plugins know; they are no mistake in the shared configuration file.
        phase_timeout_seconds: Limit for each set-up, call and teardown; 0 for none.
        plugins: What ``-p`` names on the host; what cannot be found here is left out, with a warning.
        optional: Options of the host's plugins, each with its words; left out where they are not known here.
        undecided: ``{option, word, paths}`` for each path of the command line. Where `option` is not empty, `word`
            follows it in `args` and may be its value. Empty when there is nothing to decide.
        default_paths: What to collect when all paths turn out to be values.
        markers: Lines that register the host's markers.
        filterwarnings: The setting of that name.
        host_filters: Warning filters whose class a package of the host has; it may be missing here.
        terminal: For a debugger, see `debugger_device`.
        coverage: What to measure; empty for nothing. ``token`` is a secret name that the workers of a container
            share, ``left_behind`` true when only what earlier workers measured is to be sent, ``sections`` the
            configuration as in ``.coveragerc`` (texts and lists of texts), ``sources`` each with ``name``,
            ``folders`` and ``packages``; ``has_test_contexts`` and ``warns`` are booleans.
    """

    args: List[str]
    cwd: str
    environ: Dict[str, str]
    toolkit: str
    hidden_conftests: List[str]
    known_ini: List[str]
    phase_timeout_seconds: float
    plugins: List[str] = field(default_factory=list)
    optional: List[List[str]] = field(default_factory=list)
    undecided: List[Dict[str, Any]] = field(default_factory=list)
    default_paths: List[str] = field(default_factory=list)
    markers: List[str] = field(default_factory=list)
    filterwarnings: List[str] = field(default_factory=list)
    host_filters: List[str] = field(default_factory=list)
    coverage: Dict[str, Any] = field(default_factory=dict)
    terminal: Dict[str, str] = field(default_factory=dict)


@message
class Run(Message):
    """Append tests to the worker's queue.

    Args:
        indices: Positions in the collection.
        then: Index of the test that follows the last one, or a `THEN_` constant; decides
            which fixtures are torn down after the last one.
    """

    indices: List[int]
    then: int


@message
class Proceed(Message):
    """Go on after a test that was not a plain pass."""


@message
class Again(Message):
    """Run the test that was just reported once more, then wait once more."""

    index: int


@message
class Finish(Message):
    """No more tests: tear down, end the session, say `Finished`."""


# Agent to host


@message
class Hello(Message):
    """The supervisor is there."""

    protocol: int
    python: str


@message
class Configured(Message):
    """pytest is configured in the worker.

    Args:
        pytest: Version of pytest.
        rootdir: pytest's rootdir in the container.
        inifile: Configuration file in use; empty for none.
    """

    pytest: str
    rootdir: str
    inifile: str


@message
class Sides(Message):
    """What the container's pytest knows and the host has to know; comes before `Collected`.

    Args:
        plugins: Name and version of each distribution that has pytest plugins.
        markers: Lines that register markers.
        values: Positions in `Start.undecided` of what turned out to be the value of an option.
    """

    plugins: Dict[str, str]
    markers: List[str]
    values: List[int]


@message
class Nodes(Message):
    """A part of the collection tree; parents come before their children.

    Args:
        rows: One dictionary per node, see `worker.node_row`. The position over all
            `Nodes` messages is the node's number.
    """

    rows: List[Dict[str, Any]]


@message
class CollectReport(Message):
    """A collector that did not simply pass: an error or a skip.

    Args:
        node: Number of the collector's node; -1 when it is the session.
        data: The report as ``pytest_report_to_serializable`` wrote it.
    """

    node: int
    data: Dict[str, Any]


@message
class Collected(Message):
    """The collection is complete.

    Args:
        items: Node numbers of the selected tests in the order in which pytest would run them.
        deselected: Node numbers of the tests that the container's pytest deselected.
        digest: SHA-256 (hex) over the selected node ids in order.
    """

    items: List[int]
    deselected: List[int]
    digest: str


@message
class Noted(Message):
    """There are passed tests in the worker's memory (worker to supervisor only)."""


@message
class Passed(Message):
    """Tests of which every phase simply passed, with nothing captured.

    Args:
        rows: ``[index, start, setup, call, teardown]``: a Unix time in seconds and three durations in seconds.
    """

    rows: List[List[float]]


@message
class Report(Message):
    """One report of a test, in the order in which pytest made it.

    Args:
        index: Position in the collection.
        data: As ``pytest_report_to_serializable`` wrote it.
        exception: Names of the exception's classes (type first, then its bases up to a built-in); empty if none.
    """

    index: int
    data: Dict[str, Any]
    exception: List[str]


@message
class Recorded(Message):
    """What a test recorded for the JUnit file.

    Args:
        index: Position in the collection.
        attributes: Of its test case, by name.
        suite: Properties of the whole suite, each as name and value; a name may come more than once.
    """

    index: int
    attributes: Dict[str, str]
    suite: List[List[str]]


@message
class Done(Message):
    """All reports of a test have been sent; the worker waits for `Proceed`, `Again` or `Finish`."""

    index: int


@message
class Stopped(Message):
    """Something in the container wants the run to end.

    Args:
        kind: ``shouldstop``, ``shouldfail``, ``exit`` or ``interrupt``.
        reason: In the container's words.
        exit_status: For ``exit``: the exit code asked for; -1 for none.
    """

    kind: str
    reason: str
    exit_status: int


@message
class Finished(Message):
    """The end frame: the session ended in good order.

    Args:
        exit_status: pytest's exit status in the container, for the record; it decides nothing.
        received: Number of tests that were asked for.
        reported: Number of tests whose reports were sent.
    """

    exit_status: int
    received: int
    reported: int


@message
class WorkerDied(Message):
    """The worker ended without its end frame.

    Args:
        index: The test that was running; -1 for none.
        when: Its phase, or ``collect``, ``finish``, ``start``.
        cause: In words.
        output: The end of what it wrote to its standard streams.
    """

    index: int
    when: str
    cause: str
    output: str


MESSAGES: Dict[str, Type[Message]] = {
    message.__name__: message
    for message in (
        Start,
        Run,
        Limits,
        Proceed,
        Again,
        Finish,
        TerminalInput,
        TerminalSize,
        Hello,
        Alive,
        Configured,
        Sides,
        Nodes,
        CollectReport,
        Collected,
        Noted,
        Passed,
        Report,
        Recorded,
        Done,
        Warned,
        Output,
        Debugger,
        TerminalOutput,
        Stopped,
        Measured,
        Finished,
        WorkerDied,
    )
}

_FIELD_NAMES: Dict[str, Tuple[str, ...]] = {
    name: tuple(each.name for each in fields(message)) for name, message in MESSAGES.items()
}


class Encoder(FrameEncoder):
    """Turns messages into the bytes of one direction of one stream."""

    def encode(self, message: Message) -> bytes:
        """The frame of a message."""
        return self.frame(payload_of(message))


class Decoder(FrameDecoder):
    """Takes the bytes of one direction of one stream, in any slices, and gives messages."""

    def messages(self) -> Iterator[Message]:
        """The messages that are complete so far.

        Raises:
            WireError: A frame is damaged, or a payload is not a message.
        """
        for payload in self.payloads():
            yield parse_payload(payload)


def payload_of(message: Message) -> bytes:
    """The JSON of a message; lone surrogates stay what they are, two of them too."""
    text = json.dumps([type(message).__name__, message.__dict__], separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


NEWS = payload_of(Noted())  # known by its bytes on both sides: it is no part of their order


def parse_payload(payload: bytes) -> Message:
    """The message that a payload carries.

    Raises:
        WireError: Not JSON, no message of ours, or a field is missing, unknown or of another type.
    """
    try:
        decoded = json.loads(payload.decode("utf-8", "surrogatepass"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WireError("a payload is not JSON: %s" % error) from error
    try:
        name, values = decoded
        known = isinstance(name, str) and name in MESSAGES and isinstance(values, dict)
    except (TypeError, ValueError) as error:
        raise WireError("a payload is not a message") from error
    if not known:
        raise WireError("unknown message %.40r" % (name,))
    if len(values) != len(_FIELD_NAMES[name]):
        raise WireError("message %s has fields %.200r" % (name, sorted(values)))
    for each in fields(MESSAGES[name]):
        if each.name not in values or not fits(values[each.name], each.type):
            raise WireError("message %s: field %r is missing or of another type" % (name, each.name))
    return MESSAGES[name](**values)


def _no_constant(text: str) -> Any:
    raise ValueError("%s is not JSON" % text)
