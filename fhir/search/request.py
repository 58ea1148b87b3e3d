"""A search request read into a Query (http://hl7.org/fhir/R4/search.html), and what of it was applied."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fhir.definitions.compartments import ITSELF, compartments
from fhir.definitions.search_parameters import parameters
from fhir.search import parameters as named
from fhir.search.conditions import Reader
from fhir.search.query import AnyOf, Condition, Ids, Include, Links, Match, Query, SortKey
from pacsd.faults import Fault, PacsdError

MAX_PARAMETERS = 64
MAX_INCLUDES = 32
MAX_SORT_KEYS = 4
FORMATS = frozenset(("_format", "_pretty"))      # of the answer, not of the search
_OF_THE_ANSWER = frozenset(("_elements",))       # it decides how results are written, not which
SUMMARIES = ("true", "text", "data", "count", "false")
TOTALS = ("none", "estimate", "accurate")


class Compartment(NamedTuple):
    """`Patient/1/Observation` is Observation in the compartment (Patient, 1)."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How many results a page has if nothing is asked for, and at most."""

    count: int = 50
    most: int = 1000


@dataclass(frozen=True, slots=True)
class Parsed:
    """A request that has been understood. `applied`: its parameters as they count, for the `self` link."""

    query: Query
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]             # names of parameters that are unknown here, or sort by what is not sorted by
    cursor: str = ""


@dataclass(slots=True)
class _Draft:
    """What has been read so far."""

    types: tuple[str, ...]
    conditions: list[Condition] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    applied: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    cursor: str = ""


def read(
    reader: Reader,
    types: Sequence[str],
    pairs: Iterable[tuple[str, str]],
    *,
    compartment: Compartment | None = None,
    strict: bool = False,
    limits: Limits = Limits(),
) -> Parsed:
    """Understand a search of these types (none: of all) by names and values in their order.

    `strict`: unknown parameters are refused, as `Prefer: handling=strict` asks and as conditional interactions must.
    Raises PacsdError: MISMATCH (a value), UNSUPPORTED (a modifier, or what is unknown), TOO_BROAD (above a limit).
    """
    told = [(name, value) for name, value in pairs if name not in FORMATS]
    if len(told) > MAX_PARAMETERS:
        raise PacsdError(Fault.TOO_BROAD, f"more than {MAX_PARAMETERS} search parameters")
    draft = _Draft(_types(types, told))
    if compartment is not None:
        draft.conditions.append(_inside(compartment, draft.types))
    for name, value in told:
        if name == "_type" and not types:
            draft.applied.append((name, value))
        elif not (value.strip() and _apply(reader, draft, name, value, limits)):
            _refuse_of_some(draft.types, name)
            draft.ignored.append(name)
    if strict and draft.ignored:
        raise PacsdError(Fault.UNSUPPORTED, f"unknown here, or without a value: {', '.join(draft.ignored)[:200]}")
    if draft.includes and draft.options.get("summary") == "text":
        raise PacsdError(Fault.MISMATCH, "_summary=text goes with neither _include nor _revinclude")
    query = Query(draft.types, tuple(draft.conditions), includes=tuple(draft.includes),
                  **{"count": limits.count} | draft.options)
    return Parsed(query, tuple(draft.applied), tuple(draft.ignored), draft.cursor)


def _apply(reader: Reader, draft: _Draft, name: str, value: str, limits: Limits) -> bool:
    """Take one parameter in; False if it is unknown."""
    if name == "_cursor":
        draft.cursor = value
        return True
    code, _, modifier = name.partition(":")
    if name in _OPTIONS:
        key, read_option = _OPTIONS[name]
        if key in draft.options:
            raise PacsdError(Fault.MISMATCH, f"{name} more than once")
        option = read_option(draft, value, limits)
        if option is None:
            return False
        draft.options[key] = option
        value = str(option) if key == "count" else value
    elif name in _OF_THE_ANSWER:
        if any(there == name for there, _ in draft.applied):
            raise PacsdError(Fault.MISMATCH, f"{name} more than once")
    elif code in ("_include", "_revinclude"):
        include = _include(code, modifier, value)
        if include is None:
            return False
        if len(draft.includes) == MAX_INCLUDES:
            raise PacsdError(Fault.TOO_BROAD, f"more than {MAX_INCLUDES} includes")
        draft.includes.append(include)
    else:
        condition = reader.condition(draft.types or named.all_types(), name, value)
        if condition is None:
            return False
        draft.conditions.append(condition)
    draft.applied.append((name, value))
    return True


