"""The walls between organisations: what one's token does not see, change or count of what another stored.

FHIR leaves a server to choose between 403 and 404 (R4 security#AccessDenied), so either is right here; where what is
hidden is answered otherwise than what is absent, its existence is told, and a check that says `should` fails.
"""

import re
from collections.abc import Iterable

from conformance.dicomweb.synthetic import Instance
from conformance.fhir import expect
from conformance.fhir.server import JSON, Answer, Model, Server
from conformance.judging import Failed, NotTested
from conformance.security.prepared import DICOM_JSON, ID_SYSTEM, image, new_tag, patient, stow
from conformance.security.suite import Page, Site

FHIR = Page("fhir", "Access between organisations: FHIR")
WEB = Page("dicomweb", "Access between organisations: DICOMweb")

CLAUSE = "FHIR R4 security#AccessDenied"
DENIED = (401, 403, 404, 410)
SECRET = b"Hidden"                       # part of the names of all that is stored
MOVING = ("date", "x-request-id", "content-length", "server", "connection", "keep-alive", "retry-after")


def hidden(answer: Answer) -> None:
    """Raises Failed unless it is refused, or says that there is nothing."""
    expect.status(answer, *DENIED)
    expect.that(SECRET not in answer.body, "nothing of what is hidden", answer.body[:200])


def empty(answer: Answer) -> None:
    """Raises Failed unless a search finds nothing, counts nothing, or is refused."""
    if answer.status in (400, *DENIED):
        return
    bundle = expect.status(answer, 200).resource("Bundle")
    found = [one["resource"]["resourceType"] for one in bundle.get("entry", []) if "resource" in one]
    expect.same([], [one for one in found if one != "OperationOutcome"], "entries")
    expect.that(bundle.get("total", 0) == 0, "no total", bundle.get("total"))


def searches(site: Site) -> Iterable[str]:
    """Ways to find the patient or a result, each of which `first` is given."""
    one, result = site.of("patient")["id"], site.of("laboratory")["id"]
    number = f"{ID_SYSTEM}|{site.tag}"
    yield from (
        f"/Patient?_id={one}", f"/Patient?identifier={number}", f"/Patient?family=Hidden{site.tag}",
        f"/Patient?name:contains=hidden{site.tag}", f"/Observation?_id={result}",
        f"/Observation?patient.identifier={number}", f"/Observation?subject:Patient.family=Hidden{site.tag}",
        f"/Observation?subject=Patient/{one}", f"/Patient?_has:Observation:patient:_id={result}",
        f"/Patient?_id={one}&_revinclude=Observation:subject", f"/Patient/{one}/Observation",
        f"/Observation?_id={result}&_include=Observation:subject", f"/?_type=Patient&_id={one}",
    )  # fmt: skip


def seen(answer: Answer) -> bool:
    """Whether a search finds something."""
    if answer.status != 200:
        return False
    return any(one.get("search", {}).get("mode") != "outcome" for one in answer.resource("Bundle").get("entry", []))


@FHIR.must("own", "FHIR R4 http#read", "Who stored it reads it, and finds it: the checks below are of what is there")
def own(site: Site) -> None:
    found = [path for path in searches(site) if seen(site.first.get(path))]
    expect.that(len(found) > 5, "most searches to find it", found)
    expect.status(site.first.get(f"/Patient/{site.of('patient')['id']}"), 200)


@FHIR.must("read", CLAUSE, "Reading, versions and history of what is another's")
def read(site: Site) -> None:
    other = site.other()
    for key in ("patient", "laboratory"):
        path = f"/{site.of(key)['resourceType']}/{site.of(key)['id']}"
        for more in ("", "/_history", "/_history/1", "?_summary=true", "?_elements=id", "?_format=xml"):
            hidden(other.get(path + more))


@FHIR.must("search", CLAUSE, "Searches, chains, reverse chains, includes, compartments")
def search(site: Site) -> None:
    for path in searches(site):
        answer = site.other().get(path)
        empty(answer)
        expect.that(SECRET not in answer.body.replace(f"Hidden{site.tag}".encode(), b""), "nothing", answer.body[:200])


@FHIR.must("count", CLAUSE, "Counts: _summary=count, _total, _count=0")
def count(site: Site) -> None:
    for path in searches(site):
        for more in ("_summary=count", "_total=accurate&_count=0"):
            empty(site.other().get(f"{path}{'&' if '?' in path else '?'}{more}"))


