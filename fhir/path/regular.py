"""Regular expressions in time that grows with the text alone: an automaton's states side by side, no way tried twice.

What `matches()` takes (http://hl7.org/fhirpath/N1/#matchesregex--string--boolean): characters, classes, groups, `|`,
quantifiers, `^` and `$`; a dot is any character. Look-around, back references and word boundaries are refused.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import NoReturn

from pacsd.faults import Fault, PacsdError

MAX_PATTERN = 2_000                      # characters
MAX_STATES = 5_000
MAX_WORK = 5_000_000                     # states looked at in one search
MAX_REPLACED = 10_000                    # characters of a text in which matches are replaced
MAX_WAYS = 200_000_000                   # to match, of a replacement: a second or so
_MAX_NESTING = 50
_CACHED_STEPS = 20_000

_CHARACTER, _SPLIT, _START, _END, _MATCH = range(5)
_QUANTIFIER = re.compile(r"([*+?])|\{(\d{1,4})(,(\d{0,4}))?\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\?(?::|P?<[A-Za-z]\w*>)")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_LETTERS = "dDsSwWnrtfv"                 # escapes of letters that mean something here
_UNBOUNDED = -1
_HOPELESS = 1 << 64                      # ways: more than anyone waits for


@dataclass(slots=True)
class _State:
    kind: int
    test: Callable[[str], object] | None = None
    following: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern as a function that builds it before a following state, and how often it repeats within."""

    build: Callable[[int], int]
    ways: int                            # in which it may match at one place, those of unbounded quantifiers apart
    unbounded: int                       # quantifiers without an upper bound


