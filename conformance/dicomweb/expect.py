"""What checks say of answers, in the words "expected … got …"."""

from collections.abc import Collection, Iterable

from conformance.dicomweb.server import Answer
from conformance.judging import Failed, NotSupported

# how the standard lets a server say that it does not offer something (PS3.18 8.5)
NOT_OFFERED = {400: "bad request", 404: "no such resource", 405: "method not allowed", 406: "not acceptable",
               415: "unsupported media type", 501: "not implemented"}  # fmt: skip


def that(holds: object, expected: str, got: object) -> None:
    """Raise Failed unless it holds."""
    if not holds:
        raise Failed(f"expected {expected}, got {got}")


def same(expected: object, got: object, what: str) -> None:
    """Raise Failed unless both are equal."""
    that(expected == got, f"{what} {_short(expected)}", _short(got))


def status(answer: Answer, *codes: int) -> Answer:
    """The answer, if its status is one of these."""
    if answer.status not in codes:
        raise Failed(f"{answer.request}: expected {_either(codes)}, got {answer.status}{_reason(answer)}")
    return answer


def offered(answer: Answer, *codes: int, without: Collection[int] = (404, 405, 406, 415, 501)) -> Answer:
    """The answer, if its status is one of these (200 unless said); NotSupported for those in `without`."""
    codes = codes or (200,)
    if answer.status not in codes and answer.status in without:
        raise NotSupported(f"{answer.request}: {answer.status} {NOT_OFFERED[answer.status]}")
    return status(answer, *codes)


def media_type(answer: Answer, *names: str) -> Answer:
    """The answer, if its Content-Type is one of these."""
    if answer.media_type not in names:
        raise Failed(f"{answer.request}: expected {_either(names)}, got Content-Type {answer.content_type!r}")
    return answer


def unacceptable(answer: Answer, *defaults: str) -> Answer:
    """The answer, if it is 406 (PS3.18 8.7.8.1), or 200 with something in the default media type (Table 8.7.3-1)."""
    if answer.status == 200 and answer.media_type in defaults and len(answer.body) > len(b"[]"):
        return answer
    return status(answer, 406)


def refused(answer: Answer) -> Answer:
    """The answer, if it is a client error (PS3.18 8.5, 4xx)."""
    if not 400 <= answer.status < 500:
        raise Failed(f"{answer.request}: expected a 4xx refusal, got {answer.status}{_reason(answer)}")
    return answer


def warned(answer: Answer, about: str = "") -> bool:
    """Whether there is a Warning header of code 299 (RFC 7234 5.5) that says this, in any case."""
    return any("299" in value and about.lower() in value.lower() for value in answer.headers.get_list("warning"))


def _either(options: Iterable[object]) -> str:
    return " or ".join(map(str, options))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _reason(answer: Answer) -> str:
    """The beginning of a payload that is text, in one line."""
    if not answer.body or answer.media_type.startswith(("image/", "video/", "multipart/", "application/dicom;")):
        return ""
    return f" with {' '.join(answer.body[:400].decode('utf-8', 'replace').split())[:160]!r}"
