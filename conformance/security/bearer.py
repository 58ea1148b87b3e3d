"""IHE IUA ITI-72: a token in the Authorization field, and nothing else, opens what its scopes name."""

from urllib.parse import quote

from conformance.fhir import expect
from conformance.fhir.server import FORM, JSON, Answer
from conformance.security.prepared import DICOM_JSON, patient
from conformance.security.suite import Page, Site

USE_TOKEN = Page("iti-72", "IUA: Incorporate Access Token (ITI-72)")


def doors(site: Site) -> list[tuple[str, str]]:
    """What is asked of each interface, by URL and media type."""
    fhir = [("/Patient?_count=1", JSON), ("/Observation?_count=1", JSON), ("/Patient/none", JSON)]
    web = [(f"{site.dicom_web}/studies?limit=1", DICOM_JSON), (f"{site.dicom_web}/studies/1.2.3/metadata", DICOM_JSON)]
    return fhir + (web if site.dicom_web else [])


def challenged(answer: Answer) -> str:
    """The challenge of a 401 (RFC 6750 3)."""
    told = str(expect.status(answer, 401).headers.get("www-authenticate", ""))
    expect.that(told.lower().startswith("bearer"), "WWW-Authenticate: Bearer", told)
    return told


@USE_TOKEN.must("opens", "ITI-72 3.72.4.1, RFC 6750 2.1", "With a token of the right scope data is answered")
def opens(site: Site) -> None:
    for path, accept in doors(site):
        answer = site.first.get(path, accept)
        expect.that(answer.status in (200, 204, 404), "200, 204 or 404", answer.status)
    expect.status(site.nobody.get("/Patient?_count=1", authorization=f"bearer {site.first.token}"), 200)


@USE_TOKEN.must("without", "ITI-72 3.72.4.1.3, RFC 6750 3", "Without one: 401, and a challenge that names Bearer")
def without(site: Site) -> None:
    for path, accept in doors(site):
        challenged(site.nobody.get(path, accept))
    challenged(site.nobody.post("/Patient", patient("nobody")))


@USE_TOKEN.must("wrong", "RFC 6750 3.1", "One that is none: 401")
def wrong(site: Site) -> None:
    for token in ("x", "null", "undefined", "a.b.c", "x" * 3000, "e30.e30.", "%00"):
        for path, accept in doors(site)[:1] + doors(site)[-1:]:
            challenged(site.with_token(token).get(path, accept))


@USE_TOKEN.should("said", "RFC 6750 3.1", "The challenge to one that is none says invalid_token")
def said(site: Site) -> None:
    told = challenged(site.with_token("x").get("/Patient?_count=1"))
    expect.that('error="invalid_token"' in told, 'error="invalid_token"', told)


@USE_TOKEN.should("outcome", "FHIR R4 http#Status-Codes", "A refusal by FHIR is an OperationOutcome that says login")
def outcome(site: Site) -> None:
    answer = site.nobody.get("/Patient?_count=1")
    found = answer.resource("OperationOutcome")
    expect.that({one.get("code") for one in found.get("issue", [])} & {"login", "security", "expired", "unknown"},
                "code login", found)  # fmt: skip


@USE_TOKEN.must("query", "ITI-72 3.72.4.1.2, RFC 9700 4.3.2", "A token in the URL is not taken")
def in_the_query(site: Site) -> None:
    token = quote(str(site.first.token))
    expect.status(site.nobody.get(f"/Patient?_count=1&access_token={token}"), 401)
    if site.dicom_web:
        expect.status(site.nobody.get(f"{site.dicom_web}/studies?limit=1&access_token={token}", DICOM_JSON), 401)


@USE_TOKEN.must("form", "ITI-72 3.72.4.1.2", "A token in a form is not taken")
def in_a_form(site: Site) -> None:
    body = f"_count=1&access_token={quote(str(site.first.token))}".encode()
    expect.status(site.nobody.post("/Patient/_search", body, FORM), 401)


@USE_TOKEN.must("cookie", "ITI-72 3.72.4.1.2, CWE-352", "A token in a cookie is not taken")
def in_a_cookie(site: Site) -> None:
    for name in ("access_token", "token", "Authorization"):
        expect.status(site.nobody.get("/Patient?_count=1", cookie=f"{name}={site.first.token}"), 401)


@USE_TOKEN.must("schemes", "RFC 6750 2.1", "A token under another scheme, or none, is not taken")
def schemes(site: Site) -> None:
    for field in (str(site.first.token), f"Basic {site.first.token}", f"Token {site.first.token}", "Bearer"):
        answer = site.nobody.get("/Patient?_count=1", authorization=field)
        expect.that(answer.status in (400, 401), "400 or 401", answer.status)


@USE_TOKEN.must("outside", "RFC 6749 7, RFC 9728", "What describes the server is open to everybody")
def outside(site: Site) -> None:
    expect.status(site.nobody.get("/metadata"), 200)
