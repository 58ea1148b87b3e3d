"""Compartments: which resources belong to a patient, encounter, … (http://hl7.org/fhir/R4/compartmentdefinition.html)."""

from collections.abc import Mapping
from functools import cache

from fhir.definitions.structures import read

ITSELF = "{def}"


@cache
def compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Compartment (a resource type), resource type, and the reference parameters that put a resource into it.

    `{def}` among them stands for the resource whose compartment it is.
    """
    return {name: {resource: tuple(codes) for resource, codes in rows.items()}
            for name, rows in read("compartments").items()}
