"""Matching of single values (PS3.4 C.2.2.2), each once for SQL and once for Python, with the same meaning."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time

from pacsd.codec.text import grams, is_han, normalise
from pacsd.faults import Fault, PacsdError
from pacsd.index.names import NameColumns, joined
from pacsd.index.predicate import Params
from pacsd.index.values import bounded, date_of, time_parts

_OFFSET = r"[+-](?:0\d|1[0-4])\d\d"       # -1200 to +1400 (PS3.5 6.2); above it a year follows the hyphen
_MAX_WORDS = 32                          # of a fuzzy name; three groups of five components, and some have two words


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value with wildcards (PS3.4 C.2.2.2.4): `*` any text, `?` any one character."""

    text: str

    @property
    def literal(self) -> bool:
        """Whether there is no wildcard in it."""
        return "*" not in self.text and "?" not in self.text

    @property
    def prefix(self) -> str:
        """What every match begins with."""
        return re.split(r"[*?]", self.text, maxsplit=1)[0]

    def sql(self, column: str, params: Params) -> str:
        """A condition that an ordinary index on a `collate "C"` column serves, as far as there is a prefix."""
        if self.literal:
            return f"{column} = {params.add(self.text)}"
        conditions = []
        if self.prefix:
            conditions.append(f"{column} >= {params.add(self.prefix)}")
            if (end := after(self.prefix)) is not None:
                conditions.append(f"{column} < {params.add(end)}")
        if self.text != self.prefix + "*":
            conditions.append(f"{column} like {params.add(self._like())}")
        return "(" + (" and ".join(conditions) or f"{column} is not null") + ")"

    def matches(self, value: str | None) -> bool:
        """The same in Python."""
        if value is None:
            return False
        if self.literal:
            return value == self.text
        return re.fullmatch(self._regex(), value, re.DOTALL) is not None

    def _regex(self) -> str:
        """Each piece between two `*` where it first occurs, for good: trying all ways takes for ever."""
        first, *middle = [re.escape(piece).replace(r"\?", ".") for piece in self.text.split("*")]
        if not middle:
            return first
        last = middle.pop()
        return first + "".join(f"(?>.*?{piece})" for piece in middle) + f".*{last}"

    def _like(self) -> str:
        escaped = re.sub(r"([\\%_])", r"\\\1", self.text)
        return re.sub(r"\*+", "%", escaped).replace("?", "_")


def after(prefix: str) -> str | None:
    """The least text, in byte order of UTF-8, above all that begin with `prefix`; None if there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[at]) + 1
        if 0xD800 <= following <= 0xDFFF:
            following = 0xE000
        if following <= 0x10FFFF:
            return prefix[:at] + chr(following)
    return None


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A person name as asked for: patterns by group, all of which count; or one text that any group may match."""

    groups: tuple[Pattern | None, ...]       # alphabetic, ideographic, phonetic; empty: `any_of`
    any_of: tuple[Pattern, Pattern]          # components apart (alphabetic), and joined (the other groups)

    @classmethod
    def of(cls, text: str) -> "NamePattern":
        """Read a PN matching value; case, accents, carets and spaces do not count (PS3.4 C.2.2.2.1)."""
        if "=" not in text:
            key = normalise(text)
            return cls((), (Pattern(key), Pattern(joined(key) or "")))
        keys = [normalise(group) for group in text.split("=")[:3]]
        shaped = [key if at == 0 else joined(key) for at, key in enumerate(keys)]
        groups = tuple(None if not key or set(key) == {"*"} else Pattern(key) for key in shaped)
        return cls(groups, (Pattern(""), Pattern("")))

    @property
    def universal(self) -> bool:
        """Whether nothing is asked for but delimiters and `*`."""
        if self.groups:
            return all(pattern is None for pattern in self.groups)
        return set(self.any_of[1].text) <= {"*"}

    def sql(self, column: str, params: Params) -> str:
        """A condition on the four columns of a name; `column` is their common beginning."""
        names = [f"{column}_{group}" for group in ("alphabetic", "ideographic", "phonetic", "pinyin")]
        if self.groups:
            given = [(p, name) for p, name in zip(self.groups, names, strict=False) if p is not None]
            return "(" + (" and ".join(p.sql(name, params) for p, name in given) or "true") + ")"
        apart, together = self.any_of
        conditions = [apart.sql(names[0], params), *(together.sql(name, params) for name in names[1:])]
        return "(" + " or ".join(conditions) + ")"

    def matches(self, columns: NameColumns) -> bool:
        """The same in Python."""
        if self.groups:
            return all(p.matches(key) for p, key in zip(self.groups, columns, strict=False) if p is not None)
        apart, together = self.any_of
        return apart.matches(columns[0]) or any(together.matches(key) for key in columns[1:])

    def grams(self) -> list[str]:
        """Grams every match holds, when no prefix leads to it; for looking up infix searches."""
        patterns = [p for p in self.groups if p is not None] if self.groups else [self.any_of[0]]
        if any(p.prefix for p in patterns):
            return []
        return sure_grams(part for p in patterns for part in re.split(r"[*?]", p.text))


