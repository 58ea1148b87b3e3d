"""Matching keys compiled once: to conditions of SQL where a column holds the key, and to Python for all of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import time
from typing import Any, Literal, Protocol

from pydicom.datadict import dictionary_VM, dictionary_VR

from pacsd.codec.keys import Level
from pacsd.faults import Fault, PacsdError
from pacsd.index.keys import COLUMN_BY_PATH, COMPUTED, TIME_OF_DATE, Column, Kind, key_of
from pacsd.index.names import name_columns
from pacsd.index.patterns import DateRange, DateTimeRange, FuzzyName, NamePattern, Pattern, TimeRange
from pacsd.index.predicate import Params
from pacsd.index.values import (
    Attributes,
    attributes_at,
    bounded,
    date_of,
    number_of,
    text_at,
    texts_at,
    time_of,
)

LEVELS: tuple[Level, ...] = ("patient", "study", "series", "instance")

_EMPTY = '""'                            # PS3.4 C.2.2.2.7
_ALIAS = {"study": "s", "series": "r", "workitem": "w", "non_patient_instance": "o", "scheduled_step": "t"}
_HAVE_GRAMS = frozenset(("study", "scheduled_step"))     # tables whose rows belong to a patient with grams of names

# No wildcards here (PS3.4 C.2.2.2.4); a value that holds one is compared as it stands.
_NUMERIC_VRS = frozenset(("IS", "DS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV"))

_MAX_WILDCARDS = 100                     # values with wildcards in a list: each is a condition that reads everything
_MULTIPLE_VRS = frozenset(("AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"))      # PS3.4 C.2.2.2.8


@dataclass(frozen=True, slots=True)
class Criterion:
    """A matching key: `path` in upper-case hex tags, dotted below sequences; `value` as sent, with `*`, `-`, `\\`."""

    path: str
    value: str


class Test(Protocol):
    """One compiled key."""

    @property
    def level(self) -> Level: ...

    def sql(self, params: Params) -> str | None:
        """A condition, or None where rows have to be read to know."""

    def matches(self, attributes: Attributes) -> bool:
        """The same in Python, from attributes of the key's level and those above."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was negotiated, or asked for in the query string."""

    fuzzy: bool = False
    combined_datetime: bool = True
    empty_value_matching: bool = False
    multiple_value_matching: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """Compiled criteria, and the paths that cannot be matched."""

    tests: tuple[Test, ...]
    unsupported: tuple[str, ...]

    def of(self, *levels: Level) -> tuple[Test, ...]:
        """The tests of some levels."""
        return tuple(test for test in self.tests if test.level in levels)

    def matches(self, attributes: Attributes, *levels: Level) -> bool:
        """Whether attributes fulfil all tests of these levels."""
        return all(test.matches(attributes) for test in self.of(*levels))


@dataclass(frozen=True, slots=True)
class Model:
    """What is searched: which attributes are keys, of which level, and which of them stand in columns.

    `single`: a sequence that never has more than one item, so that keys below it need no search for the same item.
    """

    level_of: Callable[[str], Level | None]      # of a path; None: no key
    columns: Mapping[str, Column]                # by path
    time_of_date: Mapping[str, str]              # paths that combined matching takes together
    computed: frozenset[str] = frozenset()
    single: str | None = None


def _level_of(path: str) -> Level | None:
    key = key_of(path)
    return None if key is None else key.level


ARCHIVE = Model(_level_of, COLUMN_BY_PATH, TIME_OF_DATE, frozenset(COMPUTED))


def compile_criteria(criteria: Iterable[Criterion], options: Options, model: Model = ARCHIVE) -> Conditions:
    """Read matching keys. Raises PacsdError MALFORMED for a date or time that is none."""
    given = {c.path: _clean(c.value) for c in criteria}
    tests: list[Test] = []
    unsupported = []
    combined = _combined(given, options, model)
    done = {path for test in combined for path in (test.date_path, test.time_path)}
    for path, value in given.items():
        level = model.level_of(path)
        if path in model.computed:
            if not _universal(value) and path.startswith("002012"):
                unsupported.append(path)
        elif level is None:
            unsupported.append(path)
        elif path not in done and not _universal(value):
            tests.append(_test(path, value, level, options, model.columns.get(path)))
    return Conditions((*combined, *tests, *_same_items(tests, model.single)), tuple(unsupported))


def _clean(value: str) -> str:
    return value.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _test(path: str, value: str, level: Level, options: Options, column: Column | None) -> Test:
    if options.empty_value_matching and value == _EMPTY:
        return Empty(path, level)
    vr = _vr(path, column)
    separators = "\\," if vr == "UI" else "\\"
    for separator in separators:
        value = value.replace(separator, "\\")
    values = [one for raw in value.split("\\") if (one := raw.strip())]
    if not values or any(map(_universal, values)):
        return Always(level)
    patterns, read = _reading(vr, values, options)
    if vr == "PN" and any(pattern.universal for pattern in patterns):
        return Always(level)
    found = AnyOf(path, level, column, patterns, read)
    return AllOf(found) if options.multiple_value_matching and len(values) > 1 and _has_many(path, vr) else found


