"""Search rows: what parameters find in resources, written in the transaction that writes the resources.

Values go as a few arrays, however many resources there are: one statement for new ones, and one for others, which
leaves alone the rows that stay as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, Protocol

import orjson

from fhir.format import json
from fhir.search.keys import key, number, token_key
from fhir.search.text import narrative_of, text_of
from fhir.search.values import Found, Instants, Number, Quantity, Reference, Text, Token, Uri
from fhir.search.words import kept
from pacsd.codec.text import normalise
from pacsd.index.connect import Connection

MAX_TEXT = 400                           # characters of a value that are looked up; more does not fit into an index
_NOT_KEPT = frozenset(("_id", "_lastUpdated"))   # columns of the resource itself
_OPEN = (Decimal("-Infinity"), Decimal("Infinity"))


class Texts(NamedTuple):
    """What a resource says in its narrative, and altogether."""

    narrative: str
    content: str


class Written(Protocol):
    """A version by its body: JSON as given out, empty where the resource was deleted."""

    @property
    def body(self) -> bytes: ...


def texts(version: Written) -> Texts:
    """What a version says in words."""
    resource = _said(version.body)
    return Texts(narrative_of(resource), text_of(resource))


def _said(body: bytes) -> dict[str, Any]:
    """A resource for its words: quickly, and where a number is larger than a float holds all the same."""
    try:
        resource: dict[str, Any] = orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.read(body)
    return resource


class Indexed(Protocol):
    """A version whose rows are to stand, in place of those of the versions before it."""

    @property
    def pk(self) -> int: ...
    @property
    def organisation(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def found(self) -> Sequence[Found]: ...


class Table(NamedTuple):
    """A table of rows: its columns beside those that all have, and their types."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]


TABLES: Mapping[str, Table] = {
    "token": Table("fhir_token", ("code", "system"), ("bigint", "bigint")),
    "link": Table("fhir_reference", ("target",), ("bigint",)),
    "text": Table("fhir_string", ("exact", "value"), ("bigint", "text")),
    "uri": Table("fhir_uri", ("value",), ("text",)),
    "time": Table("fhir_date", ("low", "high"), ("bigint", "bigint")),
    "number": Table("fhir_number", ("low", "high", "system", "code", "unit"),
                    ("numeric", "numeric", "bigint", "bigint", "bigint")),
}  # fmt: skip
_SHARED = ("resource", "organisation", "param", "position")
_SHARED_TYPES = ("bigint", "integer", "integer", "smallint")
Row = tuple[Any, ...]


class Rows:
    """The port through which units of work write search rows. `texts` tells what a version says, for full text search;
    None: there is none."""

    def __init__(self, texts: Callable[[Any], Texts] | None = None) -> None:
        self._texts = texts

    def replace(self, connection: Connection, changes: Sequence[Indexed]) -> None:
        """Let the rows of these versions stand, in place of others'. The caller holds their locks, and commits."""
        if made := [one for one in changes if one.version == 1]:
            _insert(connection, made, self._words(made))
        if changed := [one for one in changes if one.version > 1]:
            _replace(connection, changed, self._words(changed))

    def _words(self, changes: Sequence[Indexed]) -> list[Any]:
        """Arrays of full text, for resources that have any."""
        if self._texts is None:
            return []
        told = [(one.pk, one.organisation, *map(kept, self._texts(one))) for one in changes if one.found]
        told = [one for one in told if one[3]]
        if not told:
            return []
        pks, organisations, narratives, contents = zip(*told, strict=True)
        return [array(pks), array(organisations), *([" ".join(one) for one in column]
                                                      for column in (narratives, contents))]  # fmt: skip


def rows(change: Indexed) -> dict[str, dict[Row, None]]:
    """The rows of a resource by kind of table, each once: resource, organisation, param, position, and the values."""
    made: dict[str, dict[Row, None]] = {}
    for name, value, position in change.found:
        if name in _NOT_KEPT:
            continue
        full = f"{change.type}.{name}"
        shared = (change.pk, change.organisation, number(full), _position(name, position))
        kind, encode = _KINDS[type(value)]
        kept_rows = made.setdefault(kind, {})
        for columns in encode(full, value):
            kept_rows[shared + columns] = None
    return made


def _position(name: str, position: int) -> int:
    """0, or of components from 1; those of an element with more than the column holds come last together."""
    return min(position + 1, 32_767) if "#" in name else 0


def _token(name: str, value: Token) -> Iterator[Row]:
    yield token_key(name, value.code), key(value.system)


def _text(_name: str, value: Text) -> Iterator[Row]:
    told = normalise(value.value)[:MAX_TEXT].strip()
    if told:
        yield key(value.value), told.encode("utf-8", "replace").decode()


def _uri(_name: str, value: Uri) -> Iterator[Row]:
    yield (uri_value(value.value),)


def _time(_name: str, value: Instants) -> Iterator[Row]:
    yield value.low, value.high


def _number(_name: str, value: Number) -> Iterator[Row]:
    yield (*_ends(value.low, value.high), 0, 0, 0)


def _quantity(_name: str, value: Quantity) -> Iterator[Row]:
    yield (*_ends(value.low, value.high), key(value.system), key(value.code), key(value.unit))


