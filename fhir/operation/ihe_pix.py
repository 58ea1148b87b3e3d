"""Patient/$ihe-pix: identifiers of the same person in other domains (IHE PIXm ITI-83)."""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir.format import json
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.matching.candidates import by_identifiers, linked_to
from fhir.matching.grading import CERTAIN
from fhir.matching.traits import Resource, identifiers, rows
from fhir.operation.match import matches
from fhir.operation.parameters import In, given, parameters
from fhir.outcome import FhirError
from fhir.search.query import Ids, Match, Query, TokenIs, Tokens
from fhir.store.search import Hit
from pacsd.faults import Fault

PARAMETERS = (In("sourceIdentifier", "string"), In("targetSystem", "uri", None))
_MOST_RECORDS = 100                      # of one person
_SAME = ("seealso", "refer", "replaces", "replaced-by")


def ihe_pix(server: Server, request: Request) -> Answer:
    """200 with targetIdentifier and targetId of every record of the person, as far as the asker sees it.

    Raises FhirError as 3.83.4.2.2.2 to .4 have it: 404 `not-found`, 400 and 403 `code-invalid`. Who was merged into
    another is not found (3.83.4.2.2.5).
    """
    told = given(request, PARAMETERS)
    system, bar, value = str(told.required("sourceIdentifier")).partition("|")
    if not bar or not system or not value:
        raise FhirError(Fault.MALFORMED, "sourceIdentifier is system|value", code="value")
    targets = tuple(told.all("targetSystem"))
    cross = Crossing(server, request)
    if not cross.knows(system):
        raise FhirError(Fault.MISMATCH, "sourceIdentifier Assigning Authority not found", code="code-invalid")
    if not all(cross.knows(one) for one in targets):
        raise FhirError(Fault.REFUSED, "targetSystem not found", code="code-invalid")
    person = cross.person(system, value)
    if not person:
        raise FhirError(Fault.NOT_FOUND, "sourceIdentifier Patient Identifier not found")
    return Answer(200, resource=parameters(list(_told(request.base, person, (system, value), targets))))


class Crossing:
    """Records of persons as one reader sees them."""

    def __init__(self, server: Server, request: Request) -> None:
        self._server = server
        self._request = request
        self._read = server.searches, server.pool, request.asker.scope

    def knows(self, system: str) -> bool:
        """Whether a domain is one of identifiers here, or of this server's logical ids."""
        if system == self._request.base:
            return True
        wanted = Match(("Patient.identifier",), Tokens((TokenIs(system, None),)))
        return bool(self._found(Query(("Patient",), (wanted,), count=1)))

    def person(self, system: str, value: str) -> dict[int, Resource]:
        """All live records of who has an identifier, by key: those that link to each other, and certain matches.

        A record that was merged is told no more, but what is linked to it is the survivor's (3.104.4.2.3).
        """
        if system == self._request.base:
            ids = (value.removeprefix("Patient/"),)
            waiting = self._found(Query(("Patient",), (Ids(ids, ("Patient",)),), count=1))
        else:
            waiting = by_identifiers(*self._read, (TokenIs(system, value),))
        found: dict[int, Resource] = {}
        seen: set[int] = set()
        if not any(_is_live(json.read(hit.body)) for hit in waiting.values()):
            return found
        while waiting and len(seen) < _MOST_RECORDS:
            pk, hit = waiting.popitem()
            resource = json.read(hit.body)
            if pk in seen or not (_is_live(resource) or _is_merged(resource)):
                continue
            seen.add(pk)
            if _is_live(resource):
                found[pk] = resource
            waiting.update(self._beside(hit, resource))
        return found

    def _beside(self, hit: Hit, resource: Resource) -> dict[int, Hit]:
        """Records that are the same person as one."""
        names = (f"Patient/{hit.id}", f"{self._request.base}/Patient/{hit.id}")
        own = tuple(TokenIs(system, value) for system, value, _ in identifiers(resource) if system)
        near = linked_to(*self._read, names, own)
        ids = tuple(_linked_ids(resource, self._request.base))
        if ids:
            near.update(self._found(Query(("Patient",), (Ids(ids, ("Patient",)),), count=_MOST_RECORDS)))
        tokens = tuple(_linked_identifiers(resource))
        if tokens:
            near.update(by_identifiers(*self._read, tokens))
        certain = matches(self._server, self._request, dict(resource))
        near.update((one.hit.pk, one.hit) for one in certain if one.grade == CERTAIN)
        return near

    def _found(self, query: Query) -> dict[int, Hit]:
        searches, pool, scope = self._read
        return {hit.pk: hit for hit in searches.page(pool, scope, query).hits}


def _is_live(resource: Resource) -> bool:
    return resource.get("active") is not False


def _is_merged(resource: Resource) -> bool:
    """Whether another record has taken this one's place (http://hl7.org/fhir/R4/patient.html#dup-records)."""
    return any(one.get("type") == "replaced-by" for one in rows(resource, "link"))


def _links(resource: Resource) -> Iterator[Mapping[str, Any]]:
    for one in rows(resource, "link"):
        if one.get("type") in _SAME and isinstance(one.get("other"), dict):
            yield one["other"]


def _linked_ids(resource: Resource, base: str) -> Iterator[str]:
    for other in _links(resource):
        name = str(other.get("reference", "")).removeprefix(f"{base}/")
        if name.startswith("Patient/") and name.count("/") == 1:
            yield name.removeprefix("Patient/")


def _linked_identifiers(resource: Resource) -> Iterator[TokenIs]:
    for other in _links(resource):
        for system, value, _ in identifiers({"identifier": [other.get("identifier")]}):
            yield TokenIs(system, value)


def _told(
    base: str, person: Mapping[int, Resource], source: tuple[str, str], targets: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    seen = {source}
    for resource in person.values():
        for one in rows(resource, "identifier"):
            key = str(one.get("system", "")), str(one.get("value", ""))
            if all(key) and key not in seen and (not targets or key[0] in targets):
                seen.add(key)
                yield {"name": "targetIdentifier", "valueIdentifier": dict(one)}
    for resource in person.values():
        name = f"Patient/{resource['id']}"
        there = {system for system, _, _ in identifiers(resource)} | {base}
        if (base, name) != source and (not targets or there & set(targets)):
            yield {"name": "targetId", "valueReference": {"reference": f"{base}/{name}"}}
