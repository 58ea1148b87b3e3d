"""Search as search.html says it, one resource after the other: what the statements are compared with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fhir.search import query as q
from fhir.search.values import Found, Instants, Number, Quantity, Reference, Text, Token, Uri
from pacsd.codec.text import normalise


@dataclass(frozen=True)
class Resource:
    """A resource by what is found in it."""

    pk: int
    type: str
    id: str
    organisation: int = 1
    found: tuple[Found, ...] = ()
    version: int = 1
    updated: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))
    texts: tuple[str, str] = ("", "")

    def values(self, names: Iterable[str]) -> list[tuple[Any, int]]:
        """Values under names of parameters, with their positions."""
        wanted = {one.partition(".")[2] for one in names if one.partition(".")[0] == self.type}
        return [(one.value, one.position) for one in self.found if one.name in wanted]


class World:
    """All resources that a reader sees."""

    def __init__(self, resources: Sequence[Resource], organisations: Sequence[int]) -> None:
        self.all = [one for one in resources if one.organisation in organisations]

    def search(self, query: q.Query) -> list[int]:
        """Keys of what matches, newest first."""
        return sorted((one.pk for one in self.all if self._of(one, query)), reverse=True)

    def ordered(self, query: q.Query) -> list[int]:
        """Keys of what matches in the order that is asked for."""
        found = [one for one in self.all if self._of(one, query)]
        as_they_come = [(one.kind, one.descending) for one in query.sort] == [("updated", False)]
        found.sort(key=lambda one: one.pk, reverse=not as_they_come)
        for sort in reversed(query.sort):
            valued = {one.pk: _sorted_by(one, sort) for one in found}
            having = [one for one in found if valued[one.pk] is not None]
            having.sort(key=lambda one: valued[one.pk], reverse=sort.descending)
            found = having + [one for one in found if valued[one.pk] is None]
        return [one.pk for one in found]

    def _of(self, one: Resource, query: q.Query) -> bool:
        return (not query.types or one.type in query.types) and all(self.fulfils(one, c) for c in query.conditions)

    def fulfils(self, one: Resource, condition: q.Condition) -> bool:
        """Whether a resource fulfils a condition."""
        match condition:
            case q.Match(names, comparison):
                return any(fits(value, comparison, names[0]) for value, _ in one.values(names))
            case q.Composite(names, parts):
                return self._composite(one, names, parts)
            case q.Present(names, _kinds):
                return bool(one.values(names))
            case q.Chain(names, types, inner):
                return any(other.type in types and self.fulfils(other, inner) and leads(one, names, other)
                           for other in self.all)  # fmt: skip
            case q.ReverseChain(names, type_, inner, types):
                return one.type in types and any(
                    other.type == type_ and leads(other, names, one) and self.fulfils(other, inner)
                    for other in self.all)
            case q.Ids(ids, types):
                return one.type in types and one.id in ids
            case q.Updated(times, types):
                at = int((one.updated - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)
                return one.type in types and any(_instants(Instants(at, at + 1), asked) for asked in times.values)
            case q.OfTypes(types):
                return one.type in types
            case q.Not(inner):
                return not self.fulfils(one, inner)
            case q.AnyOf(conditions):
                return any(self.fulfils(one, inner) for inner in conditions)
            case q.AllOf(conditions):
                return all(self.fulfils(one, inner) for inner in conditions)
            case q.Words():
                raise NotImplementedError

    def _composite(self, one: Resource, names: Sequence[str], parts: Sequence[q.Comparison]) -> bool:
        places = []
        for at, part in enumerate(parts, 1):
            numbered = [f"{name}#{at}" for name in names]
            places.append({place for value, place in one.values(numbered) if fits(value, part, numbered[0])})
        return bool(set.intersection(*places))


def _sorted_by(one: Resource, sort: q.SortKey) -> Any:
    """The least value of a resource, or the greatest."""
    if sort.kind in ("id", "updated"):
        return one.id.encode() if sort.kind == "id" else one.updated
    told = [value for value, _ in one.values(sort.names)]
    ends = [_end(value, sort.descending) for value in told]
    return (max if sort.descending else min)(ends, default=None)


def _end(value: Any, greatest: bool) -> Any:
    if isinstance(value, Text):
        return normalise(value.value).encode()
    if isinstance(value, Uri):
        return value.value.encode()
    low, high = value[:2]
    if greatest:
        return Decimal("Infinity") if high is None else high
    return Decimal("-Infinity") if low is None else low


def leads(one: Resource, names: Sequence[str], other: Resource) -> bool:
    """Whether a reference leads from a resource to another."""
    return any((value.type, value.id) == (other.type, other.id) for value, _ in one.values(names))


def fits(value: Any, asked: q.Comparison, name: str) -> bool:
    """Whether a value is what a comparison asks for."""
    kind, compare = _FITS[type(asked)]
    if not isinstance(value, kind):
        return False
    if isinstance(asked, q.Links):
        return any(compare(value, one) for one in asked.targets)
    if isinstance(asked, q.Texts | q.Uris):
        return any(compare(value.value, one, asked.how) for one in asked.values)
    if isinstance(asked, q.Tokens):
        return any(compare(value, one, name) for one in asked.values)
    return any(compare(value, one) for one in asked.values)


def _token(value: Token, asked: q.TokenIs, name: str) -> bool:
    plain = (lambda text: text) if "identifier" in name or ":of-type" in name else str.casefold
    return (asked.system is None or asked.system == value.system) and (
        asked.code is None or plain(asked.code) == plain(value.code))


def _text(value: str, asked: str, how: str) -> bool:
    if how == "exact":
        return value == asked
    told, wanted = normalise(value), normalise(asked)
    return told.startswith(wanted) if how == "begins" else wanted in told


def _uri(value: str, asked: str, how: str) -> bool:
    if how == "equal":
        return value == asked
    upper, lower = (value, asked) if how == "above" else (asked, value)
    return lower == upper or lower.startswith(upper.rstrip("/") + "/") or lower + "/" == upper


def _link(value: Reference, asked: str) -> bool:
    return asked in (f"{value.type}/{value.id}", value.url, f"{value.url}|{value.version}")


def _instants(value: Instants, asked: q.TimeIs) -> bool:
    (low, high), (first, end) = value, asked.range
    within = first <= low and high <= end
    return {
        "eq": within, "ne": not within, "gt": high > end, "lt": low < first, "ge": high > end or within,
        "le": low < first or within, "sa": low >= end, "eb": high <= first, "ap": low < end and high > first,
    }[asked.prefix]


def _number(value: Number | Quantity, asked: q.NumberIs) -> bool:
    low = Decimal("-Infinity") if value.low is None else value.low
    high = Decimal("Infinity") if value.high is None else value.high
    if isinstance(value, Quantity) and asked.code:
        if asked.system and (asked.system, asked.code) != (value.system, value.code):
            return False
        if not asked.system and asked.code not in (value.code, value.unit):
            return False
    within = asked.low <= low < asked.high and high < asked.high
    return {
        "eq": within, "ne": not within, "gt": high > asked.value, "lt": low < asked.value, "ge": high >= asked.value,
        "le": low <= asked.value, "sa": low > asked.value, "eb": high < asked.value,
        "ap": low <= asked.high and high >= asked.low,
    }[asked.prefix]


_FITS: dict[type, tuple[Any, Callable[..., bool]]] = {
    q.Tokens: (Token, _token), q.Texts: (Text, _text), q.Uris: (Uri, _uri), q.Links: (Reference, _link),
    q.Times: (Instants, _instants), q.Numbers: (Number | Quantity, _number),
}
