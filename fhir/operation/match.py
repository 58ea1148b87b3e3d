"""Patient/$match (http://hl7.org/fhir/R4/patient-operation-match.html; IHE PDQm ITI-119)."""

from typing import Any

from fhir.interaction.bundle import bundle, found
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.matching.candidates import candidates
from fhir.matching.grading import CERTAIN, Graded, graded
from fhir.operation.parameters import In, given
from fhir.outcome import FhirError
from pacsd.faults import Fault

PARAMETERS = (In("resource", "Resource"), In("onlyCertainMatches", "boolean"), In("count", "integer"))
MOST = 100                               # records in one answer
_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def match(server: Server, request: Request) -> Answer:
    """200 with a searchset, the likeliest first, each with score and grade (ITI TF-2 3.119.4.1.3).

    Records that were merged into others are not among them (case 8). With onlyCertainMatches nothing is answered where
    several are certain that contradict each other by more than their records (case 5).
    """
    told = given(request, PARAMETERS, alone="resource")
    wanted = told.object("resource")
    if wanted is None or wanted.get("resourceType") != "Patient":
        raise FhirError(Fault.MALFORMED, "the parameter resource is a Patient", code="required")
    count = told.number("count")
    if count is not None and count < 0:
        raise FhirError(Fault.MALFORMED, "count is not below 0", code="value")
    like = matches(server, request, wanted)
    if told.flag("onlyCertainMatches"):
        like = _one_person([one for one in like if one.grade == CERTAIN], server)
    shown = like[: MOST if count is None else min(count, MOST)]
    return Answer(200, resource=bundle("searchset", (_entry(request.base, one) for one in shown), total=len(like)))


def matches(server: Server, request: Request, wanted: dict[str, Any]) -> list[Graded]:
    """Live records that are like a Patient, the likeliest first."""
    scope = request.asker.scope
    like = (graded(wanted, hit, server.thresholds)
            for hit in candidates(server.searches, server.pool, scope, wanted).values())  # fmt: skip
    live = (one for one in like if one is not None and one.resource.get("active") is not False)
    return sorted(live, key=lambda one: (-one.score, one.hit.pk))


def _one_person(like: list[Graded], server: Server) -> list[Graded]:
    """All of them if they are certainly one person, else none."""
    sure = (graded(like[0].resource, one.hit, server.thresholds) for one in like[1:])
    return like if all(one is not None and one.grade == CERTAIN for one in sure) else []


def _entry(base: str, one: Graded) -> dict[str, Any]:
    grade = [{"url": _GRADE, "valueCode": one.grade}]
    return found(base, one.hit, "match", extension=grade, score=round(one.score, 4))
