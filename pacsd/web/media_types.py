"""Content negotiation (PS3.18 8.7, RFC 9110 12.5.1): what a client accepts against what can be given."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import Request

from pacsd.web.problem import HttpError, bad_request

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
ZIP = "application/zip"
WADL = "application/vnd.sun.wadl+xml"
JSON = "application/json"                    # accepted as an alias: many clients send nothing else
OCTET_STREAM = "application/octet-stream"
MULTIPART_RELATED = "multipart/related"
ANY_SYNTAX = "*"

_MAX_ACCEPT = 16_384
_MAX_REMEMBERED = 1_024                      # longer ones are rare, and many of them would fill the memory
_PIECE = re.compile(r'(?:[^",;]|"(?:[^"\\]|\\.)*"?)*')


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header; type and parameter names in lower case."""

    essence: str
    quality: float = 1.0
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Representation:
    """One form in which a resource can be given.

    `by_name_only`: not a form to fall into; a client must name its transfer syntax, or accept any (`*`).
    `exact_only`: nor is any of use; it must be named itself.
    `transcoded`: made when it is asked for, by those who can say whether it can be.
    """

    media_type: str
    multipart: bool = False
    transfer_syntax_uid: str | None = None
    by_name_only: bool = False
    transcoded: bool = False
    exact_only: bool = False

    @property
    def part_type(self) -> str:
        """Content-Type of the content itself, or of each part."""
        if self.transfer_syntax_uid is None:
            return self.media_type
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}"

    def __str__(self) -> str:
        if not self.multipart:
            return self.part_type
        syntax = f"; transfer-syntax={self.transfer_syntax_uid}" if self.transfer_syntax_uid else ""
        return f'{MULTIPART_RELATED}; type="{self.media_type}"{syntax}'


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """A Content-Type or one Accept element: type in lower case, and parameters without their quotes.

    Lenient: `type=application/dicom` without quotes is understood, as is a blank for the `+` of a query string.
    """
    first, *rest = _split(value, ";")
    parameters = {}
    for piece in rest:
        name, equals, text = piece.partition("=")
        if equals:
            parameters[name.strip().lower()] = _unquoted(text.strip())
    return _essence(first), parameters


def parse_accept(value: str) -> tuple[MediaRange, ...]:
    """The ranges of an Accept value in their order; elements that are no media ranges are passed over.

    Raises HttpError 400 for one that is longer than any list of all there is.
    """
    if len(value) > _MAX_ACCEPT:
        raise bad_request(f"what is acceptable is said in more than {_MAX_ACCEPT} characters")
    return _remembered(value) if len(value) <= _MAX_REMEMBERED else _parsed(value)


def _parsed(value: str) -> tuple[MediaRange, ...]:
    ranges = []
    for element in _split(value, ","):
        essence, parameters = media_type(element)
        if essence == "*":               # of clients as old as that
            essence = "*/*"
        if "/" not in essence:
            continue
        ranges.append(MediaRange(essence, _quality(parameters.pop("q", "1")), parameters))
    return tuple(ranges)


_remembered = lru_cache(maxsize=256)(_parsed)


def negotiate(request: Request, offers: Sequence[Representation]) -> Representation:
    """The representation to answer with: the `accept` query parameter decides before the header (PS3.18 8.7.8).

    Of equally wanted ones the first of `offers`. Raises HttpError 406 that lists `offers`.
    """
    found = first_choice(accepted(request), offers)
    if found is None:
        raise not_acceptable(offers)
    return found


def accepted(request: Request) -> tuple[str, ...]:
    """What a request accepts: the texts to go by, one after the other."""
    by_query = request.query_params.getlist("accept") if b"accept=" in request.scope["query_string"] else []
    return tuple(",".join(values) for values in (by_query, accept_headers(request)) if values)


def accept_headers(request: Request) -> list[str]:
    """The values of Accept; where it says nothing, that anything is accepted."""
    return [value for value in request.headers.getlist("accept") if value.strip()] or ["*/*"]


def first_choice(accept: Sequence[str], offers: Sequence[Representation]) -> Representation | None:
    """The offer that the first of the texts chooses which accepts any."""
    choices = (choose(parse_accept(text), offers) for text in accept)
    return next((found for found in choices if found is not None), None)


