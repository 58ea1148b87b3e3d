"""What a search of Patients owes who asks for demographics (IHE PDQm ITI-78), beside what any search owes."""

from collections.abc import Collection, Iterable, Sequence

from fhir.format import json
from fhir.format.summary import tagged
from fhir.interaction.request import Request
from fhir.interaction.services import Server
from fhir.matching.traits import rows
from fhir.outcome import Issue
from fhir.search.query import Match, Query, TokenIs, Tokens
from fhir.store.search import Hit

_IDENTIFIER = ("Patient.identifier",)
_MOST_DOMAINS = 8                        # that are asked for one by one


def is_asked(request: Request) -> bool:
    """Whether a search is one of Patients alone: with criteria it owes the number of all (3.78.4.1.3 case 1)."""
    return request.type == "Patient" and not request.compartment


def domains(query: Query) -> tuple[str, ...]:
    """The domains whose identifiers are wanted: those of `identifier=system|,system|` (3.78.4.1.2.3)."""
    found: dict[str, None] = {}
    for one in query.conditions:
        if isinstance(one, Match) and one.names == _IDENTIFIER and isinstance(one.comparison, Tokens):
            tokens = one.comparison.values
            if all(token.system and token.code is None for token in tokens):
                found.update((str(token.system), None) for token in tokens)
    return tuple(found)


def narrowed(hit: Hit, wanted: Collection[str]) -> Hit:
    """A Patient without identifiers of other domains, which a tag tells (3.78.4.1.3 case 2)."""
    told = json.read(hit.body)
    kept = [one for one in rows(told, "identifier") if one.get("system") in wanted]
    if len(kept) == len(list(rows(told, "identifier"))):
        return hit
    return hit._replace(body=json.write(tagged({**told, "identifier": kept})))


def unknown(server: Server, request: Request, wanted: Sequence[str], hits: Iterable[Hit]) -> tuple[Issue, ...]:
    """What is said of domains of which nobody has an identifier (3.78.4.1.3 case 4, the answer that is 200)."""
    known = {str(one.get("system")) for hit in hits for one in rows(json.read(hit.body), "identifier")}
    open_to_doubt = [one for one in wanted if one not in known][:_MOST_DOMAINS]
    return tuple(Issue("warning", "not-found", f"targetSystem not found: {one[:200]}")
                 for one in open_to_doubt if not _is_known(server, request, one))  # fmt: skip


def _is_known(server: Server, request: Request, system: str) -> bool:
    query = Query(("Patient",), (Match(_IDENTIFIER, Tokens((TokenIs(system, None),))),), count=1)
    return bool(server.searches.page(server.pool, request.asker.scope, query).hits)
