"""Header fields of answers, by which browsers are kept from doing harm (OWASP ASVS 14.4; RFC 6797, 9110, 9111)."""

from conformance.fhir import expect
from conformance.fhir.server import Answer
from conformance.judging import NotTested
from conformance.security.prepared import DICOM_JSON
from conformance.security.suite import PLAIN_JSON, Page, Site

HEADERS = Page("headers", "Header fields of answers")
EVIL = "https://evil.example"


def answers(site: Site) -> list[Answer]:
    """One answer of each kind: resources, refusals, descriptions, images."""
    one = f"/Patient/{site.of('patient')['id']}"
    got = [site.first.get(one), site.first.get("/Patient?_count=1"), site.first.get("/Patient/none"),
           site.nobody.get(one), site.nobody.get("/metadata")]  # fmt: skip
    if site.dicom_web and "image" in site.stored:
        image = site.of("image")
        got += [site.first.get(f"{site.dicom_web}/studies?limit=1", DICOM_JSON),
                site.first.get(f"{site.dicom_web}{image.path}/metadata", DICOM_JSON),
                site.first.get(f"{site.dicom_web}{image.path}/rendered", "image/jpeg"),
                site.first.get(f"{site.dicom_web}/studies/1.2.3/metadata", DICOM_JSON)]  # fmt: skip
    return got


def refers(answer: Answer, name: str) -> str:
    """A header field in small letters, empty where there is none."""
    return str(answer.headers.get(name, "")).lower()


@HEADERS.must("sniffed", "ASVS 14.4.4, Fetch 3.7", "No answer is taken for another type than it says")
def sniffed(site: Site) -> None:
    for answer in answers(site):
        expect.same("nosniff", refers(answer, "x-content-type-options"), f"{answer.request}: X-Content-Type-Options")


@HEADERS.must("typed", "ASVS 14.4.1, RFC 9110 8.3", "An answer with a body says what it is")
def typed(site: Site) -> None:
    for answer in answers(site):
        expect.that(not answer.body or answer.media_type, f"{answer.request}: Content-Type", "none")


@HEADERS.must("transport", "RFC 6797 7.1, ASVS 14.4.5", "Inside TLS browsers are told to stay there")
def transport(site: Site) -> None:
    if site.nobody.base.scheme != "https":
        raise NotTested("the URL is not https")
    for answer in answers(site):
        told = refers(answer, "strict-transport-security")
        ages = [one.partition("=")[2].strip(' "') for one in told.split(";") if one.strip().startswith("max-age")]
        expect.that(ages and ages[0].isdigit() and int(ages[0]) >= 15_552_000, f"{answer.request}: a max-age", told)


@HEADERS.must("framed", "ASVS 14.4.7, CSP 3 6.4.2", "Data is shown in no page of another origin")
def framed(site: Site) -> None:
    for answer in answers(site):
        policy, options = refers(answer, "content-security-policy"), refers(answer, "x-frame-options")
        safe = "frame-ancestors" in policy or options in ("deny", "sameorigin")
        expect.that(safe, f"{answer.request}: frame-ancestors or X-Frame-Options", policy or options)


@HEADERS.should("policy", "ASVS 14.4.3, 14.4.6", "A Content-Security-Policy, and no referrer for others")
def policy(site: Site) -> None:
    for answer in answers(site):
        expect.that(refers(answer, "content-security-policy"), f"{answer.request}: Content-Security-Policy", "none")
        told = refers(answer, "referrer-policy")
        expect.that(told in ("no-referrer", "same-origin", "strict-origin"), f"{answer.request}: Referrer-Policy", told)


@HEADERS.must("kept", "RFC 9111 5.2.2, ASVS 8.2.1", "Data of patients is kept by nobody unasked")
def kept(site: Site) -> None:
    for answer in answers(site):
        if answer.status != 200 or answer.request == "GET /metadata":
            continue
        told = refers(answer, "cache-control")
        safe = "no-store" in told or ("private" in told and ("no-cache" in told or "max-age" in told))
        expect.that(safe and "public" not in told, f"{answer.request}: Cache-Control", told)


@HEADERS.must("cors", "Fetch 3.3, ASVS 14.5.3", "Pages of any origin read no data")
def cors(site: Site) -> None:
    one = f"/Patient/{site.of('patient')['id']}"
    for origin in (EVIL, "null", f"{site.nobody.base.scheme}://{site.nobody.base.host}.evil.example"):
        answer = site.first.get(one, origin=origin)
        allowed = refers(answer, "access-control-allow-origin")
        expect.that(allowed not in ("null", origin.lower()), f"no leave for {origin}", allowed)
        both = allowed == "*" and refers(answer, "access-control-allow-credentials") == "true"
        expect.that(not both, "no credentials for everybody", allowed)


@HEADERS.must("trace", "RFC 9110 9.3.8, ASVS 14.5.1", "TRACE shows nobody their token")
def trace(site: Site) -> None:
    answer = site.first.send("TRACE", "/metadata")
    expect.that(answer.status >= 400 and str(site.first.token).encode() not in answer.body, "a refusal", answer.status)


@HEADERS.must("version", "ASVS 14.3.3, RFC 9110 10.2.4", "No answer tells the version of what serves it")
def version(site: Site) -> None:
    for answer in answers(site):
        for name in ("server", "x-powered-by", "via"):
            told = refers(answer, name)
            expect.that(not any(char.isdigit() for char in told), f"{answer.request}: no version in {name}", told)


@HEADERS.must("injection", "RFC 9110 5.5, CWE-113", "No header field is made of what a URL or a field says")
def injection(site: Site) -> None:
    bad = "x%0d%0aX-Made:%201"
    tried = [site.first.get(path) for path in (
        f"/Patient/{bad}", f"/Patient?_id={bad}", f"/Patient?_format={bad}", f"/{bad}", f"/Patient?_sort={bad}",
        f"/Patient/{bad}/_history/{bad}")]  # fmt: skip
    if site.dicom_web:
        tried += [site.first.get(site.dicom_web + path, "*/*") for path in (
            f"/studies/{bad}", f"/studies?limit=1&includefield={bad}", f"/studies/1.2/bulkdata/{bad}",
            f"/studies/{bad}/metadata", f"/studies?PatientID={bad}&limit=1",
            f"/studies/1.2/rendered?viewport={bad}")]  # fmt: skip
    for answer in tried:
        expect.that("x-made" not in answer.headers, f"{answer.request}: no such field", answer.headers.get("x-made"))
        expect.that(answer.status < 500 or answer.status == 501, "no failure of the server's own", answer.status)


@HEADERS.must("errors", "ASVS 7.4.1", "What goes wrong is told without where in the program")
def errors(site: Site) -> None:
    wrong = [site.first.post("/Patient", b"{"), site.first.get("/Patient?birthdate=x"), site.first.get("/$nothing"),
             site.nobody.get("/.well-known/nothing", PLAIN_JSON)]  # fmt: skip
    for answer in wrong:
        for mark in (b"Traceback", b'.py"', b"SELECT ", b"at java.", b"Exception in"):
            expect.that(mark not in answer.body, f"{answer.request}: no trace", answer.body[:200])
