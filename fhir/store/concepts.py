"""Code systems in tables: those that are too large for a resource, loaded from files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.predicate import Params, within

_PAGE = 2_000
_LOADING = 0x66_68_69_72_63              # "fhirc": who takes keys for a code system


class Row(NamedTuple):
    """A concept. `told`: display, definition, designation, property as in CodeSystem.concept."""

    pk: int
    code: str
    parents: tuple[str, ...]
    told: Mapping[str, Any]


class New(NamedTuple):
    """A concept that is to be loaded. `above`: places in the file, from 0, of all concepts above it."""

    code: str
    searched: str
    parents: Sequence[str]
    above: Sequence[int]
    told: Mapping[str, Any]


class Loaded(NamedTuple):
    """A code system that is there."""

    pk: int
    organisation: int | None
    header: Mapping[str, Any]
    concepts: int


def systems(pool: Pool, scope: Scope, *, url: str = "", value_set: str = "") -> list[Loaded]:
    """Code systems that the asker sees, by their URL or by that of the value set of all their codes."""
    params = Params()
    wanted = [f"s.url = {params.add(url)}"] if url else []
    wanted += [f"s.header->>'valueSet' = {params.add(value_set)}"] if value_set else []
    statement = f"""select s.pk, s.organisation, s.header, s.concepts from fhir_code_system s
        where {" and ".join((*wanted, _seen(scope, params)))} order by s.url, s.pk"""
    return retried(pool, lambda lent: [Loaded(*row) for row in lent.execute(statement, params.values, prepare=True)])


def concept(pool: Pool, scope: Scope, system: int, code: str, *, folded: bool = False) -> Row | None:
    """A concept by its code; in any case with `folded`."""
    column, value = ("folded", code.casefold()) if folded else ("code", code)
    found = _rows(pool, scope, system, lambda params: f"c.{column} = {params.add(value)}", 1)
    return found[0] if found else None


def is_below(pool: Pool, scope: Scope, system: int, code: str, above: str) -> bool:
    """Whether a concept is under another one, at any distance."""
    def wanted(params: Params) -> str:
        return f"c.code = {params.add(code)} and {_under(params, system, above)}"

    return bool(_rows(pool, scope, system, wanted, 1))


def children(pool: Pool, scope: Scope, system: int, code: str, *, most: int) -> list[Row]:
    """Concepts right under one."""
    def wanted(params: Params) -> str:
        return f"{_under(params, system, code)} and {params.add(code)} = any(c.parents)"

    return _rows(pool, scope, system, wanted, most)


def select(pool: Pool, scope: Scope, system: int, *, below: str | None, words: Sequence[str]) -> Iterator[Row]:
    """Concepts in the order of their file: under one, with all words; read page by page."""
    last = 0

    def wanted(params: Params) -> str:
        parts = [f"c.pk > {params.add(last)}"]
        if below is not None:
            parts.append(_under(params, system, below))
        parts += [f"strpos(c.searched, {params.add(word)}) > 0" for word in words]
        return " and ".join(parts)

    while page := _rows(pool, scope, system, wanted, _PAGE):
        yield from page
        last = page[-1].pk


def begin(connection: Connection, *, organisation: int | None, header: Mapping[str, Any]) -> int:
    """Start to load a code system; nobody sees it before `finish`."""
    found = connection.execute(
        "insert into fhir_code_system (organisation, url, version, header) values (%s, %s, %s, %s) returning pk",
        (organisation, header["url"], header.get("version", ""), orjson.dumps(header).decode()),
    ).fetchone()
    if found is None:
        raise LookupError("a row that was put in is not there")
    return int(found[0])


def fill(connection: Connection, system: int, concepts: Iterable[New], count: int) -> None:
    """Put the concepts of a code system in, `count` of them; one code system after the other."""
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOADING,))
    first = connection.execute("select setval('fhir_concept_pk', nextval('fhir_concept_pk') + %s)", (count,)).fetchone()
    start = (first[0] if first else 0) - count
    statement = "copy fhir_concept (pk, system, code, folded, searched, parents, above, told) from stdin"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for number, one in enumerate(concepts):
            copy.write_row((
                start + number, system, one.code, one.code.casefold(), one.searched, list(one.parents),
                [start + place for place in one.above], orjson.dumps(one.told).decode(),
            ))  # fmt: skip


def finish(connection: Connection, system: int, count: int) -> None:
    """Let it be seen, in place of the same version that its owner had before."""
    connection.execute("""delete from fhir_code_system o using fhir_code_system s
        where s.pk = %s and o.pk <> s.pk and o.url = s.url and o.version = s.version
        and o.organisation is not distinct from s.organisation""", (system,))
    connection.execute("update fhir_code_system set ready = true, concepts = %s where pk = %s", (count, system))


def remove(pool: Pool, *, organisation: int | None, url: str, version: str) -> bool:
    """Take one away; whether it was there."""
    with lent(pool) as connection:
        done = connection.execute(
            """delete from fhir_code_system where url = %s and version = %s
            and organisation is not distinct from %s""", (url, version, organisation))
        return done.rowcount > 0


def _rows(pool: Pool, scope: Scope, system: int, wanted: Any, limit: int) -> list[Row]:
    params = Params()
    statement = f"""select c.pk, c.code, c.parents, c.told
        from fhir_concept c join fhir_code_system s on s.pk = c.system
        where c.system = {params.add(system)} and {wanted(params)} and {_seen(scope, params)}
        order by c.pk limit {params.add(limit)}"""
    found = retried(pool, lambda lent: lent.execute(statement, params.values).fetchall())
    return [Row(pk, code, tuple(parents), told) for pk, code, parents, told in found]


def _under(params: Params, system: int, code: str) -> str:
    return f"""c.above @> array(select a.pk from fhir_concept a
        where a.system = {params.add(system)} and a.code = {params.add(code)} limit 1)
        and exists (select from fhir_concept a where a.system = {params.add(system)} and a.code = {params.add(code)})"""


def _seen(scope: Scope, params: Params) -> str:
    """Everybody's, or one of the scope's organisations'."""
    return f"s.ready and (s.organisation is null or {within(scope, params, 's')})"
