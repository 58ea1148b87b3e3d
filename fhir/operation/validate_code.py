"""ValueSet/$validate-code and CodeSystem/$validate-code (http://hl7.org/fhir/R4/valueset-operation-validate-code.html)."""

from collections.abc import Mapping
from typing import Any

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.expand import meant
from fhir.operation.parameters import Given, In, given, parameters
from fhir.operation.stated import resource, sound
from fhir.outcome import FhirError
from fhir.terminology.listed import ListedCodeSystem
from fhir.terminology.validate_code import Verdict, in_code_system, in_value_set
from fhir.terminology.value_set import Composition, NotTold
from pacsd.faults import Fault

_CODE = (
    In("code", "code"), In("display", "string"), In("coding", "Coding"), In("codeableConcept", "CodeableConcept"),
    In("displayLanguage", "code"), In("url", "uri"),
)  # fmt: skip
OF_VALUE_SET = (
    *_CODE, In("abstract", "boolean"), In("context", "uri"), In("valueSet", "Resource"),
    In("valueSetVersion", "string"), In("system", "uri"), In("systemVersion", "string"),
)  # fmt: skip
OF_CODE_SYSTEM = (*_CODE, In("codeSystem", "Resource"), In("version", "string"))


def validate_code(server: Server, request: Request) -> Answer:
    """200 with `result`, and with why not. What depends on a code system that is not known here is not valid."""
    act = _in_value_set if request.type == "ValueSet" else _in_code_system
    try:
        verdict = act(server, request)
    except NotTold as error:
        if error.kind == "value set":
            raise
        verdict = Verdict(False, error.message)
    return Answer(200, resource=parameters(verdict.parameters()))


def _in_value_set(server: Server, request: Request) -> Verdict:
    told = given(request, OF_VALUE_SET, alone="valueSet")
    if told.text("context"):
        raise FhirError(Fault.UNSUPPORTED, "the parameter context is not supported: name the value set")
    composition = Composition(server.vocabulary.library(server.pool, request.asker.scope))
    value_set = meant(server, request, told, composition)
    codings = _codings(told, told.text("system"), told.text("systemVersion"))
    return in_value_set(composition, value_set, codings, abstract=told.flag("abstract", default=True),
                        language=told.text("displayLanguage"))  # fmt: skip


def _in_code_system(server: Server, request: Request) -> Verdict:
    told = given(request, OF_CODE_SYSTEM, alone="codeSystem")
    library = server.vocabulary.library(server.pool, request.asker.scope)
    own: Mapping[str, Any] | None = resource(server, request) if request.id else told.object("codeSystem")
    if own is not None and not request.id:
        own = sound(server, own, "CodeSystem")
    system = None if own is None else ListedCodeSystem(own)
    url = system.header.url if system is not None else told.text("url")
    verdict = Verdict(False, "there is no code to look at")
    for coding in _codings(told, url, told.text("version")):
        if url and coding.get("system", url) != url:
            verdict = Verdict(False, f"the coding is not of {url[:200]}")
            continue
        if not coding.get("system") and system is None:
            raise FhirError(Fault.MALFORMED, "the parameter url is missing", code="required")
        verdict = in_code_system(library, system, coding, language=told.text("displayLanguage"))
        if verdict.result:
            return verdict
    return verdict


def _codings(told: Given, system: str, version: str) -> list[dict[str, Any]]:
    concept, coding = told.object("codeableConcept"), told.object("coding")
    if concept is not None:
        found = concept.get("coding", [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise FhirError(Fault.MALFORMED, "CodeableConcept.coding is an array of objects", code="structure")
        return found
    if coding is not None:
        return [coding]
    told_one = {"system": system, "version": version, "code": told.required("code"), "display": told.text("display")}
    return [{key: value for key, value in told_one.items() if value}]
