"""Suites made by hypothesis: odd ids, values, reasons, output, names. Pure.

A suite is a mapping of paths to sources; one suite holds many odd things, because a run costs more
than a test. Sources are ASCII: odd characters are written as escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hypothesis import strategies as st

Suite = Mapping[str, str]

_HEAD = """\
import logging, os, sys, warnings
import pytest

nan, inf = float("nan"), float("inf")

class OddError(Exception):
    pass

class Speechless(Exception):
    def __str__(self): raise OddError("no words")
    __repr__ = __str__

class OddWarning(UserWarning):
    pass

class Plain:
    pass

@pytest.fixture
def given(request): return request.param
"""
_ODD_TEXTS = (
    *(
        "",
        " ",
        "a b",
        "::",
        "a::b",
        "[",
        "]",
        "[x]",
        "a[b]::c",
        "/",
        "../x",
        "a/b.py::c",
        "\\",
        "\\n",
        "'",
        '"',
        "%s",
    ),
    *(
        "{}",
        "{0}",
        "\n",
        "a\nb",
        "\r\n",
        "\t",
        "\x00",
        "\x1b[31m",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
        "\ud800",
        "\udcff",
    ),
    *(
        "\ud83d\ude00",
        "\U0001f600",
        "\u00e4",
        "a\u0308",
        "\u05d0",
        "same",
        "same",
        "-k",
        "--lf",
        "@x",
        "None",
        "<a&b>",
    ),
    *(
        "]]>",
        "::warning::x",
        "##teamcity[x]",
        "dockerci",
        "skip",
        "x" * 10_000,
        "\u00e9" * 2_500,
        "a.b",
        "0",
        "nan",
    ),
)
TEXTS = st.one_of(
    st.sampled_from(_ODD_TEXTS),
    # Not what the next version of Unicode assigns: `repr` would tell the versions of Python apart.
    st.text(alphabet=st.characters(exclude_categories=["Cn", "Cs"]), max_size=12),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Lo", "Po"]), max_size=8),
    st.text(alphabet="a:[]/\\-.\n ", max_size=8),
)
_NUMBERS = st.one_of(st.integers(), st.floats(), st.complex_numbers(), st.booleans(), st.none())
_LEAVES = st.one_of(TEXTS, st.binary(max_size=8), _NUMBERS)
VALUES = st.one_of(
    _LEAVES,
    st.lists(_LEAVES, max_size=3),
    st.tuples(_LEAVES, _LEAVES),
    st.dictionaries(st.one_of(TEXTS, st.integers(), st.binary(max_size=3)), _LEAVES, max_size=3),
).map(ascii) | st.sampled_from(
    [
        "Plain",
        "len",
        "lambda: 0",
        "...",
        "range(3)",
        "{1}",
        "10 ** 200",
        "2 ** 20000",
        "slice(1)",
        "print",
        "int",
    ]
)


def _with_text(value: str) -> str:
    """A value that has a text; pytest's own report of another one is an internal error (differences.md)."""
    return "None" if "2 ** 20000" in value else value


# Source for the name of a test or of a class.
_NAMES = st.text(alphabet="ab_\u00e4\u5317\u00b5\u0130", min_size=1, max_size=4)
# A statement of a test. Each takes the sources of a text and of two values. Names of properties are ASCII:
# pytest writes others as they are, and the file may be no XML.
_STATEMENTS: Sequence[Callable[[str, str, str], str]] = (
    lambda _text, _a, _b: "pass",
    lambda text, _a, _b: f"raise ValueError({text})",
    lambda text, _a, _b: f"raise OddError({text}, {text})",
    lambda text, _a, _b: f"raise OddError({text}) from KeyError({text})",
    lambda text, _a, _b: f"raise SystemExit({text})",
    lambda _text, _a, _b: "raise Speechless",
    lambda text, _a, _b: f"error = OddError(); error.add_note({text}); raise error",
    lambda text, a, _b: f"raise ExceptionGroup({text}, [ValueError({a}), OddError({text})])",
    lambda _text, a, b: f"assert {a} == {b}",
    lambda text, a, b: f"assert {a} is {b}, {text}",
    lambda text, _a, _b: f"pytest.fail({text})",
    lambda text, _a, _b: f"pytest.fail({text}, pytrace=False)",
    lambda text, _a, _b: f"pytest.skip({text})",
    lambda text, _a, _b: f"pytest.xfail({text})",
    lambda text, _a, _b: f"print({text}); assert len({text}) < 3",
    lambda text, _a, _b: f"print({text}, file=sys.stderr)",
    lambda text, _a, _b: f"os.write(1, ({text}).encode('utf-16', 'surrogatepass'))",
    lambda text, _a, _b: f"os.write(2, ({text}).encode('utf-8', 'surrogatepass'))",
    lambda text, a, _b: f"logging.getLogger({text}).warning('%s %r', {text}, {a})",
    lambda text, _a, _b: f"warnings.warn({text})",
    lambda text, _a, _b: f"warnings.warn(OddWarning({text}, {text}), stacklevel=2)",
    lambda text, a, _b: f"request.getfixturevalue('record_property')(ascii({text}), {_with_text(a)})",
    lambda text, a, _b: f"request.getfixturevalue('record_testsuite_property')(ascii({text}), {a})",
    lambda text, _a, _b: f"request.node.add_marker(pytest.mark.xfail(reason={text})); assert 0",
    lambda text, _a, _b: f"request.node.add_report_section('call', {text}, {text})",
    lambda text, _a, _b: f"request.node.user_properties.append((ascii({text}), {text}))",
)
_STATEMENT = st.builds(
    lambda make, text, a, b: make(text, a, b), st.sampled_from(_STATEMENTS), TEXTS.map(ascii), VALUES, VALUES
)
_DECORATOR = st.one_of(
    st.builds(lambda text: f"@pytest.mark.skip(reason={text})", TEXTS.map(ascii)),
    st.builds(lambda text: f"@pytest.mark.skipif(True, reason={text})", TEXTS.map(ascii)),
    st.builds(
        lambda text, *, strict: f"@pytest.mark.xfail(reason={text}, strict={strict})",
        TEXTS.map(ascii),
        strict=st.booleans(),
    ),
    st.builds(
        lambda a, b, key: f"@pytest.mark.odd({a}, {b}, **{{{key}: {b}}})", VALUES, VALUES, TEXTS.map(ascii)
    ),
)
_PARAMETERS = st.lists(st.tuples(VALUES, TEXTS.map(ascii)), min_size=1, max_size=8)


