"""Content negotiation, JSON and XML (FHIR R4 http#mime-type, json, xml)."""

import json

from lxml import etree

from conformance.fhir import expect
from conformance.fhir.reading import fresh
from conformance.fhir.server import JSON, XML, Answer
from conformance.fhir.suite import Page, Site
from conformance.judging import Failed, NotSupported

FORMATS = Page("formats", "Formats", "http#mime-type, json, xml")
FHIR = "{http://hl7.org/fhir}"


def speaks(site: Site, *names: str) -> None:
    """Raise NotSupported unless one of these formats is named (CapabilityStatement.format)."""
    named = {str(one).partition(";")[0] for one in site.statement.get("format", [])}
    if not named & set(names):
        raise NotSupported(f"the CapabilityStatement names {sorted(named)}")


def peter(site: Site, more: str = "", accept: str | None = JSON) -> Answer:
    """A read of one patient."""
    return expect.status(site.server.get(f"/Patient/{site.id('peter')}{more}", accept=accept), 200)


@FORMATS.must("json", "http#mime-type", "Accept: application/fhir+json")
def as_json(site: Site) -> None:
    expect.json_resource(peter(site), "Patient")


@FORMATS.should("json.charset", "http#mime-type", "JSON is UTF-8, whatever charset is named")
def charset(site: Site) -> None:
    answer = peter(site, accept=f"{JSON}; charset=utf-8")
    expect.that("Péter" in json.loads(answer.body.decode("utf-8"))["name"][0]["given"], "Péter", answer.body[:200])


@FORMATS.should("generic", "http#mime-type", "application/json and text/xml are taken for FHIR's own types")
def generic(site: Site) -> None:
    answer = peter(site, accept="application/json")
    expect.that(answer.media_type in (JSON, "application/json"), "JSON", answer.media_type)
    expect.same(site.id("peter"), answer.resource("Patient")["id"], "id")


@FORMATS.must("format-parameter", "http#mime-type", "_format goes before Accept: json, application/fhir+json")
def format_parameter(site: Site) -> None:
    for value in ("json", "application/json", "application/fhir%2Bjson"):
        expect.json_resource(peter(site, f"?_format={value}", accept=XML), "Patient")


@FORMATS.must("xml", "http#mime-type, xml", "Accept: application/fhir+xml")
def as_xml(site: Site) -> None:
    speaks(site, "xml", XML)
    root = etree.fromstring(expect.xml(peter(site, accept=XML)))
    expect.same(f"{FHIR}Patient", root.tag, "root")
    expect.same(site.id("peter"), root.find(f"{FHIR}id").get("value"), "id")
    expect.same("Chalmers", root.find(f"{FHIR}name/{FHIR}family").get("value"), "name.family")
    bold = root.find(f"{FHIR}text/{{http://www.w3.org/1999/xhtml}}div/{{http://www.w3.org/1999/xhtml}}b")
    expect.that(bold is not None and bold.text == "Chalmers", "the narrative in XHTML", etree.tostring(root)[:300])


@FORMATS.must("xml.format-parameter", "http#mime-type", "_format=xml, text/xml, application/fhir+xml")
def xml_format_parameter(site: Site) -> None:
    speaks(site, "xml", XML)
    for value in ("xml", "text/xml", "application/xml", "application/fhir%2Bxml"):
        expect.xml(peter(site, f"?_format={value}", accept=JSON))


@FORMATS.must("xml.order", "xml", "Elements stand in the order of their definition")
def xml_order(site: Site) -> None:
    speaks(site, "xml", XML)
    wanted = ["id", "meta", "text", "extension", "identifier", "active", "name", "telecom", "gender", "birthDate",
              "deceasedBoolean", "address", "generalPractitioner", "managingOrganization"]  # fmt: skip
    root = etree.fromstring(expect.xml(peter(site, accept=XML)))
    names = list(dict.fromkeys(etree.QName(one).localname for one in root))
    expect.same([one for one in wanted if one in names], names, "elements")


@FORMATS.must("xml.create", "xml, http#mime-type", "A resource sent in XML is read in JSON, with its decimals")
def xml_create(site: Site) -> None:
    speaks(site, "xml", XML)
    site.needs("Observation", "create", "read")
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><Observation xmlns="http://hl7.org/fhir"><!-- said -->'
        f'<identifier><system value="{site.system()}"/><value value="xml-1"/></identifier><status value="final"/>'
        '<code><text value="重量 &amp; &lt;x&gt;"/></code><valueQuantity><value value="1.10"/></valueQuantity>'
        "</Observation>"
    ).encode()
    answer = expect.status(site.server.post("/Observation", body, content_type=XML), 201)
    path = answer.headers["location"].split("/_history/")[0]
    found = site.server.get(path if "://" in path else f"/{path}").resource("Observation")
    expect.same(("final", "重量 & <x>", "1.10"),
                (found["status"], found["code"]["text"], str(found["valueQuantity"]["value"])), "it")  # fmt: skip
    expect.that(isinstance(found["identifier"], list), "a list of identifiers", found["identifier"])