@FHIR.must("operations", CLAUSE, "$everything, $meta, $summary, $validate by reference")
def operations(site: Site) -> None:
    path = f"/Patient/{site.of('patient')['id']}"
    for name in ("$everything", "$meta", "$summary"):
        answer = site.other().get(f"{path}/{name}")
        expect.that(answer.status != 200 and SECRET not in answer.body, "a refusal", answer.status)


@FHIR.must("batch", "FHIR R4 http#transaction", "Entries of a batch are no way around")
def batch(site: Site) -> None:
    paths = [f"Patient/{site.of('patient')['id']}", f"Patient?_id={site.of('patient')['id']}",
             f"Patient/{site.of('patient')['id']}/_history"]  # fmt: skip
    entries = [{"request": {"method": "GET", "url": one}} for one in paths]
    answer = site.other().post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    if answer.status in (400, *DENIED):
        return
    expect.that(f"Hidden{site.tag}".encode() not in expect.status(answer, 200).body, "nothing", answer.body[:300])


@FHIR.must("history", CLAUSE, "The history of a type and of the server shows nothing of another's")
def history(site: Site) -> None:
    for path in ("/Patient/_history?_count=1000", "/_history?_count=1000"):
        answer = site.other().get(path)
        if answer.status == 200:
            expect.that(f"Hidden{site.tag}".encode() not in answer.body, "nothing of another's", "it")


@FHIR.must("write", CLAUSE, "Nobody changes, patches or deletes what is another's")
def write(site: Site) -> None:
    other, one = site.other(), site.of("patient")
    path = f"/Patient/{one['id']}"
    taken = {**one, "name": [{"family": "Taken"}]}
    patch = [{"op": "replace", "path": "/gender", "value": "male"}]
    number = f"{ID_SYSTEM}|{site.tag}"
    for answer in (other.put(path, taken), other.patch(path, patch), other.delete(path),
                   other.delete(f"/Patient?identifier={number}"), other.patch(f"/Patient?identifier={number}", patch),
                   other.put(path, taken, if_match='W/"1"')):  # fmt: skip
        expect.that(answer.status >= 400 or answer.status == 204, "a refusal, or nothing done", answer.status)
    same: Model = expect.status(site.first.get(path), 200).resource("Patient")
    expect.same((one["name"], one["gender"]), (same["name"], same["gender"]), "the patient as it was")


@FHIR.must("condition", "FHIR R4 http#ccreate", "A condition of a create does not find what is another's")
def condition(site: Site) -> None:
    number = new_tag()
    made = expect.status(site.first.post("/Patient", patient(number)), 201)
    answer = site.other().post("/Patient", patient(number), if_none_exist=f"identifier={ID_SYSTEM}|{number}")
    expect.that(answer.status in (201, 400, 403, 405), "a patient of their own, or a refusal", answer.status)
    expect.that(answer.headers.get("location") != made.headers.get("location"), "another patient", "the same")


@FHIR.should("absent", f"{CLAUSE}, CWE-203", "What is hidden is answered as what is not there")
def absent(site: Site) -> None:
    for key in ("patient", "laboratory"):
        kind, one = site.of(key)["resourceType"], str(site.of(key)["id"])
        none = "".join("0" if char.isdigit() else "a" if char.isalpha() else char for char in one)
        for more in ("", "/_history", "/_history/1", "/$meta"):
            alike(site.other(), f"/{kind}/{one}{more}", f"/{kind}/{none}{more}", {one: "<id>", none: "<id>"})


def alike(server: Server, there: str, nowhere: str, names: dict[str, str], accept: str = JSON) -> None:
    """Raises Failed unless both answers are the same, but for what is of the question itself."""
    answers = [_plain(server.get(path, accept), names) for path in (there, nowhere)]
    for one, (hidden_, absent_) in zip(("status", "header fields", "body"), zip(*answers, strict=True), strict=True):
        if hidden_ != absent_:
            raise Failed(f"{there}: expected the {one} of what is absent, {expect.short(absent_)}, "
                         f"got {expect.short(hidden_)}")  # fmt: skip


def _plain(answer: Answer, names: dict[str, str]) -> tuple[int, dict[str, str], str]:
    fields = {name: value for name, value in answer.headers.items() if name not in MOVING}
    text = answer.body.decode("utf-8", "replace")
    for name, mark in names.items():
        text = text.replace(name, mark)
        fields = {key: value.replace(name, mark) for key, value in fields.items()}
    return answer.status, fields, re.sub(r'"(id|lastUpdated|timestamp)":"[^"]*"', "", text)


def kept(site: Site) -> Instance:
    """The image of the first. Raises NotTested without DICOMweb."""
    if not site.dicom_web:
        raise NotTested("no --dicom-web is given")
    found: Instance = site.of("image")
    return found