@dataclass(frozen=True, slots=True)
class FuzzyName:
    """Fuzzy matching (PS3.4 C.2.2.2.1.1): every word begins a component, in any order, in any group."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "FuzzyName":
        """Read a PN matching value; wildcards add nothing here.

        Raises PacsdError MALFORMED for more words than names have: each is a condition of its own.
        """
        words = tuple(dict.fromkeys(normalise(re.sub(r"[*?=]", " ", text)).split()))
        if len(words) > _MAX_WORDS:
            raise PacsdError(Fault.MALFORMED, f"more than {_MAX_WORDS} words in a name to match fuzzily")
        return cls(words)

    @property
    def universal(self) -> bool:
        """Whether there is no word in it."""
        return not self.words

    def sql(self, column: str, params: Params) -> str:
        """A condition on the four columns of a name."""
        return "(" + (" and ".join(self._word(column, word, params) for word in self.words) or "true") + ")"

    def matches(self, columns: NameColumns) -> bool:
        """The same in Python."""
        apart, *together = columns
        return all(
            f" {word}" in f" {apart or ''}" or any(key and word in key for key in together) for word in self.words
        )

    def grams(self) -> list[str]:
        """Grams every match holds."""
        return sure_grams(self.words)

    def _word(self, column: str, word: str, params: Params) -> str:
        # strpos and not like: a word is no pattern. The joined groups hold no word boundaries.
        value = params.add(word)
        apart = f"strpos(' ' || {column}_alphabetic, ' ' || {value}) > 0"
        joint = [f"strpos({column}_{group}, {value}) > 0" for group in ("ideographic", "phonetic", "pinyin")]
        return "(" + " or ".join([apart, *joint]) + ")"


def sure_grams(parts: Iterable[str]) -> list[str]:
    """Grams that any text with these parts in it must have, the rarest-looking first, at most three."""
    found = {gram for part in parts for gram in grams(part) if len(gram) > 1 or is_han(gram)}
    return sorted(found, key=lambda gram: (gram.isascii(), -len(gram), gram))[:3]


@dataclass(frozen=True, slots=True)
class DateRange:
    """Both ends are inside; None is open (PS3.4 C.2.2.2.5.1)."""

    first: date | None
    last: date | None

    @classmethod
    def of(cls, text: str) -> "DateRange":
        """`20240101`, `20240101-20241231`, `20240101-`, `-20241231`. Raises PacsdError MALFORMED."""
        ends = [None if not end else _date(end) for end in split_range(text)]
        return cls(ends[0], ends[-1])

    def sql(self, column: str, params: Params) -> str:
        """A condition on a date column."""
        if self.first is not None and self.first == self.last:
            return f"{column} = {params.add(self.first)}"
        return _between(column, self.first, self.last, params)

    def matches(self, value: date | None) -> bool:
        """The same in Python."""
        return value is not None and (self.first or value) <= value <= (self.last or value)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Both ends are inside; an imprecise time stands for its whole hour, minute or second."""

    first: time | None
    last: time | None

    @classmethod
    def of(cls, text: str) -> "TimeRange":
        """`1030`, `10-1130`, `10-`, `-1130`. Raises PacsdError MALFORMED."""
        start, *rest = split_range(text)
        end = rest[0] if rest else start
        return cls(_time(start, last=False) if start else None, _time(end, last=True) if end else None)

    def sql(self, column: str, params: Params) -> str:
        """A condition on a time column."""
        return _between(column, self.first, self.last, params)

    def matches(self, value: time | None) -> bool:
        """The same in Python."""
        return value is not None and (self.first or value) <= value <= (self.last or value)


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """DT values, compared as digits; what is not given is the start, or in an upper end the end, of its period."""

    first: str
    last: str

    @classmethod
    def of(cls, text: str) -> "DateTimeRange":
        """One DT value or a range of them; offsets from UTC are not taken into account."""
        start, *rest = split_datetime_range(text)
        end = rest[0] if rest else start
        return cls(_digits(start, "0") if start else "", _digits(end, "9") if end else "9")

    def sql(self, column: str, params: Params) -> str:
        """A condition on a text column of `datetime_key`s."""
        return _between(column, self.first, self.last, params)

    def matches(self, value: str | None) -> bool:
        """Whether a DT value begins inside."""
        return value is not None and self.first <= datetime_key(value) <= self.last