def _reference(_name: str, value: Reference) -> Iterator[Row]:
    if value.type and value.id:
        yield (key(f"{value.type}/{value.id}"),)
    else:
        yield (key(value.url),)
        if value.version:
            yield (key(f"{value.url}|{value.version}"),)


def _ends(low: Decimal | None, high: Decimal | None) -> tuple[Decimal, Decimal]:
    return (_OPEN[0] if low is None else low), (_OPEN[1] if high is None else high)


def uri_value(uri: str) -> str:
    """A URI as its rows tell it: of a long one the beginning, and its key for the rest."""
    plain = uri.replace("\0", "").encode("utf-8", "replace").decode()
    return plain if len(plain) <= MAX_TEXT else f"{plain[:MAX_TEXT]} {key(plain)}"


_KINDS: Mapping[type, tuple[str, Any]] = {
    Token: ("token", _token), Text: ("text", _text), Uri: ("uri", _uri), Instants: ("time", _time),
    Number: ("number", _number), Quantity: ("number", _quantity), Reference: ("link", _reference),
}


def _insert(connection: Connection, changes: Sequence[Indexed], texts: list[Any]) -> None:
    """Rows of resources that have none."""
    made = _together(changes)
    if made or texts:
        values = [column for kind in made for column in _columns(kind, made[kind])]
        connection.execute(_insertion(tuple(made), bool(texts)), [*values, *texts], prepare=True)


def _replace(connection: Connection, changes: Sequence[Indexed], texts: list[Any]) -> None:
    """Rows of resources that may have had others."""
    made = _together(changes)
    pks = array([one.pk for one in changes])
    values = [column for kind in TABLES for column in (*_columns(kind, made.get(kind, ())), pks)]
    connection.execute(_REPLACEMENT, [*values, *(texts or ["{}"] * 4), pks], prepare=True)


def _together(changes: Iterable[Indexed]) -> dict[str, list[Row]]:
    """Rows of all of them by kind, kinds in the order of TABLES."""
    made: dict[str, list[Row]] = {}
    for one in changes:
        for kind, found in rows(one).items():
            made.setdefault(kind, []).extend(found)
    return {kind: made[kind] for kind in TABLES if kind in made}


def _columns(kind: str, found: Sequence[Row]) -> list[Any]:
    """Rows as an array for each column."""
    table = TABLES[kind]
    types = (*_SHARED_TYPES, *table.types)
    turned: Iterable[Sequence[Any]] = zip(*found, strict=True) if found else ((),) * len(types)
    return [list(column) if kind == "text" else array(column) for column, kind in zip(turned, types, strict=True)]


def array(numbers: Iterable[Any]) -> str:
    """Numbers as PostgreSQL reads an array of them: a driver that looks at each costs more than all the rest."""
    return f"{{{','.join(map(str, numbers))}}}"


@cache
def _insertion(kinds: tuple[str, ...], texts: bool) -> str:
    parts = [f"{kind} as (insert into {TABLES[kind].name} ({_names(kind)}) {_given(kind)})" for kind in kinds]
    if texts:
        parts.append(f"words as (insert into fhir_text (resource, organisation, narrative, content) {_GIVEN_TEXTS})")
    return f"with {', '.join(parts)} select"


def _names(kind: str) -> str:
    return ", ".join((*_SHARED, *TABLES[kind].columns))


def _given(kind: str) -> str:
    arrays = ", ".join(f"%s::{one}[]" for one in (*_SHARED_TYPES, *TABLES[kind].types))
    return f"select * from unnest({arrays}) g ({_names(kind)})"


_GIVEN_TEXTS = """select resource, organisation, narrative::tsvector, content::tsvector
    from unnest(%s::bigint[], %s::integer[], %s::text[], %s::text[]) g (resource, organisation, narrative, content)"""


def _exchange(kind: str) -> str:
    """Parts of a statement that remove rows which are no longer so, and add those that are new."""
    table, names = TABLES[kind], (*_SHARED, *TABLES[kind].columns)
    same = " and ".join(f"g.{name} = t.{name}" for name in names)
    return f"""given_{kind} as materialized ({_given(kind)}),
        gone_{kind} as (delete from {table.name} t where t.resource = any(%s::bigint[])
            and not exists (select from given_{kind} g where {same})),
        new_{kind} as (insert into {table.name} ({_names(kind)})
            select {", ".join(f"g.{name}" for name in names)} from given_{kind} g
            where not exists (select from {table.name} t where {same}))"""


_REPLACEMENT = f"""with {", ".join(map(_exchange, TABLES))},
    given_words as materialized ({{words}}),
    gone_words as (delete from fhir_text t where t.resource = any(%s::bigint[])
        and not exists (select from given_words g where g.resource = t.resource)),
    new_words as (insert into fhir_text as t (resource, organisation, narrative, content) select * from given_words
        on conflict (resource) do update set narrative = excluded.narrative, content = excluded.content
        where (t.narrative, t.content) is distinct from (excluded.narrative, excluded.content))
    select""".replace("{words}", _GIVEN_TEXTS)
