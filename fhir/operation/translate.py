"""ConceptMap/$translate (http://hl7.org/fhir/R4/conceptmap-operation-translate.html)."""

from collections.abc import Mapping
from typing import Any

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import Given, In, given, parameters
from fhir.operation.stated import resource, sound
from fhir.outcome import FhirError
from fhir.terminology.translate import Wanted, translate
from pacsd.faults import Fault

PARAMETERS = (
    In("url", "uri"), In("conceptMap", "Resource"), In("conceptMapVersion", "string"), In("code", "code"),
    In("system", "uri"), In("version", "string"), In("source", "uri"), In("coding", "Coding"),
    In("codeableConcept", "CodeableConcept"), In("target", "uri"), In("targetsystem", "uri"), In("reverse", "boolean"),
)  # fmt: skip


def translate_code(server: Server, request: Request) -> Answer:
    """200 with `result` and what the code becomes, by the maps that the asker sees or by the one that is named."""
    told = given(request, PARAMETERS, alone="conceptMap")
    maps = _maps(server, request, told)
    wanted = Wanted(told.text("source"), told.text("target"), told.text("targetsystem"), told.flag("reverse"))
    return Answer(200, resource=parameters(translate(maps, _codings(told), wanted)))


def _maps(server: Server, request: Request, told: Given) -> list[Mapping[str, Any]]:
    if request.id:
        return [resource(server, request)]
    own = told.object("conceptMap")
    if own is not None:
        return [sound(server, own, "ConceptMap")]
    url, version = told.text("url"), told.text("conceptMapVersion")
    library = server.vocabulary.library(server.pool, request.asker.scope)
    found = list(library.concept_maps(f"{url}|{version}" if url and version else url))
    if url and not found:
        raise FhirError(Fault.NOT_FOUND, f"the concept map {url[:200]} is not known here")
    return found


def _codings(told: Given) -> list[Mapping[str, Any]]:
    concept = told.object("codeableConcept")
    if concept is not None:
        found = concept.get("coding", [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise FhirError(Fault.MALFORMED, "CodeableConcept.coding is an array of objects", code="structure")
        return found
    coding = told.object("coding")
    if coding is None:
        rows = {"code": told.required("code"), "system": told.required("system"), "version": told.text("version")}
        coding = {key: value for key, value in rows.items() if value}
    return [coding]
