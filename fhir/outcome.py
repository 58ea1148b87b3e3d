"""What went wrong, or did not, as FHIR says it (http://hl7.org/fhir/R4/operationoutcome.html)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pacsd.faults import Fault, PacsdError

ANSWERS: Mapping[Fault, tuple[int, str]] = {     # HTTP status (http.html#Status-Codes), code of IssueType
    Fault.MALFORMED: (400, "structure"),
    Fault.MISMATCH: (400, "invalid"),
    Fault.INVALID: (422, "invalid"),
    Fault.UNSUPPORTED: (400, "not-supported"),
    Fault.REFUSED: (403, "forbidden"),
    Fault.UNAUTHENTICATED: (401, "login"),
    Fault.FORBIDDEN: (403, "forbidden"),
    Fault.NOT_FOUND: (404, "not-found"),
    Fault.GONE: (410, "deleted"),
    Fault.CONFLICT: (409, "conflict"),
    Fault.STALE: (412, "conflict"),
    Fault.TOO_MUCH: (413, "too-long"),
    Fault.TOO_BROAD: (400, "too-costly"),
    Fault.FULL: (507, "no-store"),
    Fault.UNAVAILABLE: (503, "transient"),
    Fault.INTERNAL: (500, "exception"),
}


HEADERS: Mapping[Fault, Mapping[str, str]] = {
    Fault.UNAVAILABLE: {"Retry-After": "5"},
    Fault.UNAUTHENTICATED: {"WWW-Authenticate": 'Bearer realm="pacsd"'},       # RFC 6750 3
    Fault.FORBIDDEN: {"WWW-Authenticate": 'Bearer realm="pacsd", error="insufficient_scope"'},       # RFC 6750 3.1
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome. `expression`: FHIRPaths of the elements it is about."""

    severity: str                        # fatal, error, warning, information
    code: str                            # of http://hl7.org/fhir/issue-type
    diagnostics: str
    expression: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The issue as an element."""
        told: dict[str, Any] = {"severity": self.severity, "code": self.code, "diagnostics": self.diagnostics}
        if self.expression:
            told["expression"] = list(self.expression)
        return told


class FhirError(PacsdError):
    """A failure that FHIR has more to say of than its category: issues, another status, another code.

    `headers` go with the answer: the version of what was deleted, the methods that are allowed.
    """

    def __init__(
        self,
        fault: Fault,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        expression: Iterable[str] = (),
        issues: Iterable[Issue] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(fault, message)
        usual, kind = ANSWERS[fault]
        self.status = usual if status is None else status
        self.issues = tuple(issues) or (Issue("error", code or kind, message, tuple(expression)),)
        self.headers = dict(headers or {})


def outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome; that all went well where there is no issue."""
    told = [one.as_json() for one in issues] or [Issue("information", "informational", "all is well").as_json()]
    return {"resourceType": "OperationOutcome", "issue": told}


def of_error(error: PacsdError) -> tuple[int, tuple[Issue, ...], Mapping[str, str]]:
    """HTTP status, issues and headers by which an error is answered."""
    if isinstance(error, FhirError):
        return error.status, error.issues, error.headers
    status, code = ANSWERS[error.fault]
    return status, (Issue("error", code, error.message),), HEADERS.get(error.fault, {})


@contextmanager
def located(where: str) -> Iterator[None]:
    """What goes wrong inside is said of that element: `Bundle.entry[3]`; of what is in it, in its place."""
    try:
        yield
    except PacsdError as error:
        if not where:
            raise
        status, issues, headers = of_error(error)
        told = [replace(one, expression=tuple(f"{where}.resource.{path}" for path in one.expression) or (where,))
                for one in issues]  # fmt: skip
        raise FhirError(error.fault, error.message, status=status, issues=told, headers=headers) from error