class _Automaton:
    """A pattern, parsed and built from its end to its beginning."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            raise PacsdError(Fault.TOO_MUCH, f"a regular expression longer than {MAX_PATTERN} characters")
        self._pattern, self._at, self._nested = pattern, 0, 0
        self._states: list[_State] = []
        self.whole = self._alternatives()
        if self._at < len(pattern):
            self._refuse()
        self._last = self._state(_MATCH)
        self._first = self.whole.build(self._last)
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def _refuse(self) -> NoReturn:
        raise PacsdError(Fault.MALFORMED, f"a regular expression not supported at character {self._at + 1}: "
                                          f"{self._pattern!r}")

    # -- the parser

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _alternatives(self) -> _Part:
        self._nested += 1
        if self._nested > _MAX_NESTING:
            raise PacsdError(Fault.TOO_MUCH, f"a regular expression nested deeper than {_MAX_NESTING} levels")
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        self._nested -= 1
        if len(parts) == 1:
            return parts[0]
        return _Part(lambda following: self._state(_SPLIT, following=[one.build(following) for one in parts]),
                     sum(one.ways for one in parts), max(one.unbounded for one in parts))

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._quantified(self._atom()))

        def build(following: int) -> int:
            if not parts:                # a state of its own, so that repeating nothing counts
                return self._state(_SPLIT, following=[following])
            for one in reversed(parts):
                following = one.build(following)
            return following
        return _Part(build, min(_HOPELESS, prod(one.ways for one in parts)), sum(one.unbounded for one in parts))

    def _atom(self) -> _Part:
        mark = self._peek()
        if mark == "(":
            return self._group()
        if mark in "*+?{" or (mark == "\\" and not self._escape_known()):
            self._refuse()
        if mark in "^$":
            self._at += 1
            kind = _START if mark == "^" else _END
            return _Part(lambda following: self._state(kind, following=[following]), 1, 0)
        test = self._test(mark)
        return _Part(lambda following: self._state(_CHARACTER, test, [following]), 1, 0)

    def _group(self) -> _Part:
        self._at += 1
        if self._peek() == "?":
            found = _GROUP.match(self._pattern, self._at)
            if found is None:
                self._refuse()
            self._at = found.end()
        part = self._alternatives()
        if self._peek() != ")":
            self._refuse()
        self._at += 1
        return part

    def _escape_known(self) -> bool:
        letter = self._pattern[self._at + 1 : self._at + 2]
        return bool(letter) and (letter in _LETTERS or not letter.isalnum() or letter in "ux")

    def _test(self, mark: str) -> Callable[[str], object]:
        """Whether a character is one that the next atom stands for."""
        found = {"[": _CLASS, "\\": _ESCAPE}.get(mark, _ANY).match(self._pattern, self._at)
        if found is None:
            self._refuse()
        self._at = found.end()
        if mark == ".":
            return lambda character: True
        try:
            return re.compile(found[0] if mark in "[\\" else re.escape(found[0]), re.DOTALL).fullmatch
        except re.error as error:
            raise PacsdError(Fault.MALFORMED, f"a regular expression not understood: {error}") from error

    def _quantified(self, part: _Part) -> _Part:
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found is None:
            return part
        self._at = found.end()
        if self._peek() in ("?", "+"):   # lazy or possessive: no difference to whether there is a match
            self._at += 1
        if self._peek() and self._peek() in "*+?":
            self._refuse()
        least, most = _bounds(found)
        if most != _UNBOUNDED and most < least:
            self._refuse()
        return _Part(lambda following: self._repeated(part, least, most, following), *_repeated_ways(part, least, most))

    # -- the builder

    def _state(self, kind: int, test: Callable[[str], object] | None = None,
               following: Iterable[int] = ()) -> int:
        if len(self._states) >= MAX_STATES:
            raise PacsdError(Fault.TOO_MUCH, "a regular expression that repeats too much")
        self._states.append(_State(kind, test, list(following)))
        return len(self._states) - 1

    def _repeated(self, part: _Part, least: int, most: int, following: int) -> int:
        if not most:
            return self._state(_SPLIT, following=[following])
        if most == _UNBOUNDED:
            loop = self._state(_SPLIT, following=[following])
            self._states[loop].following.append(part.build(loop))
            following = loop
        else:
            end = following
            for _ in range(most - least):
                following = self._state(_SPLIT, following=[end, part.build(following)])
        for _ in range(least):
            following = part.build(following)
        return following

    # -- the search

    def found(self, text: str) -> bool:
        """Whether a match begins somewhere in a text."""
        here = self._closure([self._first], start=True, end=not text)
        again, work = self._closure([self._first], start=False, end=False), 0
        for place, character in enumerate(text):
            if self._last in here:
                return True
            key = here, character
            following = self._steps.get(key)
            if following is None:
                work += len(here) + len(again)
                if work > MAX_WORK:
                    raise PacsdError(Fault.TOO_MUCH, "a regular expression that takes too long on a text")
                following = self._step(here, character) | again
                if len(self._steps) >= _CACHED_STEPS:
                    self._steps.clear()
                self._steps[key] = following
            here = following
            if place == len(text) - 1:
                here = self._closure(here, start=False, end=True)
        return self._last in here

    def _step(self, here: frozenset[int], character: str) -> frozenset[int]:
        following = [state.following[0] for number in here if (state := self._states[number]).test is not None
                     and state.test(character)]
        return self._closure(following, start=False, end=False)

    def _closure(self, numbers: Iterable[int], *, start: bool, end: bool) -> frozenset[int]:
        """All states that are reached without a character."""
        seen: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            state = self._states[number]
            if state.kind == _SPLIT or (state.kind == _START and start) or (state.kind == _END and end):
                waiting += state.following
        return frozenset(seen)


_ANY = re.compile(r".", re.DOTALL)


def _bounds(found: re.Match[str]) -> tuple[int, int]:
    if found[1]:
        return {"*": (0, _UNBOUNDED), "+": (1, _UNBOUNDED), "?": (0, 1)}[found[1]]
    least = int(found[2])
    if not found[3]:
        return least, least
    return least, int(found[4]) if found[4] else _UNBOUNDED


def _repeated_ways(part: _Part, least: int, most: int) -> tuple[int, int]:
    """Ways and unbounded quantifiers of a part that repeats: what may go several ways each time multiplies them."""
    if most == _UNBOUNDED:
        return (1, 1) if (part.ways, part.unbounded) == (1, 0) else (_HOPELESS, 1)
    each = 1 if part.ways == 1 else min(_HOPELESS, part.ways ** min(most, 64))
    return min(_HOPELESS, each * (most - least + 1)), part.unbounded * most


@lru_cache(512)
def _automaton(pattern: str) -> _Automaton:
    return _Automaton(pattern)


def found(pattern: str, text: str) -> bool:
    """Whether a regular expression is found in a text.

    Raises PacsdError: MALFORMED for what is none, or not supported; TOO_MUCH beyond the bounds.
    """
    return _automaton(pattern).found(text)


def replaced(pattern: str, substitution: str, text: str) -> str:
    """A text with each match replaced; `$1` and `${name}` in the substitution stand for groups.

    Only where the ways to match, at all places of the text together, are no more than MAX_WAYS, and texts up to
    MAX_REPLACED characters: `re`, which tells groups, tries them one by one. Raises PacsdError as `found` does.
    """
    whole = _automaton(pattern).whole
    size = len(text) + 1
    if size > MAX_REPLACED + 1 or whole.unbounded > 4 or whole.ways * size ** (whole.unbounded + 1) > MAX_WAYS:
        raise PacsdError(Fault.TOO_MUCH, "a regular expression too costly to replace what it matches")
    try:
        compiled = re.compile(pattern.replace("(?<", "(?P<"), re.DOTALL)
    except re.error as error:
        raise PacsdError(Fault.MALFORMED, f"a regular expression not understood: {error}") from error
    parts = re.split(r"\$(?:(\d)|\{(\w+)\})", substitution)

    def substituted(match: re.Match[str]) -> str:
        told = [parts[0]]
        for number, name, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            told += [_group(match, int(number) if number else name), rest]
        return "".join(told)
    return compiled.sub(substituted, text)


def _group(match: re.Match[str], which: int | str) -> str:
    try:
        return match[which] or ""
    except (IndexError, KeyError) as error:
        raise PacsdError(Fault.MALFORMED, f"a regular expression without a group {which}") from error
