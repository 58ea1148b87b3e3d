"""Code systems, value sets and concept maps of the R4 definitions (http://hl7.org/fhir/R4/terminologies-systems.html).

Without narrative and extensions: what is needed to tell codes, not to show pages.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir.definitions.structures import read


@cache
def _told() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Read at first use: 20,000 concepts take some 20 MB."""
    told: Mapping[str, Mapping[str, Mapping[str, Any]]] = read("terminology")
    return told


def code_systems() -> Mapping[str, Mapping[str, Any]]:
    """CodeSystem resources by canonical URL."""
    return _told()["CodeSystem"]


def value_sets() -> Mapping[str, Mapping[str, Any]]:
    """ValueSet resources by canonical URL."""
    return _told()["ValueSet"]


def concept_maps() -> Mapping[str, Mapping[str, Any]]:
    """ConceptMap resources by canonical URL."""
    return _told()["ConceptMap"]
