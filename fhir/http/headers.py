"""Headers of FHIR requests and answers (http://hl7.org/fhir/R4/http.html#Http-Headers)."""

import os
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from starlette.datastructures import Headers

from fhir.interaction.request import Answer, Conditions, etag, location

_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._~:/+=]{1,128}")


def conditions(headers: Headers) -> Conditions:
    """What a request makes its effect depend on."""
    return Conditions(
        headers.get("if-match", ""), headers.get("if-none-match", ""), headers.get("if-modified-since", ""),
        headers.get("if-none-exist", ""),
    )  # fmt: skip


def preferences(headers: Headers) -> Mapping[str, str]:
    """Prefer (RFC 7240) as names and values; `respond-async` has an empty one."""
    told: dict[str, str] = {}
    for one in re.split(r"[,;]", ",".join(headers.getlist("prefer"))):
        name, _, value = one.strip().partition("=")
        if name:
            told.setdefault(name.strip().lower(), value.strip().strip('"'))
    return told


def takes_gzip(headers: Headers) -> bool:
    """Whether the client names gzip as a coding it takes (RFC 9110 12.5.3)."""
    for one in ",".join(headers.getlist("accept-encoding")).lower().split(","):
        name, _, quality = one.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality) is None
    return False


def request_id(headers: Headers) -> str:
    """The request's own name for itself, or a new one (http.html#custom)."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()


def of_answer(answer: Answer, base: str) -> dict[str, str]:
    """ETag, Last-Modified and Location of the version an answer is about, and what the answer itself has."""
    told: dict[str, str] = {}
    if answer.about is not None:
        told["ETag"] = etag(answer.about)
        told["Last-Modified"] = _date(answer.about.updated)
        told["Content-Location"] = location(base, answer.about)
        if answer.located:
            told["Location"] = told["Content-Location"]
    return {**told, **answer.headers}


def _date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)