def paths(one: Instance) -> list[str]:
    """Everything by which an image is retrieved (PS3.18 10.4)."""
    study = f"/studies/{one.study}"
    series = f"{study}/series/{one.series}"
    levels = (study, series, one.path)
    return [*levels, *(f"{each}/metadata" for each in levels), *(f"{each}/rendered" for each in levels),
            f"{one.path}/frames/1", f"{one.path}/frames/1/rendered", *(f"{each}/thumbnail" for each in levels),
            f"{one.path}/bulkdata/7FE00010"]  # fmt: skip


def queries(one: Instance) -> list[str]:
    """Everything by which it is found (PS3.18 10.6)."""
    number = one.dataset.PatientID
    return [f"/studies?StudyInstanceUID={one.study}", f"/studies?PatientID={number}&includefield=all",
            f"/studies?AccessionNumber={one.dataset.AccessionNumber}",
            f"/studies?PatientName={number}*&fuzzymatching=true",
            f"/series?SeriesInstanceUID={one.series}", f"/instances?SOPInstanceUID={one.uid}",
            f"/studies/{one.study}/series", f"/studies/{one.study}/instances",
            f"/studies/{one.study}/series/{one.series}/instances"]  # fmt: skip


@WEB.must("own", "PS3.18 10.4, 10.6", "Who stored it finds and retrieves it: the checks below are of what is there")
def own_image(site: Site) -> None:
    one = kept(site)
    found = [path for path in queries(one)
             if site.first.get(site.dicom_web + path, DICOM_JSON).body not in (b"", b"[]")]  # fmt: skip
    expect.that(len(found) > 5, "most queries to find it", found)
    for path in paths(one)[:4]:
        expect.status(site.first.get(site.dicom_web + path, "*/*"), 200)


@WEB.must("retrieve", "PS3.18 8.5, 10.4", "Objects, frames, metadata, pictures and bulk data of another's")
def retrieve(site: Site) -> None:
    for path in paths(kept(site)):
        for method in ("GET", "HEAD"):
            hidden(site.other().send(method, site.dicom_web + path, accept="*/*"))


@WEB.must("search", "PS3.18 10.6", "Queries find nothing that is another's")
def search_images(site: Site) -> None:
    for path in queries(kept(site)):
        answer = site.other().get(site.dicom_web + path, DICOM_JSON)
        if answer.status not in (204, *DENIED):
            expect.that(expect.status(answer, 200).body in (b"", b"[]"), "no results", answer.body[:200])
        told = {name.lower(): value for name, value in answer.headers.items()}
        expect.that("warning" not in told, "no word of further results", told.get("warning"))


@WEB.must("conditions", "RFC 9110 13", "A condition tells nothing of what is another's")
def conditions(site: Site) -> None:
    path = f"{site.dicom_web}{kept(site).path}/metadata"
    tag = site.first.get(path, DICOM_JSON).headers.get("etag", '"none"')
    for fields in ({"if_none_match": tag}, {"if_none_match": "*"}, {"if_match": tag}, {"range": "bytes=0-1"}):
        hidden(site.other().get(path, DICOM_JSON, **fields))


@WEB.must("store", "PS3.18 10.5", "Nobody adds to what is another's")
def store(site: Site) -> None:
    kept(site)
    tag = new_tag()
    one = image(tag)
    expect.status(stow(site.first, site.dicom_web, one), 200)
    path = f"{site.dicom_web}/studies/{one.study}/instances"
    before = expect.status(site.first.get(path, DICOM_JSON), 200)
    stow(site.other(), site.dicom_web, image(tag, study=one.study))      # of the same patient
    expect.same(before.body, site.first.get(path, DICOM_JSON).body, "the study as it was")


@WEB.should("absent", "PS3.18 8.5, CWE-203", "What is hidden is answered as what is not there")
def absent_image(site: Site) -> None:
    one, none = kept(site), image(site.tag)
    names = {each: f"<{n}>" for n, pair in enumerate(((one.uid, none.uid), (one.series, none.series),
                                                      (one.study, none.study))) for each in pair}  # fmt: skip
    for there, nowhere in zip(paths(one), paths(none), strict=True):
        alike(site.other(), site.dicom_web + there, site.dicom_web + nowhere, names, "*/*")


@WEB.must("nobody", "RFC 6750 3", "Who does not say who they are is told nothing of it")
def nobody(site: Site) -> None:
    for path in (*paths(kept(site)), *queries(kept(site))):
        expect.status(site.nobody.get(site.dicom_web + path, "*/*"), 401)
