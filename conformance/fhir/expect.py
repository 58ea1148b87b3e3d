"""What checks say of answers, in the words "expected … got …"."""

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from conformance.fhir.server import JSON, XML, Answer, Model
from conformance.judging import Failed, NotSupported

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
ISSUE_SEVERITY = {"fatal", "error", "warning", "information"}


def that(holds: object, expected: str, got: object) -> None:
    """Raise Failed unless it holds."""
    if not holds:
        raise Failed(f"expected {expected}, got {short(got)}")


def same(expected: object, got: object, what: str) -> None:
    """Raise Failed unless both are equal."""
    that(expected == got, f"{what} {short(expected)}", got)


def status(answer: Answer, *codes: int) -> Answer:
    """The answer, if its status is one of these."""
    if answer.status not in codes:
        raise Failed(f"{answer.request}: expected {' or '.join(map(str, codes))}, got {answer.status}{reason(answer)}")
    return answer


def refused(answer: Answer, *codes: int) -> Answer:
    """The answer, if it is a client error, one of these codes, with an OperationOutcome that says an error."""
    if codes:
        status(answer, *codes)
    elif not 400 <= answer.status < 500:
        raise Failed(f"{answer.request}: expected a 4xx refusal, got {answer.status}{reason(answer)}")
    outcome(answer)
    return answer


def outcome(answer: Answer, *, failed: bool = True) -> Model:
    """Its OperationOutcome (FHIR R4 operationoutcome): issues with severity and code, an error among them or none."""
    found = answer.resource("OperationOutcome")
    issues = found.get("issue")
    that(isinstance(issues, list) and issues, "issues", found)
    assert isinstance(issues, list)  # noqa: S101 - for mypy
    severities = {one.get("severity") for one in issues}
    that(severities <= ISSUE_SEVERITY and all(one.get("code") for one in issues), "severity and code", issues)
    that(bool(severities & {"fatal", "error"}) is failed, "an error" if failed else "no error", issues)
    return found


def offered(answer: Answer, *codes: int) -> Answer:
    """The answer, if its status is one of these; NotSupported where it is a refusal that says so."""
    if answer.status not in codes and answer.status in (400, 404, 405, 406, 415, 422, 501):
        if answer.media_type in (JSON, "application/json") and said(answer) & {"not-supported", "too-costly"}:
            raise NotSupported(f"{answer.request}: {answer.status}{reason(answer)}")
        if answer.status in (405, 501):
            raise NotSupported(f"{answer.request}: {answer.status}")
    return status(answer, *codes)


def said(answer: Answer) -> set[str]:
    """Codes of the issues of an OperationOutcome, if it is one."""
    try:
        issues = answer.resource("OperationOutcome").get("issue", [])
    except Failed:
        return set()
    return {str(one.get("code")) for one in issues}


def json_resource(answer: Answer, kind: str) -> Model:
    """The resource, of this type, said to be application/fhir+json (FHIR R4 http#mime-type)."""
    that(answer.media_type == JSON, f"Content-Type {JSON}", answer.headers.get("content-type"))
    return answer.resource(kind)


def xml(answer: Answer) -> bytes:
    """The body, said to be application/fhir+xml, in FHIR's namespace."""
    that(answer.media_type == XML, f"Content-Type {XML}", answer.headers.get("content-type"))
    that(b"http://hl7.org/fhir" in answer.body[:400], "the namespace of FHIR", answer.body[:160])
    return answer.body


def versioned(answer: Answer, of: Model) -> None:
    """ETag with the version, Last-Modified with its time (FHIR R4 http#read, #update, #versioning)."""
    meta = of.get("meta", {})
    same(f'W/"{meta.get("versionId")}"', answer.headers.get("etag"), "ETag")
    modified = answer.headers.get("last-modified", "")
    try:
        parsedate_to_datetime(modified)
    except (TypeError, ValueError):
        raise Failed(f"{answer.request}: expected Last-Modified as an HTTP date, got {modified!r}") from None


def stamped(found: Model, at: str = "") -> Model:
    """A resource with id, version and time of its own (FHIR R4 resource#metadata)."""
    meta = found.get("meta", {})
    that(ID.fullmatch(str(found.get("id", ""))) and (not at or found["id"] == at), f"id {at}", found.get("id"))
    that(ID.fullmatch(str(meta.get("versionId", ""))), "meta.versionId", meta)
    that(INSTANT.fullmatch(str(meta.get("lastUpdated", ""))), "meta.lastUpdated", meta)
    return found


def link(bundle: Model, relation: str) -> str:
    """The URL of a link of a Bundle, empty where there is none."""
    return next((str(one.get("url", "")) for one in bundle.get("link", []) if one.get("relation") == relation), "")


def without_meta(resource: Model) -> Model:
    """What a client said, without what a server adds (FHIR R4 resource#metadata; it may also add a narrative)."""
    return {name: value for name, value in resource.items() if name not in ("id", "meta", "text")}


def short(value: object) -> str:
    """At most 300 characters of it."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


def reason(answer: Answer) -> str:
    """The beginning of a body, in one line."""
    return f" with {' '.join(answer.body[:600].decode('utf-8', 'replace').split())[:300]!r}" if answer.body else ""


def ids(entries: Iterable[Model]) -> list[str]:
    """Logical ids of entries, in order."""
    return [str(one.get("resource", {}).get("id")) for one in entries]
