"""CodeSystem/$subsumes (http://hl7.org/fhir/R4/codesystem-operation-subsumes.html)."""

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import Given, In, given, parameters
from fhir.operation.stated import resource
from fhir.outcome import FhirError
from fhir.terminology.subsumes import subsumes
from pacsd.faults import Fault

PARAMETERS = (
    In("codeA", "code"), In("codeB", "code"), In("system", "uri"), In("version", "string"),
    In("codingA", "Coding"), In("codingB", "Coding"),
)  # fmt: skip


def does_subsume(server: Server, request: Request) -> Answer:
    """200 with the `outcome`, as Parameters. Raises FhirError for codes of two systems."""
    told = given(request, PARAMETERS)
    system, version = told.text("system"), told.text("version")
    if request.id:
        own = resource(server, request)
        system, version = str(own.get("url", "")), str(own.get("version", ""))
    first, second = _coding(told, "A", system), _coding(told, "B", system)
    if first["system"] != second["system"]:
        raise FhirError(Fault.MISMATCH, "codes of two code systems do not subsume each other", code="business-rule")
    found = subsumes(
        server.vocabulary.library(server.pool, request.asker.scope), system=first["system"], code_a=first["code"],
        code_b=second["code"], version=first.get("version") or version,
    )  # fmt: skip
    return Answer(200, resource=parameters([{"name": "outcome", "valueCode": found}]))


def _coding(told: Given, name: str, system: str) -> dict[str, str]:
    coding = told.object(f"coding{name}")
    if coding is None:
        coding = {"system": system or told.required("system"), "code": told.required(f"code{name}")}
    if not coding.get("system") or not coding.get("code"):
        raise FhirError(Fault.MALFORMED, f"coding{name} has neither system nor code", code="required")
    return {key: str(coding[key]) for key in ("system", "code", "version") if coding.get(key)}
