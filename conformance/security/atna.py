"""IHE ATNA: what is recorded by FHIR (ITI-20), and what auditors find (ITI-81)."""

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from conformance.fhir import expect
from conformance.fhir.server import Model, Server
from conformance.judging import Failed, NotSupported
from conformance.security.suite import Page, Site

FEED = Page("iti-20", "ATNA: Record Audit Event, FHIR feed (ITI-20)")
QUERY = Page("iti-81", "ATNA: Retrieve ATNA Audit Event (ITI-81)")

DCM = "http://dicom.nema.org/resources/ontology/DCM"


def event(site: Site, **changes: object) -> Model:
    """That somebody looked at a patient (DICOM PS3.15 A.5.3.6, as BALP has it)."""
    told: Model = {
        "resourceType": "AuditEvent",
        "type": {"system": DCM, "code": "110103", "display": "DICOM Instances Accessed"},
        "recorded": datetime.now(UTC).isoformat(timespec="milliseconds"), "action": "R", "outcome": "0",
        "agent": [{"who": {"identifier": {"value": f"viewer-{site.tag}"}}, "requestor": True}],
        "source": {"observer": {"display": f"source-{site.tag}"}},
        "entity": [{"what": {"reference": f"Patient/{site.of('patient')['id']}"}}],
        **changes,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def recent() -> str:
    """The parameter `date` of the last minutes (ITI-81 3.81.4.1.2.1)."""
    return f"date=ge{(datetime.now(UTC) - timedelta(minutes=10)).strftime('%Y-%m-%dT%H:%M:%SZ')}"


def offers(site: Site, interaction: str) -> None:
    """Raises NotSupported unless the CapabilityStatement offers it for AuditEvent."""
    statement = expect.status(site.nobody.get("/metadata"), 200).resource("CapabilityStatement")
    for rest in statement.get("rest", []):
        for one in rest.get("resource", []):
            if one.get("type") == "AuditEvent":
                if interaction in {each.get("code") for each in one.get("interaction", [])}:
                    return
                raise NotSupported(f"the CapabilityStatement does not offer {interaction} for AuditEvent")
    raise NotSupported("the CapabilityStatement does not name AuditEvent")


def events(server: Server, query: str) -> list[Model]:
    """What a search finds: AuditEvents in a searchset (ITI-81 3.81.4.2.2)."""
    bundle = expect.status(server.get(f"/AuditEvent?{query}"), 200).resource("Bundle")
    expect.same("searchset", bundle.get("type"), "type")
    found = [one["resource"] for one in bundle.get("entry", [])]
    kinds = {one["resourceType"] for one in found} - {"OperationOutcome"}
    expect.that(kinds <= {"AuditEvent"}, "AuditEvents alone", kinds)
    return [one for one in found if one["resourceType"] == "AuditEvent"]


def fed(site: Site) -> str:
    """Path of an event that was taken."""
    offers(site, "create")
    answer = expect.status(site.first.post("/AuditEvent", event(site)), 201)
    location = answer.headers.get("location", "").split("/_history/")[0]
    expect.that("/AuditEvent/" in location, "Location of an AuditEvent", location)
    return f"/AuditEvent/{location.rpartition('/')[2]}"


@FEED.must("taken", "ITI-20 3.20.4.2, FHIR R4 http#create", "An AuditEvent is taken, and is there as it was sent")
def taken(site: Site) -> None:
    path = fed(site)
    found = expect.status(site.auditing().get(path), 200).resource("AuditEvent")
    for name, value in event(site).items():
        if name not in ("recorded", "resourceType"):
            expect.same(value, found.get(name), name)


@FEED.must("refused", "ITI-20 3.20.4.2, FHIR R4 http#create", "One that breaks the rules of AuditEvent is refused")
def refused(site: Site) -> None:
    offers(site, "create")
    for changes in ({"recorded": None}, {"agent": None}, {"source": None}, {"type": None}, {"recorded": "yesterday"}):
        expect.refused(site.first.post("/AuditEvent", event(site, **changes)))


@FEED.must("kept", "ITI-20 3.20.5, ASVS 7.3.3", "Nobody changes or deletes what was recorded")
def kept(site: Site) -> None:
    path = fed(site)
    for who in (site.first, site.auditing()):
        body = {**event(site), "id": path.rpartition("/")[2], "outcome": "8"}
        for answer in (who.put(path, body), who.delete(path), who.patch(path, [{"op": "remove", "path": "/entity"}])):
            expect.that(400 <= answer.status < 500, "a refusal", answer.status)
    expect.same("0", expect.status(site.auditing().get(path), 200).resource().get("outcome"), "outcome")


@FEED.must("protected", "ITI-20 3.20.5", "Nobody records who does not say who they are")
def feed_protected(site: Site) -> None:
    offers(site, "create")
    expect.status(site.nobody.post("/AuditEvent", event(site)), 401)


@QUERY.must("search", "ITI-81 3.81.4.1.2", "What was recorded since a time is found, in a searchset")
def search(site: Site) -> None:
    offers(site, "search-type")
    expect.that(events(site.auditing(), recent()), "events", "none")
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    expect.same([], events(site.auditing(), f"date=ge{later}"), "events of the day after tomorrow")


@QUERY.must("recorded", "ITI-20 3.20.4.1.1, PS3.15 A.5", "That somebody read a patient is found by that patient")
def recorded(site: Site) -> None:
    offers(site, "search-type")
    one = site.of("patient")["id"]
    expect.status(site.first.get(f"/Patient/{one}"), 200)
    until = time.monotonic() + site.patience_s
    while not (found := events(site.auditing(), f"{recent()}&entity=Patient/{one}")):
        if time.monotonic() > until:
            raise Failed(f"expected an event about Patient/{one} within {site.patience_s:g} s, got none")
        time.sleep(0.2)
    for event_ in found:
        named = [each.get("what", {}).get("reference", "") for each in event_.get("entity", [])]
        expect.that(any(each.endswith(f"Patient/{one}") for each in named), f"events about Patient/{one}", named)
        expect.that(event_.get("agent") and event_.get("recorded"), "who, and when", sorted(event_))


@QUERY.must("failures", "PS3.15 A.5.3.7, ASVS 7.1.3", "That somebody was kept out is on record")
def failures(site: Site) -> None:
    offers(site, "search-type")
    expect.status(site.first.get(f"/AuditEvent?{recent()}"), 401, 403, 404)
    until = time.monotonic() + site.patience_s
    while not events(site.auditing(), f"{recent()}&outcome=4,8,12"):
        if time.monotonic() > until:
            raise Failed("expected events of failures, got none")
        time.sleep(0.2)


@QUERY.must("parameters", "ITI-81 3.81.4.1.2.1", "Parameters narrow: agent, action, outcome, type")
def parameters(site: Site) -> None:
    offers(site, "search-type")
    path = fed(site)
    one = path.rpartition("/")[2]
    agent = f"agent:identifier={quote(f'viewer-{site.tag}')}"
    found = events(site.auditing(), f"{recent()}&{agent}")
    expect.that(one in {each["id"] for each in found}, "the event by its agent", [each["id"] for each in found])
    accessed, signed_in = (f"type={quote(f'{DCM}|{code}')}" for code in ("110103", "110114"))
    for more, there in (("action=R", True), ("action=D", False), ("outcome=0", True), ("outcome=12", False),
                        (accessed, True), (signed_in, False)):  # fmt: skip
        ids = {each["id"] for each in events(site.auditing(), f"{recent()}&{agent}&{more}")}
        expect.that((one in ids) is there, f"{'the' if there else 'no'} event with {more}", sorted(ids))


@QUERY.must("protected", "ITI-81 3.81.5", "Who is no auditor finds no events")
def query_protected(site: Site) -> None:
    offers(site, "search-type")
    expect.status(site.nobody.get(f"/AuditEvent?{recent()}"), 401)
    answer = site.first.get(f"/AuditEvent?{recent()}")
    expect.that(answer.status in (401, 403, 404), "a refusal of who is no auditor", answer.status)


@QUERY.must("patients", "ITI-81 3.81.5, ASVS 4.1.3", "Who audits reads no patients for that")
def no_patients(site: Site) -> None:
    expect.status(site.auditing().get(f"/Patient/{site.of('patient')['id']}"), 401, 403, 404)
