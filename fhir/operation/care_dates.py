"""When care took place: by that `start` and `end` of $everything choose (patient-operation-everything.html)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fhir.definitions.search_parameters import parameters
from fhir.search.query import AllOf, AnyOf, Condition, Match, Not, OfTypes, Present, TimeIs, Times
from fhir.search.values import Instants

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# of types whose parameter is not called `date`
_NAMED = {
    "ImagingStudy": "started", "ServiceRequest": "authored", "Condition": "onset-date",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective", "MedicationAdministration": "effective-time", "Task": "authored-on",
    "Specimen": "collected", "Communication": "sent", "Media": "created", "DocumentManifest": "created",
    "MedicationDispense": "whenhandedover", "QuestionnaireResponse": "authored", "CommunicationRequest": "authored",
    "DeviceRequest": "authored-on", "NutritionOrder": "datetime", "RequestGroup": "authored",
    "VisionPrescription": "datewritten", "ChargeItem": "occurrence", "Claim": "created", "ClaimResponse": "created",
    "CoverageEligibilityRequest": "created", "CoverageEligibilityResponse": "created",
    "ExplanationOfBenefit": "created", "DetectedIssue": "identified", "Goal": "start-date", "Account": "period",
    "Basic": "created", "Provenance": "recorded",
}  # fmt: skip


def within(types: Sequence[str], start: datetime | None, end: datetime | None) -> Condition | None:
    """Of what took place in a time, and of what says no time; None where none is asked for."""
    if start is None and end is None:
        return None
    named = {one: f"{one}.{code}" for one in types if (code := _code(one))}
    timeless = tuple(one for one in types if one not in named)
    names = tuple(named.values())
    bounds: list[Condition] = []
    if start is not None:
        bounds.append(Match(names, Times((TimeIs("ge", _at(start)),))))
    if end is not None:
        bounds.append(Match(names, Times((TimeIs("lt", _at(end)),))))
    undated = AllOf((OfTypes(tuple(named)), Not(Present(names, ("time",)))))
    rest = (OfTypes(timeless),) if timeless else ()
    return AnyOf((*((AllOf(tuple(bounds)), undated) if names else ()), *rest))


def _at(moment: datetime) -> Instants:
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    return Instants(microseconds, microseconds + 1)


def _code(resource_type: str) -> str:
    code = _NAMED.get(resource_type, "date")
    found = parameters()[resource_type].get(code)
    return code if found is not None and found.type == "date" else ""
