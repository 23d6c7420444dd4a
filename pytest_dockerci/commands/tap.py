"""TAP 13 and 14 as cases, line by line as they come. Pure.

Source: testanything.org, specifications of versions 13 and 14. Lines that are none of TAP's are passed over,
as both demand. tap.py (3.2) knows neither subtests nor escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pytest_dockerci.commands.case import MAX_CASES, Case, Names, Outcome, bounded, one_line

_TEST = re.compile(r"(?P<not>not )?ok(?=\s|$)(?: +(?P<number>\d{1,9})(?=\s|$))?(?: +- ?| *)(?P<rest>.*)")
_PLAN = re.compile(r"1\.\.(?P<count>\d{1,9})\s*(?:#\s*(?P<reason>.*))?")
_VERSION = re.compile(r"TAP version (\d+)\s*")
_BAIL = re.compile(r"Bail out!\s*(?P<reason>.*)", re.IGNORECASE)
_SUBTEST = re.compile(r"# Subtest(?:: (?P<name>.*))?")
_DIRECTIVE = re.compile(r"(?:^|\s)#\s*(?P<kind>SKIP\w*|TODO)\b:?\s*(?P<reason>.*)", re.IGNORECASE)
_DURATION = re.compile(r"^\s*duration_ms:\s*['\"]?(\d+(?:\.\d+)?)", re.MULTILINE)
_MESSAGE = re.compile(r"^\s*(?:message|error):[ \t]*(?:[|>][-+]?\n\s*)?(?P<text>\S.*)", re.MULTILINE)
_MAX_BLOCK_CHARACTERS = 256 << 10
_LOCATION = re.compile(r"^\s*(?:location|file):\s*['\"]?(?P<text>[^'\"\n]+)", re.MULTILINE)
_INDENT = 4
_MAX_DEPTH = 50


@dataclass(slots=True)
class _Level:
    """One document: the whole, or a subtest."""

    name: str | None = None
    plan: int | None = None
    plan_reason: str = ""
    seen: set[int] = field(default_factory=set)
    count: int = 0
    failed: int = 0
    held: list[Case] = field(default_factory=list)


class TapParser:
    """Takes the lines of one TAP document.

    Args:
        origin: Where it comes from.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._levels = [_Level()]
        self._ended_level: _Level | None = None
        self._names = Names()
        self._pending: tuple[Case, _Level | None] | None = None
        self._block: list[str] | None = None
        self._block_indent = ""
        self._block_characters = 0
        self._subtest_name: str | None = None
        self._has_any = False
        self._is_bailed_out = False
        self._total = 0
        self.problems: list[str] = []

    def feed(self, line: str) -> list[Case]:
        """The cases that a line completes."""
        if self._is_bailed_out:
            return []
        line = line.rstrip("\r\n")
        if self._block is not None:
            return self._feed_block(line)
        stripped = line.lstrip(" ")
        indent = len(line) - len(stripped)
        if stripped == "---" and self._pending is not None and indent > 0:
            self._block, self._block_indent, self._block_characters = [], line[:indent], 0
            return []
        depth = min(indent // _INDENT, _MAX_DEPTH)
        if not stripped or indent % _INDENT:
            return []
        return list(self._feed_line(stripped, depth))

    def idle(self) -> list[Case]:
        """The last test, where no details of it have begun: nothing has come for a while."""
        return [] if self._block is not None else self._release()

    def close(self) -> list[Case]:
        """The last cases; then `problems` is complete."""
        cases = []
        if self._block is not None:
            self.problems.append(f"{self._origin} ends within a block of details: was it cut off?")
            self._block = None
        cases += self._release()
        while len(self._levels) > 1:
            level = self._levels.pop()
            self._end_level(level)
            cases += self._numbered(level.held)
            self.problems.append(f"{self._origin} ends within a subtest: was it cut off?")
        if not self._has_any:
            self.problems.append(f"{self._origin} holds no TAP")
            return cases
        if not self._is_bailed_out:
            cases += self._end_of_whole()
        return cases

    def _end_of_whole(self) -> list[Case]:
        whole = self._levels[0]
        self._end_level(whole)
        if whole.plan == 0 and not whole.count:
            reason = whole.plan_reason or "the plan is 1..0"
            return self._numbered([self._case(whole, "(all)", "skipped", reason)])
        return []

    def _feed_block(self, line: str) -> list[Case]:
        assert self._block is not None  # noqa: S101 - the caller has looked
        if line.strip() == "..." and line.startswith(self._block_indent):
            text, self._block = "\n".join(self._block), None
            if self._pending is not None:
                case, level = self._pending
                self._pending = (_with_details(case, text), level)
            return self._release()
        self._block_characters += len(line) + 1
        if self._block_characters < _MAX_BLOCK_CHARACTERS:
            self._block.append(line.removeprefix(self._block_indent))
        return []

    def _feed_line(self, line: str, depth: int) -> Iterator[Case]:
        subtest = _SUBTEST.fullmatch(line)
        if subtest is not None:
            yield from self._release()
            yield from self._go_to(depth)
            self._subtest_name = (subtest["name"] or "").strip() or None  # of the level below this one
            return
        bail = _BAIL.fullmatch(line)
        if bail is not None:
            yield from self._release()
            self._has_any = self._is_bailed_out = True
            self.problems.append(
                f"{self._origin} bails out" + (f": {bail['reason']}" if bail["reason"] else "")
            )
            return
        test, plan = _TEST.fullmatch(line), _PLAN.fullmatch(line)
        is_version = depth == 0 and _VERSION.fullmatch(line) is not None
        if test is None and plan is None:
            if is_version:
                self._has_any = True
            return
        yield from self._release()
        yield from self._go_to(depth)
        if test is not None:
            yield from self._take_test(test)
        elif plan is not None:
            self._take_plan(plan)

    def _go_to(self, depth: int) -> Iterator[Case]:
        """Enter or leave subtests."""
        self._has_any = True
        if self._ended_level is not None and depth >= len(self._levels):
            # A subtest that no test line closes.
            yield from self._numbered(self._ended_level.held)
            self._ended_level = None
        while len(self._levels) <= depth:
            name, self._subtest_name = self._subtest_name, None
            self._levels.append(_Level(name=name))
        while len(self._levels) > depth + 1:
            level = self._levels.pop()
            self._end_level(level)
            if self._ended_level is not None:
                level.held = [*self._ended_level.held, *level.held]
            self._ended_level = level

    def _take_test(self, match: re.Match[str]) -> Iterator[Case]:
        level = self._levels[-1]
        below, self._ended_level = self._ended_level, None
        self._subtest_name = None
        description, directive = _take_apart(match["rest"])
        level.count += 1
        number = int(match["number"]) if match["number"] else level.count
        if number in level.seen:
            self.problems.append(f"{self._origin} has test number {number} twice")
        level.seen.add(number)
        is_ok = match["not"] is None
        outcome, message = _outcome(is_ok=is_ok, directive=directive)
        name = one_line(description, f"test {number}")
        if below is not None:
            if below.name is None:
                below.held = [
                    replace(case, classname=self._joined(level, name, case.classname)) for case in below.held
                ]
            if self._is_nameless(level):
                level.held += below.held
            else:
                yield from self._numbered(below.held)
            if below.failed and outcome == "passed":
                outcome, message = "failed", f"ok, though {below.failed} of its {below.count} subtests failed"
        if outcome == "failed":
            level.failed += 1
        self._pending = (self._case(level, name, outcome, message), level)

    def _take_plan(self, match: re.Match[str]) -> None:
        level = self._levels[-1]
        if level.plan is not None:
            self.problems.append(f"{self._origin} has two plans")
        level.plan = int(match["count"])
        reason = _DIRECTIVE.search("# " + (match["reason"] or ""))
        level.plan_reason = (
            reason["reason"].strip() if reason is not None else (match["reason"] or "").strip()
        )

    def _release(self) -> list[Case]:
        """The last test, when nothing more can belong to it."""
        if self._pending is None:
            return []
        (case, level), self._pending = self._pending, None
        if level is not None and self._is_nameless(level):
            level.held.append(case)
            return []
        return self._numbered([case])

    def _is_nameless(self, level: _Level) -> bool:
        """A subtest's name may come after it, in the line of the test above: its cases wait for that."""
        return level in self._levels and any(above.name is None for above in self._above(level))

    def _above(self, level: _Level) -> list[_Level]:
        """The subtests that a level is in, itself the last one."""
        return self._levels[1 : self._levels.index(level) + 1]

    def _numbered(self, cases: list[Case]) -> list[Case]:
        room = max(0, MAX_CASES - self._total)
        if len(cases) > room:
            self.problems.append(f"{self._origin} has more than {MAX_CASES} cases")
            self._is_bailed_out = True
        self._total += len(cases[:room])
        return [self._names.unique(case) for case in cases[:room]]

    def _end_level(self, level: _Level) -> None:
        where = (
            ""
            if level is self._levels[0]
            else f" of subtest {level.name!r}"
            if level.name
            else " of a subtest"
        )
        if level.plan is None:
            self.problems.append(f"{self._origin}: there is no plan{where}: was it cut off?")
        elif level.count != level.plan:
            self.problems.append(
                f"{self._origin}: the plan{where} is {level.plan} tests, and {level.count} came"
            )
        elif level.seen and max(level.seen) > level.plan:
            self.problems.append(
                f"{self._origin}: the plan{where} is {level.plan} tests, and one has number {max(level.seen)}"
            )

    def _case(self, level: _Level, name: str, outcome: Outcome, message: str) -> Case:
        return Case(
            classname=self._classname(level),
            name=name,
            outcome=outcome,
            message=bounded(message),
            origin=self._origin,
        )

    def _classname(self, level: _Level) -> str:
        names = [above.name or "" for above in self._above(level)]
        return one_line(" > ".join(name for name in names if name), "")

    def _joined(self, level: _Level, name: str, below: str) -> str:
        above = self._classname(level)
        rest = below.removeprefix(above).removeprefix(" > ") if above else below
        return one_line(" > ".join(part for part in (above, name, rest) if part), "")


def _take_apart(rest: str) -> tuple[str, tuple[str, str]]:
    """The description, and kind and reason of the directive; an escaped ``#`` is a character."""
    position = 0
    for match in re.finditer(r"\\.|#", rest):
        if match.group() == "#":
            directive = _DIRECTIVE.match(rest[max(0, match.start() - 1) :])
            if directive is not None:
                position = match.start()
                kind = "skip" if directive["kind"].lower().startswith("skip") else "todo"
                return _unescaped(rest[:position]), (kind, directive["reason"].strip())
    return _unescaped(rest), ("", "")


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\\#])", r"\1", text).strip()


def _outcome(*, is_ok: bool, directive: tuple[str, str]) -> tuple[Outcome, str]:
    kind, reason = directive
    if kind == "skip":
        # "not ok # SKIP" is a test that was not run either (TAP 14, "Directives").
        return "skipped", reason or "SKIP"
    if kind == "todo":
        return ("xpassed" if is_ok else "xfailed"), reason or "TODO"
    return ("passed", "") if is_ok else ("failed", "not ok")


def _with_details(case: Case, text: str) -> Case:
    duration, message, location = _DURATION.search(text), _MESSAGE.search(text), _LOCATION.search(text)
    changes: dict[str, object] = {}
    if duration is not None:
        changes["seconds"] = float(duration[1]) / 1000
    if location is not None:
        changes["source"] = one_line(location["text"], "")
    if case.outcome == "failed":
        changes["details"] = bounded(text)
        if message is not None and message["text"].strip() not in ("|-", "|", ">", ">-"):
            changes["message"] = bounded(message["text"].strip().strip("'\""))
    return replace(case, **changes)  # type: ignore[arg-type]