def _types(types: Sequence[str], told: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The types of the search; a system-level one may narrow them (search.html#type)."""
    asked = [one for name, value in told if name == "_type" for one in value.split(",")]
    if types or not asked:
        return tuple(types)
    if unknown := sorted(set(asked) - set(named.all_types())):
        raise PacsdError(Fault.MISMATCH, f"no resource type: {', '.join(unknown)[:100]}")
    return tuple(dict.fromkeys(asked))


def _refuse_of_some(types: Sequence[str], name: str) -> None:
    """Raises PacsdError MISMATCH for a parameter that only some of several types have (http.html#vsearch)."""
    code = name.partition(".")[0].partition(":")[0]
    if len(types) > 1 and not named.of_all(types, code) and named.of_any(types, code):
        raise PacsdError(Fault.MISMATCH, f"{code[:64]} is no parameter of all these resource types")


def _inside(compartment: Compartment, types: Sequence[str]) -> Condition:
    """Resources of a compartment, by the references that put them there (compartmentdefinition.html).

    Raises PacsdError NOT_FOUND where there is no such compartment.
    """
    rows = compartments().get(compartment.type)
    if rows is None:
        raise PacsdError(Fault.NOT_FOUND, f"there is no compartment of {compartment.type}")
    wanted = types or tuple(rows)
    names = tuple(f"{one}.{code}" for one in wanted for code in rows.get(one, ()) if code != ITSELF)
    found: list[Condition] = [Match(names, Links((f"{compartment.type}/{compartment.id}",)))] if names else []
    if compartment.type in wanted:           # in its own compartment, whatever the definition lists
        found.append(Ids((compartment.id,), (compartment.type,)))
    return AnyOf(tuple(found))


def _count(_draft: _Draft, value: str, limits: Limits) -> int:
    """`_count`: above the most it is the most (search.html#count)."""
    if not (value.isascii() and value.isdigit()):
        raise PacsdError(Fault.MISMATCH, "_count is a number of results")
    return min(int(value[:10]), limits.most)


def _sort(draft: _Draft, value: str, _limits: Limits) -> tuple[SortKey, ...] | None:
    """`_sort=-date,name` (search.html#sort); None if there is one by which nothing is sorted here."""
    keys = [_sort_key(draft.types or named.all_types(), one.strip()) for one in value.split(",")]
    if len(keys) > MAX_SORT_KEYS:
        raise PacsdError(Fault.TOO_BROAD, f"more than {MAX_SORT_KEYS} keys to sort by")
    return None if None in keys else tuple(one for one in keys if one is not None)


def _sort_key(types: Sequence[str], text: str) -> SortKey | None:
    code, descending = text.removeprefix("-"), text.startswith("-")
    if code in ("_id", "_lastUpdated"):
        return SortKey("id" if code == "_id" else "updated", (), descending)
    found = named.of_all(types, code)
    kinds = {named.SORTABLE.get(one.type) for one in found}
    if len(kinds) != 1 or (kind := kinds.pop()) is None:
        return None
    return SortKey(kind, tuple(map(named.full_name, found)), descending)


def _one_of(words: Sequence[str], name: str) -> Callable[[_Draft, str, Limits], str]:
    def read_word(_draft: _Draft, value: str, _limits: Limits) -> str:
        if value not in words:
            raise PacsdError(Fault.MISMATCH, f"{name} is one of {', '.join(words)}")
        return value
    return read_word


def _include(code: str, modifier: str, value: str) -> Include | None:
    """`_include=Type:parameter:Target`, `_include=*` (search.html#revinclude); None if it names what is unknown."""
    if modifier not in ("", "iterate", "recurse"):
        raise PacsdError(Fault.UNSUPPORTED, f"{code} takes no modifier :{modifier}")
    reverse, iterate = code == "_revinclude", modifier != ""
    source, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    if value == "*":
        return Include(_any_reference(named.all_types()) if reverse else (), (), (), reverse, iterate)
    if source not in named.all_types() or (target and target not in named.all_types()):
        return None
    targets = (target,) if target else ()
    if parameter == "*":
        return Include(_any_reference([source]) if reverse else (), targets, (source,), reverse, iterate)
    found = [one for one in named.of_any([source], parameter) if one.type == "reference"]
    if not found or (target and target not in named.targets(found[0])):
        return None
    return Include(tuple(map(named.full_name, found)), targets, (source,), reverse, iterate)


def _any_reference(types: Iterable[str]) -> tuple[str, ...]:
    """Every reference parameter of some types."""
    return tuple(named.full_name(one) for name in types for one in parameters()[name].values()
                 if one.type == "reference")  # fmt: skip


_OPTIONS: Mapping[str, tuple[str, Callable[[_Draft, str, Limits], Any]]] = {
    "_count": ("count", _count), "_sort": ("sort", _sort),
    "_summary": ("summary", _one_of(SUMMARIES, "_summary")), "_total": ("total", _one_of(TOTALS, "_total")),
}
