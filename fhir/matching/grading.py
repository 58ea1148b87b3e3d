"""How sure it is that a Patient is somebody (http://hl7.org/fhir/R4/valueset-match-grade.html)."""

from dataclasses import dataclass
from typing import Any

from fhir.format import json
from fhir.matching.traits import Resource, identifiers, person
from fhir.store.search import Hit
from pacsd.identity.matching import Thresholds, compare, contradicts

CERTAIN, PROBABLE, POSSIBLE = "certain", "probable", "possible"
_LEAST_BITS = 8.0                        # of evidence, to be worth telling
_STEEPNESS = 4.0                         # bits by which the odds of the score double


@dataclass(frozen=True, slots=True)
class Graded:
    """A Patient with what speaks for it: `score` from 0 to 1, half at what people are asked to review."""

    hit: Hit
    resource: dict[str, Any]
    grade: str
    score: float


def graded(wanted: Resource, hit: Hit, thresholds: Thresholds) -> Graded | None:
    """A candidate's grade; None for one of whom too little is like that.

    Certain is who has the same identifier of one domain and nothing that contradicts, and whom the machine would link
    without asking (pacsd.identity.matching).
    """
    resource = json.read(hit.body)
    one, other = person(wanted, 0), person(resource, 1)
    found = compare(one, other, thresholds)
    same = _share_identifier(wanted, resource)
    if found.automatic or (same and not contradicts(one, other) and found.score > -_LEAST_BITS):
        return Graded(hit, resource, CERTAIN, max(0.95, _score(found.score, thresholds)))
    if found.score < _LEAST_BITS and not same:
        return None
    score = _score(found.score, thresholds)
    probable = found.score >= thresholds.review and not found.contradictory
    return Graded(hit, resource, PROBABLE if probable else POSSIBLE, min(score, 0.94))


def _score(bits: float, thresholds: Thresholds) -> float:
    return float(1 / (1 + 2 ** max(min((thresholds.review - bits) / _STEEPNESS, 60.0), -60.0)))


def _share_identifier(one: Resource, other: Resource) -> bool:
    first, second = ({(system, value) for system, value, _ in identifiers(each) if system} for each in (one, other))
    return bool(first & second)