def accepted_ranges(request: Request) -> tuple[MediaRange, ...]:
    """What the client accepts: what its `accept` query parameter says, else its header."""
    return parse_accept(accepted(request)[0])


def best_range(request: Request) -> MediaRange | None:
    """What the client likes best, the first of those that it likes as well; None where it accepts nothing."""
    ranges = accepted_ranges(request)
    best = max((one.quality for one in ranges), default=0.0)
    return next((one for one in ranges if one.quality == best), None) if best > 0.0 else None


def quality_of_token(accepted: str, token: str) -> float:
    """Quality of a coding or character set in a list of weighted tokens, in lower case (RFC 9110 12.4.2).

    What is not named has that of `*`, or none.
    """
    qualities = {}
    for element in _split(accepted, ","):
        name, _, parameters = element.partition(";")
        given = re.fullmatch(r"\s*q\s*=\s*([0-9.]+)\s*", parameters)
        qualities[name.strip().lower()] = _quality(given[1]) if given else 1.0
    return qualities.get(token, qualities.get("*", 0.0))


def negotiate_possible(
    request: Request, offers: Sequence[Representation], is_possible: Callable[[Representation], bool]
) -> Representation | None:
    """As `negotiate`, among the offers that `is_possible` confirms; it is asked no more than it must be. Maybe none."""
    left = list(offers)
    while True:
        form = first_choice(accepted(request), left)
        if form is None or is_possible(form):
            return form
        left = [offer for offer in left if offer.transfer_syntax_uid != form.transfer_syntax_uid]


def choose(ranges: Sequence[MediaRange], offers: Sequence[Representation]) -> Representation | None:
    """The offer with the highest quality, None if nothing is acceptable: where no media range is any that is known,
    neither (PS3.18 8.7.7, 8.7.8.1)."""
    best, best_quality = None, 0.0
    for offer in offers:
        quality = _quality_of(ranges, offer)
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def not_acceptable(offers: Sequence[Representation]) -> HttpError:
    """406 with what would be possible."""
    possible = list(dict.fromkeys(map(str, offers)))
    detail = "none of the acceptable media types can be given for this resource"
    return HttpError(406, "Not Acceptable", detail, members={"acceptable": possible})


def _quality_of(ranges: Sequence[MediaRange], offer: Representation) -> float:
    """Quality by the most specific range that covers the offer (RFC 9110 12.5.1)."""
    best, quality = -1, 0.0
    for one in ranges:
        specificity = _specificity(one, offer)
        if specificity > best:
            best, quality = specificity, one.quality
    return quality


def _specificity(accepted: MediaRange, offer: Representation) -> int:
    """-1 where the range does not cover the offer, else more for the more specific."""
    syntax = accepted.parameters.get("transfer-syntax")
    if syntax not in (None, ANY_SYNTAX, offer.transfer_syntax_uid):
        return -1
    wanted = accepted.essence
    if offer.multipart and wanted == MULTIPART_RELATED:
        wanted = accepted.parameters.get("type", "*/*").lower()
    elif offer.multipart and wanted not in ("*/*", "multipart/*"):
        return -1
    elif offer.multipart:
        wanted = "*/*"
    if wanted == offer.media_type:
        named = 4
    elif wanted == "*/*":
        named = 0
    elif wanted.endswith("/*") and offer.media_type.startswith(wanted[:-1]):
        named = 2
    else:
        return -1
    if offer.by_name_only and syntax is None:
        return -1
    if offer.exact_only and syntax != offer.transfer_syntax_uid:
        return -1
    return named + (syntax is not None)


def _split(value: str, separator: str) -> list[str]:
    """Split outside quoted strings."""
    pieces, current, at = [], "", 0
    while at < len(value):
        match = _PIECE.match(value, at)
        text = match.group() if match else ""
        current += text
        at += len(text)
        if at < len(value):
            if value[at] == separator:
                pieces.append(current)
                current = ""
            else:
                current += value[at]
            at += 1
    return [*pieces, current]


def _essence(text: str) -> str:
    return text.strip().lower().replace(" ", "+")


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
