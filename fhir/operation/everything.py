"""$everything of a Patient or an Encounter (http://hl7.org/fhir/R4/patient-operation-everything.html).

The compartment of the resource, and what its resources refer to outside of it: practitioners, organisations, places,
devices, medication. It comes in pages, each a search like others; what is referred to comes with every page that does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from fhir.definitions.compartments import compartments
from fhir.definitions.structures import structures
from fhir.interaction.bundle import Link, bundle, found
from fhir.interaction.request import Answer, Request
from fhir.interaction.search import MAX_PAGE_BYTES
from fhir.interaction.services import Server
from fhir.interaction.times import period
from fhir.operation.care_dates import within
from fhir.operation.parameters import Given, In, given
from fhir.operation.stated import stored
from fhir.outcome import FhirError, Issue, outcome
from fhir.search import cursor
from fhir.search.conditions import Reader
from fhir.search.query import Include, Query
from fhir.search.request import Compartment, read
from fhir.store.search import Hit, Page, read_whole
from fhir.store.sorting import After
from pacsd.faults import Fault

PARAMETERS = (
    In("start", "date"), In("end", "date"), In("_since", "instant"), In("_type", "code", None), In("_count", "integer"),
    In("_cursor", "string"),
)  # fmt: skip
MOST_REFERRED = 1_000                    # resources outside of the compartment that come with one page


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    include: Include | None
    applied: tuple[tuple[str, str], ...]
    cursor: str
    shown: frozenset[str] | None         # types that are asked for; None: all


def everything(server: Server, request: Request) -> Answer:
    """200 with a searchset; the `next` link leads on, whatever is written meanwhile. Raises FhirError."""
    told = given(request, PARAMETERS)
    stored(server, request)
    asked = _asked(server, request, told)
    search = json.dumps([request.type, request.id, "$everything", asked.applied])
    secret = server.searches.secret(server.pool)
    after = After(*cursor.read(asked.cursor, secret=secret, search=search)) if asked.cursor else None
    page = server.searches.page(server.pool, request.asker.scope, asked.query, after, most_bytes=MAX_PAGE_BYTES)
    referred = _referred(server, request, asked.include, page.hits)
    whole = read_whole(referred[:MOST_REFERRED])
    issues = [Issue("warning", "incomplete", f"more than {MOST_REFERRED} resources, or {MAX_PAGE_BYTES} bytes, are "
                    "referred to")] if len(referred) > len(whole) else []  # fmt: skip
    entries = [*(found(request.base, one, "match") for one in page.hits if asked.shown is None or one.type in
                 asked.shown),
               *(found(request.base, one, "include") for one in whole),
               *({"resource": outcome([one]), "search": {"mode": "outcome"}} for one in issues)]  # fmt: skip
    total = sum(one["search"]["mode"] == "match" for one in entries) if after is None and not page.more else None
    links = _links(request, asked, page, secret, search)
    return Answer(200, resource=bundle("searchset", entries, total=total, links=links))


def _asked(server: Server, request: Request, told: Given) -> _Asked:
    types = [one for text in told.all("_type") for one in text.split(",") if one]
    if unknown := [one for one in types if one not in structures().resource_types]:
        raise FhirError(Fault.MALFORMED, f"{unknown[0][:64]!r} is no resource type", code="value")
    inside = compartments()[request.type]
    every = tuple(sorted({*inside, request.type}))
    # who asks for types outside of the compartment gets those that any resource inside refers to
    searched = tuple(types) if types and set(types) <= set(every) else every
    applied = [(name, value) for name in ("start", "end", "_since", "_type", "_count")
               if (value := ",".join(map(str, told.all(name))))]  # fmt: skip
    count = told.number("_count")
    if count is not None and count < 1:
        raise FhirError(Fault.MALFORMED, "_count is a number above 0", code="value")
    reader = Reader(request.base, server.zone, datetime.now(UTC))
    parameters = [("_type", ",".join(searched)),
                  ("_count", str(min(count or server.limits.page, server.limits.max_page)))]  # fmt: skip
    if since := told.text("_since"):
        period(since, "_since")
        parameters.append(("_lastUpdated", f"ge{since}"))
    query = read(reader, [], parameters, compartment=Compartment(request.type, request.id)).query
    end = told.text("end")
    care = within(query.types, told.instant("start"), period(end, "end")[1] if end else None)
    if care is not None:
        query = Query(query.types, (*query.conditions, care), count=query.count)
    return _Asked(query, _outside(inside, types, request.type), tuple(applied), told.text("_cursor"),
                  frozenset(types) if types else None)  # fmt: skip


def _outside(inside: Any, types: Sequence[str], own: str) -> Include | None:
    """References to types that no compartment of this kind holds; of an encounter, also its patient."""
    there = tuple(one for one in structures().resource_types if (one not in inside or (own != "Patient" and
                  one == "Patient")) and (not types or one in types))  # fmt: skip
    return Include((), there, ()) if there else None


def _referred(server: Server, request: Request, include: Include | None, hits: Sequence[Hit]) -> list[Hit]:
    pks = [one.pk for one in hits]
    if include is None or not pks:
        return []
    return server.searches.included(server.pool, request.asker.scope, [(include, pks)], without=pks,
                                    limit=MOST_REFERRED + 1, most_bytes=MAX_PAGE_BYTES)  # fmt: skip


def _links(request: Request, asked: _Asked, page: Page, secret: bytes, search: str) -> Iterator[Link]:
    path = f"{request.base}/{request.type}/{quote(request.id)}/$everything"

    def url(more: Sequence[tuple[str, str]]) -> str:
        query = urlencode([*asked.applied, *more])
        return f"{path}?{query}" if query else path

    yield Link("self", url([("_cursor", asked.cursor)] if asked.cursor else []))
    if page.more:
        last = page.hits[-1]
        yield Link("next", url([("_cursor", cursor.written(last.sort, last.pk, secret=secret, search=search))]))