def _indented(source: str) -> str:
    return "".join(f"    {line}\n" for line in source.splitlines())


@st.composite
def _plain_function(draw: st.DrawFn) -> str:
    name, statement = draw(_NAMES), draw(_STATEMENT)
    decorators = draw(st.lists(_DECORATOR, max_size=2))
    return "\n".join([*decorators, f"def test_{name}(request):", f"    {statement}", ""])


@st.composite
def _parametrised(draw: st.DrawFn) -> str:
    parameters = draw(_PARAMETERS)
    values, ids = [value for value, _ in parameters], [text for _, text in parameters]
    shape = draw(st.sampled_from(["param", "list", "callable", "none", "indirect", "both", "marks"]))
    extra, name = "", "value"
    if shape in ("param", "marks", "both"):
        mark = f", marks={draw(_DECORATOR)[1:]}" if shape == "marks" else ""
        values = [f"pytest.param({value}, id={text}{mark})" for value, text in parameters]
    elif shape in ("list", "indirect"):
        extra = f", ids=[{', '.join(ids)}]"
    elif shape == "callable":
        extra = f", ids=lambda value, ids=iter([{', '.join(ids)}]): next(ids, None)"
    if shape == "indirect":
        extra, name = f"{extra}, indirect=True", "given"
    lines = [f"@pytest.mark.parametrize('{name}', [{', '.join(values)}]{extra})"]
    arguments = name
    if shape == "both":
        others = ", ".join(value for value, _ in draw(_PARAMETERS)[:3])
        lines.append(f"@pytest.mark.parametrize('other', [{others}])")
        arguments = "value, other"
    return "\n".join(
        [*lines, f"def test_{draw(_NAMES)}({arguments}, request):", f"    {draw(_STATEMENT)}", ""]
    )


@st.composite
def _with_fixture(draw: st.DrawFn) -> str:
    parameters = draw(_PARAMETERS)[:4]
    name = f"fixture_{draw(_NAMES)}"
    params = ", ".join(f"pytest.param({value}, id={text})" for value, text in parameters)
    scope = draw(st.sampled_from(["function", "class", "module", "session"]))
    return (
        f"@pytest.fixture(params=[{params}], scope={scope!r})\n"
        f"def {name}(request):\n    yield request.param\n    {draw(_STATEMENT)}\n"
        f"def test_{draw(_NAMES)}_1({name}): pass\ndef test_{draw(_NAMES)}_2({name}): pass\n"
    ).replace("    request.getfixturevalue(", "    print(")  # too late for a further fixture


_FUNCTION = st.one_of(_plain_function(), _plain_function(), _parametrised(), _with_fixture())


@st.composite
def _class(draw: st.DrawFn) -> str:
    body = "".join(
        _indented(_as_method(source))
        for source in draw(st.lists(_plain_function() | _parametrised(), max_size=3))
    )
    inner = _indented(draw(_class())) if draw(st.booleans()) else ""
    return f"class Test{draw(_NAMES)}:\n    '''{draw(_NAMES)}'''\n{body}{inner}"


def _as_method(source: str) -> str:
    head, name, rest = source.partition("def test_")
    return f"{head}{name}{rest.replace('(', '(self, ', 1)}"


_FILE_NAME = st.text(alphabet="ab -+[](){}:;,=@#%&!~'\"\\\n\t$^`|<>*?\u00e4\u5317\U0001f600", max_size=8)
_MODULE = st.lists(st.one_of(_FUNCTION, _FUNCTION, _class()), min_size=4, max_size=9).map(
    lambda sources: "\n".join([_HEAD, *sources])
)


def suites() -> st.SearchStrategy[Suite]:
    """Suites of a few modules, in folders with and without ``__init__.py``."""
    folders = st.sampled_from(["tests/", "tests/a b/", "tests/deep/er/", "tests/x[1]/", "tests/\u00e4::b/"])
    path = st.builds(lambda folder, name: f"{folder}test_{name}.py", folders, _FILE_NAME)
    return st.dictionaries(path, _MODULE, min_size=2, max_size=4)
