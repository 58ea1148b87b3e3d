"""Query parameters of the URI service (PS3.18 9.1.2, 9.4.1.2, 9.5.1.2), each checked as its clause says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pacsd.codec.render.parameters import ANNOTATIONS, MAX_VIEWPORT_PIXELS, Parameters, Region, Viewport
from pacsd.codec.render.voi_lut import Window
from pacsd.web.addresses import uid_of
from pacsd.web.media_types import DICOM, MediaRange, parse_accept
from pacsd.web.problem import HttpError, bad_request

MANDATORY = ("requestType", "studyUID", "seriesUID", "objectUID")
OPTIONAL = (
    "contentType", "charset", "anonymize", "annotation", "transferSyntax", "frameNumber", "imageAnnotation",
    "imageQuality", "rows", "columns", "region", "windowCenter", "windowWidth", "presentationSeriesUID",
    "presentationUID",
)  # fmt: skip
_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")


@dataclass(frozen=True, slots=True)
class UriRequest:
    """One request, well formed: which instance, as what, and how."""

    uids: tuple[str, str, str]           # study, series, instance
    ranges: tuple[MediaRange, ...]       # of contentType; none given: the Accept header decides
    transfer_syntax_uid: str | None
    frame_number: int | None
    presentation: tuple[str, str] | None                 # series and instance of a presentation state
    rendering: Parameters


def uri_request(pairs: Iterable[tuple[str, str]]) -> UriRequest:
    """Read a query; other parameters are passed over (PS3.18 8.3). Raises HttpError 400, 501 for anonymize=yes."""
    given = _once(pairs)
    for name in MANDATORY:
        if not given.get(name):
            raise bad_request(f"the parameter {name} is missing")
    if given["requestType"] != "WADO":
        raise bad_request("requestType is WADO")
    _anonymize(given)
    asked = UriRequest(
        uids=(_uid(given, "studyUID"), _uid(given, "seriesUID"), _uid(given, "objectUID")),
        ranges=_content_type(given),
        transfer_syntax_uid=_transfer_syntax(given),
        frame_number=_whole(given, "frameNumber"),
        presentation=_presentation(given),
        rendering=Parameters(
            annotation=_annotation(given),
            quality=_quality(given),
            viewport=_viewport(given),
            window=_window(given),
            region=_region(given),
        ),
    )
    if asked.presentation and (asked.frame_number is not None or asked.rendering.window is not None):
        raise bad_request("frameNumber and a window cannot be given with a presentation state")
    return asked


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given and name in (*MANDATORY, *OPTIONAL):
            raise bad_request(f"the parameter {name} is given twice")
        given[name] = value
    return given


def _anonymize(given: Mapping[str, str]) -> None:
    """PS3.18 9.4.2.3: refused, as there is no de-identification yet."""
    if "anonymize" not in given:
        return
    if given["anonymize"] != "yes":
        raise bad_request("anonymize is yes")
    raise HttpError(501, "Not Implemented", "this server does not de-identify instances")


def _content_type(given: Mapping[str, str]) -> tuple[MediaRange, ...]:
    """PS3.18 9.1.2.2.1: application/dicom or rendered media types, without transfer syntax and character set."""
    if "contentType" not in given:
        return ()
    ranges = parse_accept(given["contentType"])
    if not ranges:
        raise bad_request("contentType names no media type")
    for one in ranges:
        if "transfer-syntax" in one.parameters or (one.essence == DICOM and "charset" in one.parameters):
            raise bad_request("transfer syntax and character set are parameters of their own, not of contentType")
    return ranges


def _transfer_syntax(given: Mapping[str, str]) -> str | None:
    value = given.get("transferSyntax")
    if value is not None and not (len(value) <= 64 and _UID.fullmatch(value)):
        raise bad_request("transferSyntax is one UID")
    return value


def _presentation(given: Mapping[str, str]) -> tuple[str, str] | None:
    """PS3.18 9.5.1.2.7: both or none."""
    series, instance = given.get("presentationSeriesUID"), given.get("presentationUID")
    if series is None and instance is None:
        return None
    if not series or not instance:
        raise bad_request("presentationSeriesUID and presentationUID are given together")
    return _uid(given, "presentationSeriesUID"), _uid(given, "presentationUID")


def _uid(given: Mapping[str, str], name: str) -> str:
    return uid_of(given[name], name)


def _annotation(given: Mapping[str, str]) -> tuple[str, ...]:
    """The clause calls it annotation, its table imageAnnotation."""
    text = given.get("annotation", given.get("imageAnnotation"))
    if text is None:
        return ()
    words = text.split(",")
    if not all(word in ANNOTATIONS for word in words):
        raise bad_request(f"annotation is a list of {', '.join(ANNOTATIONS)}")
    return tuple(dict.fromkeys(words))


def _quality(given: Mapping[str, str]) -> int | None:
    quality = _whole(given, "imageQuality")
    if quality is not None and quality > 100:
        raise bad_request("imageQuality is an integer from 1 to 100")
    return quality


def _viewport(given: Mapping[str, str]) -> Viewport | None:
    """PS3.18 9.5.2.5: each a maximum; where one is absent, it is what keeps the aspect ratio."""
    rows, columns = _whole(given, "rows"), _whole(given, "columns")
    if rows is None and columns is None:
        return None
    if max(rows or 1, columns or 1) > MAX_VIEWPORT_PIXELS:
        raise bad_request(f"a viewport holds 1 to {MAX_VIEWPORT_PIXELS} pixels")
    width = columns or MAX_VIEWPORT_PIXELS // (rows or 1)
    height = rows or MAX_VIEWPORT_PIXELS // width
    if width * height > MAX_VIEWPORT_PIXELS:
        raise bad_request(f"a viewport holds 1 to {MAX_VIEWPORT_PIXELS} pixels")
    return Viewport(width, height)


def _window(given: Mapping[str, str]) -> Window | None:
    """PS3.18 9.5.1.2.6: both or none; the function is linear."""
    texts = given.get("windowCenter"), given.get("windowWidth")
    if texts == (None, None):
        return None
    wrong = "windowCenter and windowWidth are decimal numbers, given together"
    center, width = (_decimal(text, wrong) for text in texts)
    window = Window(center, width, "LINEAR")
    if not window.is_legal:
        raise bad_request("windowWidth is at least 1")
    return window


def _region(given: Mapping[str, str]) -> Region | None:
    """PS3.18 9.5.1.2.5."""
    if "region" not in given:
        return None
    wrong = "region is xmin,ymin,xmax,ymax in fractions of the image, each minimum below its maximum"
    pieces = given["region"].split(",")
    if len(pieces) != 4:
        raise bad_request(wrong)
    left, top, right, bottom = (_decimal(piece, wrong) for piece in pieces)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise bad_request(wrong)
    return left, top, right, bottom


def _whole(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text) or int(text) < 1:
        raise bad_request(f"{name} is a positive integer")
    return int(text)


def _decimal(text: str | None, wrong: str) -> float:
    if text is None or not _DECIMAL.fullmatch(text):
        raise bad_request(wrong)
    return float(text)
