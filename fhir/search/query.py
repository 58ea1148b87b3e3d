"""What a search asks for, understood (http://hl7.org/fhir/R4/search.html): a tree of conditions, and what to show.

Parameters stand under the names of `fhir.search.values.Found` with the resource type before them: `Patient.name`.
All conditions but `Not` say of what types the resources are, by such names or by `types`.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from fhir.search.values import Instants

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
PREFIXES: tuple[Prefix, ...] = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


class TokenIs(NamedTuple):
    """A token of a system (empty: of none; None: of any) with a code (None: any)."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """One of these tokens."""

    values: tuple[TokenIs, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """One of these texts: what begins with it, is it to the letter, or has it somewhere."""

    how: Literal["begins", "exact", "contains"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uris:
    """One of these URIs, or one below or above it by its path."""

    how: Literal["equal", "below", "above"]
    values: tuple[str, ...]


class TimeIs(NamedTuple):
    """A date or time: how it compares with all instants it may mean."""

    prefix: Prefix
    range: Instants


@dataclass(frozen=True, slots=True)
class Times:
    """One of these dates or times."""

    values: tuple[TimeIs, ...]


class NumberIs(NamedTuple):
    """A number: how it compares, exactly and as the range its precision stands for; of quantities, with its unit.

    system: empty: whatever it is of; then `code` is a code or what people write. code empty: in whatever unit.
    """

    prefix: Prefix
    value: Decimal
    low: Decimal
    high: Decimal
    system: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """One of these numbers or quantities."""

    values: tuple[NumberIs, ...]


@dataclass(frozen=True, slots=True)
class Links:
    """A reference to one of these: `Patient/1`, or the URL of something elsewhere."""

    targets: tuple[str, ...]


Comparison = Tokens | Texts | Uris | Times | Numbers | Links


@dataclass(frozen=True, slots=True)
class Match:
    """Resources of which a value under one of these names fulfils a comparison."""

    names: tuple[str, ...]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Composite:
    """Resources of which an element fulfils all comparisons, each with the component of its number."""

    names: tuple[str, ...]
    parts: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """Resources that have any value under one of these names, in rows of these kinds."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]               # token, text, uri, time, number, link


@dataclass(frozen=True, slots=True)
class Chain:
    """Resources with a reference under one of these names to a resource, of one of these types, that fulfils more."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class ReverseChain:
    """Resources that another one, which fulfils a condition, refers to under one of these names (_has)."""

    names: tuple[str, ...]
    type: str                            # of the other one
    condition: "Condition"
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ids:
    """Resources with one of these logical ids."""

    ids: tuple[str, ...]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """Resources whose newest version was made at one of these times."""

    times: Times
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Resources with all of these words in their narrative, or anywhere."""

    words: tuple[str, ...]
    narrative: bool
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfTypes:
    """Resources of one of these types."""

    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Resources that do not fulfil a condition."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Resources that fulfil one of several conditions; none: nothing does."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Resources that fulfil all of several conditions."""

    conditions: tuple["Condition", ...]


Condition = Match | Composite | Present | Chain | ReverseChain | Ids | Updated | Words | OfTypes | Not | AnyOf | AllOf


@dataclass(frozen=True, slots=True)
class SortKey:
    """By what results are sorted. kind: text, time, number, uri, or `id` and `updated` of the resource itself."""

    kind: str
    names: tuple[str, ...]
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """What else is shown: resources that those found refer to under a name, or (`reverse`) that refer to them."""

    names: tuple[str, ...]               # empty: by every reference; never with `reverse`
    types: tuple[str, ...]               # of the resources that references lead to; empty: of any
    sources: tuple[str, ...]             # of the resources that hold the references; empty: of any
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A search. `types`: of what resources; empty: of all."""

    types: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    sort: tuple[SortKey, ...] = ()
    includes: tuple[Include, ...] = ()
    count: int = 50
    total: Literal["none", "estimate", "accurate"] = "none"
    summary: str = "false"               # true, text, data, count, false
