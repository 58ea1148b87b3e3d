"""`/l/{token}`: where a share link leads. Its page asks for the PIN, or for a touch; only the form of it counts a view.

Readers of messages and search engines fetch what they find: they get the page, and use nothing up.
"""

import unicodedata
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pacsd.links.visit import Opened, Outcome, Visits
from pacsd.web import link_pages
from pacsd.web.link_session import begin
from pacsd.web.problem import HttpError
from pacsd.web.services import Services

_MOST_BODY = 1_024
_MAX_FIELDS = 4
_STATUS = {Outcome.GONE: 404, Outcome.WRONG_PIN: 403, Outcome.WAIT: 429, Outcome.CLOSED: 403}


async def look(services: Services, request: Request) -> Response:
    """The page of a link: 404 where it is over, in the same words as where there never was one."""
    visits, token = _visits(services), request.path_params["token"]
    address = services.addresses.client(request)
    kept = await services.threads.run(lambda: visits.look(token, address=address))
    language = link_pages.language_of(request)
    if kept is None:
        return link_pages.over(language, 404)
    return link_pages.entry(language, asks_pin=bool(kept.link.pin))


async def enter(services: Services, request: Request) -> Response:
    """303 to the film page, with a session; else the page once more, with what was wrong."""
    visits, token = _visits(services), request.path_params["token"]
    _refuse_other_sites(services, request)
    pin, address = await _pin(request), services.addresses.client(request)
    opened = await services.threads.commit(lambda: visits.open(token, pin, address=address))
    if opened.session is None:
        return _not_opened(link_pages.language_of(request), opened)
    response = RedirectResponse(f"/film/{opened.study}" if opened.study else "/film", 303, headers=link_pages.NO_STORE)
    begin(response, opened.session, secure=services.addresses.origin(request).startswith("https://"))
    return response


def _not_opened(language: str, opened: Opened) -> Response:
    status = _STATUS[opened.outcome]
    if opened.outcome is Outcome.GONE:
        return link_pages.over(language, status)
    if opened.outcome is Outcome.CLOSED:
        return link_pages.closed(language, status)
    return link_pages.entry(language, asks_pin=True, status=status, wrong=opened.outcome is Outcome.WRONG_PIN,
                            wait_s=opened.wait_s)  # fmt: skip


def _visits(services: Services) -> Visits:
    if services.links is None:
        raise HttpError(404, "Not Found", "there are no links here")
    return services.links


def _refuse_other_sites(services: Services, request: Request) -> None:
    """Another site's form would have a browser look at what that site chose."""
    origin, site = request.headers.get("origin", "null"), request.headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") or origin not in ("null", services.addresses.origin(request)):
        raise HttpError(403, "Forbidden", "a link is opened from its own page")


async def _pin(request: Request) -> str:
    """The PIN of the form; empty where none was sent. Phones type full-width digits, and spaces."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            raise HttpError(413, "Content Too Large", "the form is too large")
    try:
        fields = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        return ""
    return "".join(unicodedata.normalize("NFKC", fields.get("pin", "")).split())[:16]