def datetime_key(text: str) -> str:
    """A DT value as digits that sort by time; offsets from UTC are not taken into account."""
    return _digits(text, "0")


def split_range(text: str) -> list[str]:
    """One value, or both ends of a range; retired dates with hyphens are one value."""
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return [text]
    return [end.strip() for end in text.split("-", 1)]


def split_datetime_range(text: str) -> list[str]:
    """The same for DT, whose values may end in an offset such as -0500."""
    found = re.fullmatch(rf"\s*([\d.]*(?:{_OFFSET}(?=-|$))?)(?:-([\d.]*(?:{_OFFSET})?))?\s*", text)
    if found is None or not (found[1] or found[2]):
        raise PacsdError(Fault.MALFORMED, "a matching value is no date and time")
    return [found[1]] if found[2] is None else [found[1], found[2]]


def _digits(text: str, fill: str) -> str:
    plain = re.sub(rf"{_OFFSET}$", "", text.strip()).replace(".", "")
    return bounded(plain).ljust(20, fill)


def _date(text: str) -> date:
    found = date_of(text)
    if found is None:
        raise PacsdError(Fault.MALFORMED, "a matching value is no date (YYYYMMDD, or a range of two)")
    return found


def _time(text: str, *, last: bool) -> time:
    parts = time_parts(text)
    if parts is None:
        raise PacsdError(Fault.MALFORMED, "a matching value is no time (HHMMSS.FFFFFF, or a range of two)")
    hour, minute, second, microsecond = parts
    if last and microsecond is not None:
        return time(hour, minute or 0, second or 0, microsecond)
    ends = (59, 59, 999_999) if last else (0, 0, 0)
    filled = [
        end if part is None else part for part, end in zip((minute, second, microsecond), ends, strict=True)
    ]
    return time(hour, filled[0], filled[1], filled[2])


def _between(column: str, first: object, last: object, params: Params) -> str:
    conditions = []
    if first is not None:
        conditions.append(f"{column} >= {params.add(first)}")
    if last is not None:
        conditions.append(f"{column} <= {params.add(last)}")
    return "(" + (" and ".join(conditions) or f"{column} is not null") + ")"
