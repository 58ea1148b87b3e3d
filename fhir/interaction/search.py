"""search (http://hl7.org/fhir/R4/http.html#search): of a type, of all types, of a compartment; by GET and POST."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from fhir.interaction import demographics
from fhir.interaction.bundle import Link, bundle, found
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.outcome import Issue, outcome
from fhir.search import cursor
from fhir.search.conditions import Reader
from fhir.search.query import Include, Query
from fhir.search.request import Compartment, Limits, Parsed, read
from fhir.store.search import Hit, Page, Step, read_whole
from fhir.store.sorting import After
from fhir.terminology.port import Codes
from pacsd.access.scope import Scope

MAX_INCLUDED = 1_000                     # resources of one page beside its results
MAX_PAGE_BYTES = 32 << 20                # of results, and as many of what is shown beside them, about
MAX_ROUNDS = 6                           # of includes that start from what was included (:iterate)
_OF_THE_PAGE = ("_count", "_total", "_summary", "_elements", "_include", "_revinclude")


@dataclass(frozen=True, slots=True)
class _Included:
    """What is shown beside the results, and what is to be said of it."""

    hits: tuple[Hit, ...] = ()
    issues: tuple[Issue, ...] = ()


def search(server: Server, request: Request) -> Answer:
    """200 with a searchset Bundle: results, what they include, and what of the request was not applied.

    Unknown parameters are ignored with a warning, and refused with `Prefer: handling=strict`. The `next` link leads to
    what follows the last result, whatever is written meanwhile. Raises PacsdError.
    """
    parsed = _parsed(server, request)
    ignored = tuple(Issue("warning", "not-supported", f"{name[:64]} is unknown here or has no value, and was ignored")
                    for name in parsed.ignored)  # fmt: skip
    query, scope = parsed.query, request.asker.scope
    wanted: tuple[str, ...] = ()
    if demographics.is_asked(request):
        wanted = demographics.domains(query)
    if query.summary == "count" or query.count == 0:
        told = bundle("searchset", _said(ignored), total=server.searches.count(server.pool, scope, query),
                      links=[Link("self", _url(request, parsed.applied))])  # fmt: skip
        return Answer(200, resource=told)
    after = _after(server, request, parsed)
    page = server.searches.page(server.pool, scope, query, after, most_bytes=MAX_PAGE_BYTES)
    included = _included(server, request, query, page.hits)
    shown: Sequence[Hit] = page.hits
    if wanted:
        ignored += demographics.unknown(server, request, wanted, page.hits)
        shown = [demographics.narrowed(one, wanted) for one in page.hits]
    entries = [*(found(request.base, one, "match") for one in shown),
               *(found(request.base, one, "include") for one in included.hits), *_said(ignored + included.issues)]
    links = _links(server, request, parsed, page)
    total = _total(server, request, parsed, page)
    return Answer(200, resource=bundle("searchset", entries, total=total, links=links), shown=(*shown, *included.hits))


def criteria(server: Server, base: str, type_name: str, pairs: Iterable[tuple[str, str]]) -> Query:
    """The search of a conditional interaction: what is unknown in it is refused (http.html#ccreate)."""
    return read(_reader(server, base), [type_name], pairs, strict=True).query


def _parsed(server: Server, request: Request) -> Parsed:
    types = [request.type] if request.type else []
    compartment = None
    if request.compartment:
        compartment = Compartment(request.type, request.id)
        types = [] if request.compartment == "*" else [request.compartment]
    limits = Limits(server.limits.page, server.limits.max_page)
    return read(_reader(server, request.base, request.asker.scope), types, request.parameters, compartment=compartment,
                strict=request.handling == "strict", limits=limits)  # fmt: skip


def _reader(server: Server, base: str, scope: Scope | None = None) -> Reader:
    """With the codes that a reader sees; conditional interactions do without."""
    codes = None if scope is None else Codes(server.vocabulary.library(server.pool, scope))
    return Reader(base, server.zone, datetime.now(UTC), codes, full_text=server.full_text)


def _total(server: Server, request: Request, parsed: Parsed, page: Page) -> int | None:
    """How many results there are: as it was asked for, as the page itself tells, or as ITI-78 owes it."""
    if page.total is not None:
        return page.total
    if not parsed.cursor and not page.more:
        return len(page.hits)
    said = any(name == "_total" for name, _ in parsed.applied)
    if said or not (demographics.is_asked(request) and parsed.query.conditions):
        return None
    return server.searches.count(server.pool, request.asker.scope, parsed.query)


def _after(server: Server, request: Request, parsed: Parsed) -> After | None:
    if not parsed.cursor:
        return None
    secret = server.searches.secret(server.pool)
    return After(*cursor.read(parsed.cursor, secret=secret, search=_search_of(request, parsed)))


def _search_of(request: Request, parsed: Parsed) -> str:
    """What decides the results and their order: a cursor is of one such search, and no other."""
    told = [pair for pair in parsed.applied if pair[0].partition(":")[0] not in _OF_THE_PAGE]
    return json.dumps([request.type, request.id, request.compartment, told])


def _links(server: Server, request: Request, parsed: Parsed, page: Page) -> Iterator[Link]:
    url = _url(request, parsed.applied)
    yield Link("self", _with_cursor(url, parsed.cursor) if parsed.cursor else url)
    if parsed.cursor:
        yield Link("first", url)
    if page.more:
        last = page.hits[-1]
        told = cursor.written(last.sort, last.pk, secret=server.searches.secret(server.pool),
                              search=_search_of(request, parsed))  # fmt: skip
        yield Link("next", _with_cursor(url, told))


def _with_cursor(url: str, told: str) -> str:
    """The same search from there on; letters, digits, hyphens and underscores alone are a cursor."""
    return f"{url}{'&' if '?' in url else '?'}_cursor={told}"


def _url(request: Request, applied: Sequence[tuple[str, str]]) -> str:
    """The search as a URL of GET, whichever way it came."""
    parts = [one for one in (request.type, request.id, request.compartment) if one]
    query = urlencode(applied, quote_via=quote, safe=":/,|$-._~")
    return "/".join([request.base, *(quote(one, safe="*") for one in parts)]) + (f"?{query}" if query else "")


def _said(issues: Sequence[Issue]) -> Iterator[Mapping[str, Any]]:
    """An entry that says what is to be said of the search itself (search.html#errors)."""
    if issues:
        yield {"resource": outcome(issues), "search": {"mode": "outcome"}}


def _included(server: Server, request: Request, query: Query, hits: Sequence[Hit]) -> _Included:
    """What includes lead to: from the results, and with :iterate from what was included, each resource once."""
    found: dict[int, Hit] = {}
    there = [one.pk for one in hits]
    steps, room = _steps(query.includes, hits), MAX_PAGE_BYTES
    for _ in range(MAX_ROUNDS):
        if not steps:
            return _Included(tuple(found.values()))
        left = MAX_INCLUDED - len(found)
        new = server.searches.included(server.pool, request.asker.scope, steps, without=[*there, *found],
                                       limit=left + 1, most_bytes=room)  # fmt: skip
        shown = read_whole(new[:left])
        found.update((one.pk, one) for one in shown)
        if len(new) > left:
            return _Included(tuple(found.values()), (_cut(f"more than {MAX_INCLUDED} resources would be included"),))
        if len(shown) < len(new):
            return _Included(tuple(found.values()), (_cut(f"more than {MAX_PAGE_BYTES} bytes would be included"),))
        if steps := _steps([one for one in query.includes if one.iterate], new):
            room -= sum(len(one.body) for one in shown)
    return _Included(tuple(found.values()), (_cut(f"included resources lead on after {MAX_ROUNDS} rounds"),))


def _cut(why: str) -> Issue:
    return Issue("warning", "incomplete", f"not everything is included: {why}")


def _steps(includes: Iterable[Include], hits: Sequence[Hit]) -> list[Step]:
    """Includes with the results they may start from."""
    steps: list[Step] = []
    for one in includes:
        types = one.types if one.reverse else one.sources
        if pks := [hit.pk for hit in hits if not types or hit.type in types]:
            steps.append((one, pks))
    return steps
