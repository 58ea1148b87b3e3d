"""Versions of resources: one by its number, or a page of them, the newest first.

Whose they are is asked of the resource as it is now (http://hl7.org/fhir/R4/http.html#history): what was opened to a
reader is open with its past, what was closed is closed with it. A person sees of themselves what is released, and that
is the newest version at most: what it was before it was released is nothing to them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fhir.store.opened import open_resource
from fhir.store.resources import FIELDS
from fhir.store.stored import Name, Stored
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, retried
from pacsd.index.predicate import Params

_OF_VERSIONS = FIELDS.replace("pk", "resource", 1)


class Before(NamedTuple):
    """Where a page ended: the next one has what is older, in this order."""

    updated: datetime
    pk: int


@dataclass(frozen=True, slots=True)
class Span:
    """Which versions are asked for. `type` and `id` empty: of all types, of all resources.

    `since`: made at that instant or later. `at_from` and `at_until`: what was the newest at some instant between.
    """

    type: str = ""
    id: str = ""
    since: datetime | None = None
    at_from: datetime | None = None
    at_until: datetime | None = None


def version(pool: Pool, scope: Scope, name: Name, number: int) -> Stored | None:
    """One version of a resource the asker may see."""
    params = Params()
    mine = _mine(scope, params, Span(name.type, name.id))
    wanted = params.add(number)
    statement = f"""
        select {FIELDS} from fhir_resource r where {mine} and r.version = {wanted}
        union all
        select {_listed("v", _OF_VERSIONS)} from fhir_resource r join fhir_version v on v.resource = r.pk
        where {mine} and v.version = {wanted} and {_past(scope)}"""
    found = retried(
        pool, lambda connection: connection.execute(statement, params.values, prepare=True).fetchone(), scope
    )
    return None if found is None else Stored(*found)


def page(pool: Pool, scope: Scope, span: Span, *, limit: int, before: Before | None = None) -> list[Stored]:
    """At most `limit` versions, the last first, of what the asker may see."""
    params = Params()
    newest, earlier = (_wanted(scope, params, span, before, alias) for alias in ("r", "v"))
    order, most = "order by updated desc, pk desc", params.add(limit)
    statement = f"""
        select {FIELDS} from (
            (select {_listed("r", FIELDS)} from fhir_resource r where {newest} {order} limit {most})
            union all
            (select {_listed("v", _OF_VERSIONS)} from fhir_version v join fhir_resource r on r.pk = v.resource
            where {earlier} order by v.updated desc, v.resource desc limit {most})
        ) h ({FIELDS}) {order} limit {most}"""
    return retried(
        pool, lambda connection: [Stored(*row) for row in connection.execute(statement, params.values)], scope
    )


def count(pool: Pool, scope: Scope, span: Span) -> int:
    """How many versions there are of one resource."""
    params = Params()
    newest, earlier = (_wanted(scope, params, span, None, alias) for alias in ("r", "v"))
    statement = f"""select (select count(*) from fhir_resource r where {newest})
        + (select count(*) from fhir_version v join fhir_resource r on r.pk = v.resource where {earlier})"""
    found = retried(pool, lambda connection: connection.execute(statement, params.values).fetchone(), scope)
    return int(found[0]) if found else 0


def _wanted(scope: Scope, params: Params, span: Span, before: Before | None, alias: str) -> str:
    """Versions of `alias`: of r, the newest of each resource, or of v, those before it."""
    pk = "r.pk" if alias == "r" else "v.resource"
    parts = [_mine(scope, params, span)]
    if alias == "v":
        parts.append(_past(scope))
    if span.type and alias == "v":
        parts.append(f"v.type = {params.add(span.type)}")
    if span.since is not None:
        parts.append(f"{alias}.updated >= {params.add(span.since)}")
    if span.at_until is not None:
        parts.append(f"{alias}.updated < {params.add(span.at_until)}")
    if span.at_from is not None and alias == "v":
        parts.append(f"""(case when r.version = v.version + 1 then r.updated else (select n.updated from fhir_version n
            where n.resource = v.resource and n.version = v.version + 1) end) > {params.add(span.at_from)}""")
    if before is not None:
        parts.append(f"({alias}.updated, {pk}) < ({params.add(before.updated)}, {params.add(before.pk)})")
    return " and ".join(parts)


def _past(scope: Scope) -> str:
    """Whether earlier versions are open."""
    return "false" if scope.opened is not None and scope.opened.released_only else "true"


def _mine(scope: Scope, params: Params, span: Span) -> str:
    parts = [open_resource(scope, params, "r", "r.pk")]
    if scope.opened is not None and scope.opened.denies:
        parts.append("not r.deleted")        # of what is gone nothing tells any more whom it was about
    if span.type:
        parts.append(f"r.type = {params.add(span.type)}")
    if span.id:
        parts.append(f"r.id = {params.add(span.id)}")
    return " and ".join(parts)


def _listed(alias: str, fields: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in fields.split(", "))
