"""What search parameters find in a resource, ready to compare."""

from decimal import Decimal
from typing import NamedTuple


class Token(NamedTuple):
    """A code, identifier, flag or contact of a system; empty where there is none of it."""

    system: str
    code: str


class Text(NamedTuple):
    """A string as it stands in the resource."""

    value: str


class Uri(NamedTuple):
    """A URI, URL, OID or canonical as it stands in the resource."""

    value: str


class Instants(NamedTuple):
    """All instants that a date or period may mean, in microseconds since 1970 UTC; open ends are the type's limits."""

    low: int
    high: int                            # excluded


class Number(NamedTuple):
    """A number as both ends, or the ends of a Range; open ones are None."""

    low: Decimal | None
    high: Decimal | None


class Quantity(NamedTuple):
    """A number with a unit, as system and code, or as people write it."""

    low: Decimal | None
    high: Decimal | None
    system: str
    code: str
    unit: str


class Reference(NamedTuple):
    """Where a literal reference leads: to a resource of this server (type and id), or elsewhere (url)."""

    type: str
    id: str
    url: str
    version: str = ""


Value = Token | Text | Uri | Instants | Number | Quantity | Reference


class Found(NamedTuple):
    """A value under the name by which it is searched.

    Beside codes of parameters, names are: `code:text` (display of tokens and references), `code:of-type` (an
    identifier, as the Token of its type's system and `type-code|value`), `code:identifier` (of a logical
    reference), and `code#n` (component n, from 1, of a composite). `position` tells which components of a
    composite belong together.
    """

    name: str
    value: Value
    position: int = 0
