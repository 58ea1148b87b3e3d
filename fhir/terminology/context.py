"""The context of a value set (`$expand`, parameter `context`): the element that it is bound to.

`[URL of a StructureDefinition]#[path of an element]`: http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender.
"""

from fhir.definitions.structures import Element, structures
from fhir.outcome import FhirError
from pacsd.faults import Fault

_PREFIX = "http://hl7.org/fhir/StructureDefinition/"


def bound(context: str) -> str:
    """The value set of an element of R4. Raises FhirError NOT_FOUND for one that is none, or has no binding."""
    url, _, path = context.partition("#")
    name = url.removeprefix(_PREFIX)
    if name == url or name not in structures():
        raise FhirError(Fault.NOT_FOUND, "the context is of no structure that R4 defines")
    binding = _element(name, path).binding
    if binding is None:
        raise FhirError(Fault.NOT_FOUND, "the element of the context has no value set")
    return binding.value_set


def _element(name: str, path: str) -> Element:
    """An element by its path, through the structures of its parents; a choice with or without its brackets."""
    start, *rest = path.split(".")
    found: Element | None = None
    for part in rest if start == name else ():
        found = structures()[name].elements.get(part.removesuffix("[x]")) if name in structures() else None
        if found is None:
            break
        name = found.types[0] if found.types else ""
    if found is None:
        raise FhirError(Fault.NOT_FOUND, "the path of the context leads to no element")
    return found