def _universal(value: str) -> bool:
    return set(value) <= {"*"}


@dataclass(frozen=True, slots=True)
class Always:
    """Universal matching after all."""

    level: Level

    def sql(self, params: Params) -> str | None:
        return "true"

    def matches(self, attributes: Attributes) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty Value Matching (PS3.4 C.2.2.2.7): absent, or without a value."""

    path: str
    level: Level

    def sql(self, params: Params) -> str | None:
        return None

    def matches(self, attributes: Attributes) -> bool:
        return not texts_at(attributes, self.path)


class ValuePattern(Protocol):
    """What one value is compared with."""

    def matches(self, value: Any) -> bool: ...


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A key of which any of the given values may match (Multiple Value Matching, List of UID Matching).

    `read` makes of a stored text what the patterns compare; where there is a column, it holds just that of the
    attribute's first value, and so only this one counts.
    """

    path: str
    level: Level
    column: Column | None
    patterns: tuple[Any, ...]
    read: Callable[[str], Any]

    def sql(self, params: Params) -> str | None:
        """One condition, on an index as far as possible."""
        if self.column is None:
            return None
        name = f"{_ALIAS[self.column.table]}.{self.column.name}"
        if self.column.kind is Kind.MANY:
            return _any_element(name, self.patterns, params)
        literals = [p.text for p in self.patterns if isinstance(p, Pattern | Exact) and p.literal]
        conditions = [f"{name} = any({params.add(literals)}::text[])"] if len(literals) > 1 else []
        rest = [p for p in self.patterns if not (conditions and isinstance(p, Pattern | Exact) and p.literal)]
        conditions += [p.sql(name, params) for p in rest]
        alias = _ALIAS[self.column.table]
        grams = [_gram(params, p.grams(), alias) for p in rest if isinstance(p, NamePattern | FuzzyName)]
        text = "(" + " or ".join(conditions) + ")"
        if self.column.name == "patient" and self.column.table in _HAVE_GRAMS and len(rest) == 1 and grams[0]:
            return f"({text} and {grams[0]})"
        return text

    def matches(self, attributes: Attributes) -> bool:
        """The same in Python."""
        if self.column is not None and self.column.kind is not Kind.MANY:
            first = text_at(attributes, self.path)
            found = [] if first is None else [first]
        else:
            found = texts_at(attributes, self.path)
        values = [self.read(text) for text in found]
        return any(pattern.matches(value) for value in values for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class AllOf:
    """A key of which every value has to be among those of a multi-valued attribute (PS3.4 C.2.2.2.8)."""

    any_of: AnyOf

    @property
    def path(self) -> str:
        """The attribute's path."""
        return self.any_of.path

    @property
    def level(self) -> Level:
        """The attribute's level."""
        return self.any_of.level

    def sql(self, params: Params) -> str | None:
        """One condition for each value, where a column holds all of them."""
        column = self.any_of.column
        if column is None or column.kind is not Kind.MANY:
            return None
        name = f"{_ALIAS[column.table]}.{column.name}"
        return "(" + " and ".join(_any_element(name, (one,), params) for one in self.any_of.patterns) + ")"

    def matches(self, attributes: Attributes) -> bool:
        """The same in Python."""
        values = [self.any_of.read(text) for text in texts_at(attributes, self.path)]
        return all(any(pattern.matches(value) for value in values) for pattern in self.any_of.patterns)


@dataclass(frozen=True, slots=True)
class SameItem:
    """Several keys below one sequence: a single item has to match them all (PS3.4 C.2.2.2.6)."""

    sequence: str
    level: Level
    tests: tuple[Test, ...]

    def sql(self, params: Params) -> str | None:
        """Not from columns: those hold the values of all items."""
        return None

    def matches(self, attributes: Attributes) -> bool:
        """Whether there is such an item."""
        items = [item for one in attributes_at(attributes, self.sequence) for item in one.get("Value") or ()]
        return any(isinstance(i, Mapping) and all(test.matches(i) for test in self.tests) for i in items)


def _same_items(tests: Sequence[Test], single: str | None) -> list[Test]:
    below: dict[str, list[AnyOf]] = {}
    for test in tests:
        if isinstance(test, AnyOf) and (sequence := _sequence_of(test.path, single)):
            below.setdefault(sequence, []).append(test)
    return [
        SameItem(sequence, group[0].level, tuple(
            replace(test, path=test.path.removeprefix(sequence + "."), column=None) for test in group
        ))
        for sequence, group in below.items() if len(group) > 1
    ]  # fmt: skip


def _sequence_of(path: str, single: str | None) -> str:
    """The outermost sequence of several items that an attribute stands in; empty where there is none."""
    above = f"{single}." if single is not None and path.startswith(f"{single}.") else ""
    outermost, _, inner = path.removeprefix(above).partition(".")
    return above + outermost if inner else ""


@dataclass(frozen=True, slots=True)
class Combined:
    """A date and a time range as one (PS3.4 C.2.2.2.5.4)."""

    date_path: str
    time_path: str
    level: Level
    dates: DateRange
    times: TimeRange
    date_column: Column | None
    time_column: Column | None

    def sql(self, params: Params) -> str | None:
        """Rows compare as pairs; the plain range on the date is for the index."""
        if self.date_column is None or self.time_column is None:
            return None
        day, clock = (f"{_ALIAS[c.table]}.{c.name}" for c in (self.date_column, self.time_column))
        conditions = [self.dates.sql(day, params)]
        for operator, date_end, time_end in (
            (">=", self.dates.first, self.times.first),
            ("<=", self.dates.last, self.times.last),
        ):
            if date_end is not None and time_end is not None:
                pair = f"({params.add(date_end)}::date, {params.add(time_end)}::time)"
                conditions.append(f"({day}, {clock}) {operator} {pair}")
        return "(" + " and ".join(conditions) + ")"

    def matches(self, attributes: Attributes) -> bool:
        """The same in Python; at the first or last day itself a missing time does not match."""
        day, clock = date_of(text_at(attributes, self.date_path)), time_of(text_at(attributes, self.time_path))
        if day is None or not self.dates.matches(day):
            return False
        late_enough = day != self.dates.first or self.times.first is None or _ordered(self.times.first, clock)
        early_enough = day != self.dates.last or self.times.last is None or _ordered(clock, self.times.last)
        return late_enough and early_enough


def _ordered(first: time | None, second: time | None) -> bool:
    return first is not None and second is not None and first <= second


def _combined(given: Mapping[str, str], options: Options, model: Model) -> list[Combined]:
    if not options.combined_datetime:
        return []
    found = []
    for day, clock in model.time_of_date.items():
        values = (given.get(day, ""), given.get(clock, ""))
        level = model.level_of(day)
        if level is not None and all("-" in value and "\\" not in value for value in values):
            found.append(Combined(
                day, clock, level, DateRange.of(values[0]), TimeRange.of(values[1]),
                model.columns.get(day), model.columns.get(clock),
            ))  # fmt: skip
    return found


def _reading(vr: str, values: Sequence[str], options: Options) -> tuple[tuple[Any, ...], Callable[[str], Any]]:
    """Patterns for values of a VR, and how stored text is read to be compared with them.

    Raises PacsdError MALFORMED.
    """
    if sum("*" in value or "?" in value for value in values) > _MAX_WILDCARDS:
        raise PacsdError(Fault.MALFORMED, f"more than {_MAX_WILDCARDS} values with wildcards in one list")
    if vr == "PN":
        name = FuzzyName.of if options.fuzzy else NamePattern.of
        return tuple(name(value) for value in values), name_columns
    if vr == "DA":
        return tuple(DateRange.of(value) for value in values), date_of
    if vr == "TM":
        return tuple(TimeRange.of(value) for value in values), time_of
    if vr == "DT":
        return tuple(DateTimeRange.of(value) for value in values), _same
    if vr in _NUMERIC_VRS:
        return tuple(Exact(number_of(bounded(value)) or "") for value in values), number_of
    if vr == "UI":
        return tuple(Exact(bounded(value)) for value in values), _same
    return tuple(Pattern(value if "*" in value or "?" in value else bounded(value)) for value in values), _same


@dataclass(frozen=True, slots=True)
class Exact:
    """A value in which nothing is a wildcard."""

    text: str
    literal: Literal[True] = True

    def sql(self, column: str, params: Params) -> str:
        """A condition on a text column."""
        return f"{column} = {params.add(self.text)}"

    def matches(self, value: str | None) -> bool:
        """The same in Python."""
        return value == self.text


def _same(text: str) -> str:
    return text


def _any_element(column: str, patterns: Sequence[Any], params: Params) -> str:
    literals = [pattern.text for pattern in patterns if pattern.literal]
    conditions = [f"{column} && {params.add(literals)}::text[]"] if literals else []
    for pattern in patterns:
        if not pattern.literal:
            conditions.append(
                f"exists (select from unnest({column}) as u(v) where {pattern.sql('u.v', params)})"
            )
    return "(" + " or ".join(conditions) + ")"


def _gram(params: Params, grams: Sequence[str], alias: str) -> str:
    found = (f"{alias}.patient in (select patient from name_gram where gram = {params.add(gram)})" for gram in grams)
    return " and ".join(found)


def _has_many(path: str, vr: str) -> bool:
    """Whether Multiple Value Matching speaks of such attributes."""
    try:
        return vr in _MULTIPLE_VRS and dictionary_VM(int(path.rpartition(".")[2], 16)) != "1"
    except KeyError:
        return False


def _vr(path: str, column: Column | None) -> str:
    last = path.rpartition(".")[2]
    if column is not None and column.kind is Kind.NAME:
        return "PN"
    try:
        return dictionary_VR(int(last, 16)).split(" or ")[0]
    except KeyError:
        return "LO"