@FORMATS.must("xml.same", "xml, json", "JSON and XML say the same: extensions of primitives, contained resources")
def xml_same(site: Site) -> None:
    speaks(site, "xml", XML)
    url = "http://conformance.example/extension"
    one = fresh(
        site, "xml-same", birthDate="1974", _birthDate={"id": "b1", "extension": [{"url": url, "valueString": "x"}]},
        contained=[{"resourceType": "Organization", "id": "org", "name": "Inside"}],
        managingOrganization={"reference": "#org"},
    )  # fmt: skip
    root = etree.fromstring(expect.xml(site.server.get(f"/Patient/{one['id']}", accept=XML)))
    born = root.find(f"{FHIR}birthDate")
    expect.same(("1974", "b1"), (born.get("value"), born.get("id")), "birthDate")
    expect.same("x", born.find(f"{FHIR}extension/{FHIR}valueString").get("value"), "its extension")
    inside = root.find(f"{FHIR}contained/{FHIR}Organization/{FHIR}name")
    expect.that(inside is not None and inside.get("value") == "Inside", "contained/Organization", inside)


@FORMATS.must("xml.update", "xml", "What is given out in XML can be sent back in XML, and nothing is lost")
def xml_update(site: Site) -> None:
    speaks(site, "xml", XML)
    site.needs("Patient", "update")
    one = fresh(site, "xml-update", name=[{"family": "Ü", "given": ["A", "B"]}], multipleBirthInteger=2, active=False)
    body = expect.xml(site.server.get(f"/Patient/{one['id']}", accept=XML))
    expect.status(site.server.put(f"/Patient/{one['id']}", body, content_type=XML), 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same(expect.without_meta(one), expect.without_meta(found), "it")


@FORMATS.must("xml.bundle", "xml, bundle", "A search answers in XML when asked to")
def xml_bundle(site: Site) -> None:
    speaks(site, "xml", XML)
    site.needs_parameters("Patient", "_id")
    answer = expect.status(site.server.get(f"/Patient?_id={site.id('peter')}", accept=XML), 200)
    root = etree.fromstring(expect.xml(answer))
    expect.same(f"{FHIR}Bundle", root.tag, "root")
    found = root.find(f"{FHIR}entry/{FHIR}resource/{FHIR}Patient/{FHIR}id")
    expect.that(found is not None and found.get("value") == site.id("peter"), "the patient", answer.body[:300])


@FORMATS.must("xml.outcome", "http#mime-type", "A refusal is in XML when asked to")
def xml_outcome(site: Site) -> None:
    speaks(site, "xml", XML)
    answer = expect.status(site.server.get(f"/Patient/none-{site.tag}", accept=XML), 404)
    expect.same(f"{FHIR}OperationOutcome", etree.fromstring(expect.xml(answer)).tag, "root")


@FORMATS.must("xml.invalid", "xml, http#create", "XML that is broken, in no namespace or of no known element is 400")
def xml_invalid(site: Site) -> None:
    speaks(site, "xml", XML)
    site.needs("Patient", "create")
    for body in (b"<Patient", b"<Patient/>", b'<Patient xmlns="http://hl7.org/fhir"><nonsense value="1"/></Patient>'):
        expect.refused(site.server.post("/Patient", body, content_type=XML), 400, 422)


@FORMATS.must("not-acceptable", "http#mime-type", "An Accept that cannot be met is 406, or JSON or XML all the same")
def not_acceptable(site: Site) -> None:
    answer = site.server.get(f"/Patient/{site.id('peter')}", accept="image/png")
    if answer.status == 200:
        expect.that(answer.media_type in (JSON, XML), "JSON or XML", answer.media_type)
        raise NotSupported("an Accept that cannot be met is ignored")
    expect.status(answer, 406)


@FORMATS.must("json.empty", "json", "JSON has no empty objects or arrays, and null only beside a list of primitives")
def json_empty(site: Site) -> None:
    for key in site.stored:
        one = site.resource(key)
        answer = expect.status(site.server.get(f"/{one['resourceType']}/{one['id']}"), 200)
        _no_empty(answer.resource(str(one["resourceType"])), "")


def _no_empty(value: object, path: str) -> None:
    if value in ({}, [], None, ""):
        raise Failed(f"expected a value at {path}, got {value!r}")
    for name, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        _no_empty(one, f"{path}.{name}")


@FORMATS.must("json.narrative", "narrative, json", "A narrative comes back as it was")
def narrative(site: Site) -> None:
    div = site.resource("peter").get("text", {}).get("div", "")
    expect.that("Peter <b>Chalmers</b>" in div, "the narrative", div)


@FORMATS.should("pretty", "http#parameters", "_pretty=true is still JSON of the same content")
def pretty(site: Site) -> None:
    found = peter(site, "?_pretty=true").resource("Patient")
    expect.same(site.resource("peter"), found, "it")


@FORMATS.should("gzip", "RFC 9110 8.4", "Accept-Encoding: gzip may compress, and says so")
def gzip(site: Site) -> None:
    answer = site.server.get(f"/Patient/{site.id('peter')}", accept_encoding="gzip")
    expect.same(site.id("peter"), expect.status(answer, 200).resource("Patient")["id"], "id")
    if answer.headers.get("content-encoding") != "gzip":
        raise NotSupported("not compressed")
