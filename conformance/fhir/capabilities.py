"""Capabilities, what the server says of itself (FHIR R4 http#capabilities, capabilitystatement)."""

from conformance.fhir import expect
from conformance.fhir.server import JSON, XML
from conformance.fhir.suite import Page, Site
from conformance.judging import NotSupported

CAPABILITIES = Page("capabilities", "Capabilities", "http#capabilities")

INTERACTIONS = {"read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create",
                "search-type"}  # fmt: skip
SYSTEM_INTERACTIONS = {"transaction", "batch", "search-system", "history-system"}
PARAMETER_TYPES = {"number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"}


@CAPABILITIES.must("metadata", "http#capabilities", "GET [base]/metadata answers a CapabilityStatement")
def metadata(site: Site) -> None:
    found = expect.json_resource(expect.status(site.server.get("/metadata"), 200), "CapabilityStatement")
    expect.same("4.0.1", found.get("fhirVersion"), "fhirVersion")


@CAPABILITIES.must("elements", "capabilitystatement", "Its required elements: status, date, kind, format, rest.mode")
def elements(site: Site) -> None:
    for name in ("status", "date", "kind", "fhirVersion", "format"):
        expect.that(site.statement.get(name), name, site.statement.get(name))
    status, kind = site.statement["status"], site.statement["kind"]
    expect.that(status in ("draft", "active", "retired", "unknown"), "status", status)
    expect.that(kind in ("instance", "capability", "requirements"), "kind", kind)
    expect.that(site.rest, "rest with mode server", site.statement.get("rest"))


@CAPABILITIES.must("formats", "capabilitystatement#CapabilityStatement.format", "It says that it speaks JSON or XML")
def formats(site: Site) -> None:
    named = {str(one).partition(";")[0] for one in site.statement.get("format", [])}
    expect.that(named & {"json", "xml", JSON, XML}, "json or xml", named)


@CAPABILITIES.must("kind", "capabilitystatement (cpb-15)", "An instance tells of its implementation")
def kind(site: Site) -> None:
    if site.statement["kind"] != "instance":
        raise NotSupported(f"it says that it is {site.statement['kind']}")
    expect.that(site.statement.get("implementation", {}).get("description"), "implementation.description", None)


@CAPABILITIES.must("resources", "capabilitystatement (cpb-9, cpb-12)", "Types are named once each, parameters too")
def resources(site: Site) -> None:
    types = [str(one.get("type")) for one in site.rest.get("resource", [])]
    expect.that(types and len(types) == len(set(types)), "types, each once", types)
    for one in site.rest["resource"]:
        names = [str(each.get("name")) for each in one.get("searchParam", [])]
        expect.that(len(names) == len(set(names)), f"parameters of {one['type']}, each once", names)


@CAPABILITIES.must("codes", "capabilitystatement", "Interactions and types of parameters are codes of R4")
def codes(site: Site) -> None:
    for one in site.rest.get("resource", []):
        named = {each.get("code") for each in one.get("interaction", [])}
        expect.that(named <= INTERACTIONS, f"type interactions for {one['type']}", named)
        kinds = {each.get("type") for each in one.get("searchParam", [])}
        expect.that(kinds <= PARAMETER_TYPES, f"parameter types for {one['type']}", kinds)
    named = {each.get("code") for each in site.rest.get("interaction", [])}
    expect.that(named <= SYSTEM_INTERACTIONS, "system interactions", named)


@CAPABILITIES.should("operations", "capabilitystatement", "Operations are named without $ and have a definition")
def operations(site: Site) -> None:
    for place in (site.rest, *site.rest.get("resource", [])):
        for one in place.get("operation", []):
            named = str(one.get("name", ""))
            expect.that(named and not named.startswith("$") and one.get("definition"), "name and definition", one)


@CAPABILITIES.should("mode", "http#capabilities", "The mode full is the default")
def mode(site: Site) -> None:
    found = expect.status(site.server.get("/metadata?mode=full"), 200).resource("CapabilityStatement")
    expect.same(len(site.rest.get("resource", [])), len(found["rest"][0].get("resource", [])), "types")


@CAPABILITIES.should("terminology", "http#capabilities", "mode=terminology answers TerminologyCapabilities")
def terminology(site: Site) -> None:
    answer = site.server.get("/metadata?mode=terminology")
    expect.offered(answer, 200)
    if answer.resource()["resourceType"] == "CapabilityStatement":
        raise NotSupported("mode=terminology is ignored")
    expect.json_resource(answer, "TerminologyCapabilities")


@CAPABILITIES.must("unknown-type", "http#create", "A type that does not exist is 404")
def unknown_type(site: Site) -> None:
    expect.refused(site.server.get("/Nonsense/1"), 404)
    expect.refused(site.server.post("/Nonsense", {"resourceType": "Nonsense"}), 404)
    expect.refused(site.server.get("/Nonsense?_id=1"), 404)


@CAPABILITIES.must("case", "http#general", "Names of types are case sensitive")
def case(site: Site) -> None:
    expect.refused(site.server.get(f"/patient/{site.id('peter')}"), 404)
