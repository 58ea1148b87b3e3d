"""Observation (http://hl7.org/fhir/R4/observation.html): measured and coded results of reports.

What is only text stays in the report: its conclusion and the text it presents.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from fhir.format.instants import instant
from fhir.projection.datatypes import coding, hl7_moment, plain
from fhir.projection.practitioner import person
from fhir.projection.projected import House, Known, Projected, Resource, without_empty
from fhir.projection.report_source import ReportSource, subject
from fhir.projection.systems import INTERPRETATIONS, UCUM
from pacsd.reports.report import Observation

IMAGING = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}]}
_NUMERIC, _CODED = ("NM", "SN"), ("CE", "CWE", "CNE", "CF")
# HL7 table 0085
STATUSES = {
    "P": "preliminary", "F": "final", "C": "corrected", "R": "registered", "I": "registered", "S": "preliminary",
    "U": "final", "O": "registered", "B": "final", "A": "amended", "V": "final",
}  # fmt: skip
# of HL7 table 0078 what ObservationInterpretation has, too
FLAGS = frozenset(("L", "LL", "H", "HH", "A", "AA", "N", "U", "D", "B", "W", "S", "R", "I", "MS", "VS", "<", ">", "POS",
                   "NEG", "IND", "DET", "ND"))  # fmt: skip
_STRUCTURED = re.compile(r"(<=|>=|<|>)?\s*([+-]?\d+(?:\.\d+)?)", re.ASCII)


def is_result(one: Observation) -> bool:
    """Whether this is more than text."""
    return one.kind in _NUMERIC or (one.kind in _CODED and one.value is not None) or bool(one.flags and one.units)


def result_id(house: House, report: str, place: int) -> str:
    """The id of the result in that place of a report."""
    return house.id_of("result", report, str(place))


def observations(house: House, source: ReportSource, known: Known) -> Iterator[Projected]:
    """The results of what counts of a report."""
    results = [one for one in source.counting.content.observations if is_result(one)]
    for place, one in enumerate(results):
        resource = _observation(house, source, one, subject(house, source, known))
        yield Projected(source.organisation, source.feed(house),
                        {"resourceType": "Observation", "id": result_id(house, source.name, place), **resource})


def _observation(house: House, source: ReportSource, one: Observation, about: Resource) -> Resource:
    content = source.counting.content
    at = hl7_moment(content.observed, house.zone)
    return without_empty({
        "status": STATUSES.get(one.status, "unknown"),
        "category": [IMAGING],
        "code": _code(house, one),
        "subject": about,
        "effectiveDateTime": at.isoformat() if at else "",
        "issued": instant(source.counting.version.issued_at or source.counting.version.said_at),
        "performer": [person(house, content.author)] if content.author else [],
        **_value(house, one),
        "interpretation": [_interpretation(house, flag) for flag in one.flags],
        "referenceRange": [{"text": plain(one.reference_range)}] if plain(one.reference_range) else [],
    })  # fmt: skip


def _code(house: House, one: Observation) -> Resource:
    if not one.code.value:
        return {"text": plain(one.label or one.code.meaning) or "result"}
    return {"coding": [coding(house, one.code.value, one.code.meaning, one.code.scheme)]}


def _value(house: House, one: Observation) -> dict[str, Any]:
    if one.value is not None and one.kind in _CODED:
        return {"valueCodeableConcept": {"coding": [coding(house, one.value.value, one.value.meaning,
                                                           one.value.scheme)]}}  # fmt: skip
    found = _STRUCTURED.fullmatch(one.text.strip()) if one.kind in _NUMERIC else None
    if found is None:
        return {"valueString": plain(one.text)}
    return {"valueQuantity": _quantity(Decimal(found[2]), found[1] or "", one)}


def _quantity(value: Decimal, comparator: str, one: Observation) -> Resource:
    units = one.units
    if units is None:
        return without_empty({"value": value, "comparator": comparator})
    ucum = units.scheme.upper() == "UCUM"
    return without_empty({
        "value": value, "comparator": comparator, "unit": plain(units.meaning or units.value),
        "system": UCUM if ucum and units.value else "", "code": "".join(units.value.split()) if ucum else "",
    })  # fmt: skip


def _interpretation(house: House, flag: str) -> Resource:
    if flag in FLAGS:
        return {"coding": [{"system": INTERPRETATIONS, "code": flag}]}
    return {"coding": [coding(house, flag)], "text": plain(flag)}
