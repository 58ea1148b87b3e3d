"""CodeSystem/$lookup (http://hl7.org/fhir/R4/codesystem-operation-lookup.html)."""

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import In, given, parameters
from fhir.terminology.lookup import lookup

PARAMETERS = (
    In("code", "code"), In("system", "uri"), In("version", "string"), In("coding", "Coding"),
    In("displayLanguage", "code"), In("property", "code", None),
)  # fmt: skip


def look_up(server: Server, request: Request) -> Answer:
    """200 with the concept as Parameters; 404 where the code system or the code is not known."""
    told = given(request, PARAMETERS)
    coding = told.object("coding") or {}
    rows = lookup(
        server.vocabulary.library(server.pool, request.asker.scope),
        system=str(coding.get("system") or told.required("system")),
        code=str(coding.get("code") or told.required("code")),
        version=str(coding.get("version") or told.text("version")),
        properties=told.all("property"), language=told.text("displayLanguage"),
    )  # fmt: skip
    return Answer(200, resource=parameters(rows))
