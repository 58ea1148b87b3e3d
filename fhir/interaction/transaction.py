"""transaction (http://hl7.org/fhir/R4/http.html#trules): all entries are done, or none.

Deletions come first, then creates, updates and patches, which are one step here: no two speak of one resource, and what
refers to an entry's fullUrl refers to the resource in the end. What is read or searched for sees what was written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from fhir.interaction.bundle import bundle
from fhir.interaction.dispatch import place
from fhir.interaction.entries import Entry, Room, answered, entry
from fhir.interaction.permission import admitted
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.writing import INTENTS, Intent, write_all
from fhir.outcome import FhirError, located
from fhir.store.unit import Unit
from pacsd.access.operations import Operation
from pacsd.faults import Fault

_CHANGING = tuple(INTENTS)
_ONE, _ALL = "{type}/{id}", "{type}"     # paths of what is written
_SEARCH = "_search"
AUDIT = "AuditEvent"                     # kept elsewhere: fhir.audit


def transaction(server: Server, request: Request, given: Sequence[Mapping[str, Any]]) -> Answer:
    """200 with an answer for each entry, in their order. Raises FhirError: nothing was done, and which entry is why."""
    asked = []
    for number, told in enumerate(given):
        with located(f"Bundle.entry[{number}]"):
            asked.append(entry(request, told, number))
    written = [number for number, one in enumerate(asked) if _writes(server, one)]
    shown: dict[int, orjson.Fragment] = {}

    def read(unit: Unit) -> None:
        within, room = replace(server, pool=unit.pool), Room(server.limits)
        for number, one in enumerate(asked):
            if number not in writing:
                with located(one.where):
                    room.entered()
                    answer = server.perform(within, one.request, one.path)
                    shown[number] = room.left(answered(answer, one.request))

    writing = set(written)
    intents = _intents(server, [asked[number] for number in written])
    answers = dict(zip(written, write_all(server, request.asker, intents, read), strict=True))
    return Answer(200, resource=bundle("transaction-response", (
        answered(answers[number], one.request) if number in answers else shown[number]
        for number, one in enumerate(asked))))


def _writes(server: Server, one: Entry) -> bool:
    """Whether an entry writes. Raises FhirError for an operation that does: it is no part of a transaction."""
    last = one.path.rstrip("/").rpartition("/")[2]
    if one.request.method == "GET" or last == _SEARCH:
        return False
    if last.startswith("$"):
        if _changes(server, last[1:]):
            with located(one.where):
                raise FhirError(Fault.UNSUPPORTED, "an operation that changes something is asked for alone")
        return False
    return True


def _changes(server: Server, operation: str) -> bool:
    """Whether any operation of that name changes something; one that there is not is refused when it is done."""
    return any(one.affects_state or one.goes_on for one in server.claims.operations if one.name == operation)


def _intents(server: Server, asked: Sequence[Entry]) -> list[Intent]:
    """What is to be written. Raises FhirError where two entries have one fullUrl, or one cannot be done."""
    intents, names = [], set()
    for one in asked:
        with located(one.where):
            if one.full_url and one.full_url in names:
                raise FhirError(Fault.MISMATCH, "another entry has the same fullUrl", code="duplicate")
            names.add(one.full_url)
            intents.append(replace(_intent(server, one), where=one.where))
    return intents


def _intent(server: Server, one: Entry) -> Intent:
    found = place(one.path)
    request = replace(one.request, type=found.type, id=found.id)
    wanted = (_ALL,) if request.method == "POST" else (_ALL, _ONE)
    if request.method not in _CHANGING or found.shape not in wanted:
        raise FhirError(Fault.UNSUPPORTED, "this method is not for this path", status=405)
    if found.type == AUDIT:
        raise FhirError(Fault.UNSUPPORTED, "audit events are fed one by one, or in a batch", code="not-supported")
    admitted(request, Operation.WRITE_RESOURCES, found.type)
    return INTENTS[request.method](server, request, full_url=one.full_url)
