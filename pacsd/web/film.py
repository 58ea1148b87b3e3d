"""The film page: a study on a phone, without an install, over DICOMweb alone.

Its files are part of the package and few: they are read once, compressed once, and served from memory. Their
addresses hold a digest of all of them, so that browsers may keep them for ever.
"""

import gzip
import hashlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from pacsd.access.principal import Role
from pacsd.faults import Fault, PacsdError
from pacsd.web import link_pages
from pacsd.web.addresses import DICOM_WEB, uid
from pacsd.web.admission import NOBODY
from pacsd.web.content_coding import accepts_gzip
from pacsd.web.film_script import joined
from pacsd.web.link_pages import NO_STORE
from pacsd.web.link_session import cookie_of
from pacsd.web.pages import IMMUTABLE, NO_CACHE, compressed_headers
from pacsd.web.problem import HttpError
from pacsd.web.services import Services

ASSETS = {
    "film.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "film.js": "text/javascript; charset=utf-8",             # with the modules it imports, as `history.js`
    "history.js": "text/javascript; charset=utf-8",
}
PAGE, HISTORY = "film.html", "history.html"
_EARLY = re.compile(rb'<link rel="preload" as="fetch".*\n')

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in memory, plain and compressed."""

    media_type: str
    plain: bytes
    compressed: bytes


async def film(services: Services, request: Request) -> Response:
    """The page of one study. Whether the study is there its DICOMweb requests will tell; whether the link is over by
    which it is looked at, the page."""
    study = uid(request, "study")
    roles, over = await _link(services, request)
    if over is not None:
        return over
    values = {"study": escape(study), "link": str(Role.LINK in roles).lower(),
              "download": str(Role.LINK_COPY in roles).lower()}  # fmt: skip
    return _filled(
        _page(PAGE), values, NO_STORE if roles else NO_CACHE, asks_early=await _is_somebody(services, request)
    )


async def _is_somebody(services: Services, request: Request) -> bool:
    """Whether what the page asks for is asked by somebody known."""
    if services.admission is None:
        return True
    try:
        return (await services.admission.access(request.scope)).principal is not NOBODY
    except PacsdError as error:
        if error.fault is not Fault.UNAUTHENTICATED:
            raise
        return False


async def history(services: Services, request: Request) -> Response:
    """The page of all studies that a link opens; there is none for others."""
    roles, over = await _link(services, request)
    if over is not None:
        return over
    if not roles:
        raise HttpError(404, "Not Found", "no link was opened here")
    return _filled(_page(HISTORY), {}, NO_STORE)


async def _link(services: Services, request: Request) -> tuple[frozenset[Role], Response | None]:
    """The roles of who opened a link; none without one. Of one that is over, the page that says so."""
    if cookie_of(request.scope) is None or services.admission is None:
        return frozenset(), None
    try:
        return (await services.admission.access(request.scope)).principal.roles, None
    except PacsdError as error:
        if error.fault is not Fault.UNAUTHENTICATED:
            raise
        return frozenset(), link_pages.over(link_pages.language_of(request), 403)


def _filled(
    asset: Asset, values: Mapping[str, str], kept: Mapping[str, str], *, asks_early: bool = True
) -> Response:
    html = asset.plain if asks_early else _EARLY.sub(b"", asset.plain)       # what is refused twice would count twice
    for name, value in values.items():
        html = html.replace(b"{{" + name.encode() + b"}}", value.encode())
    return Response(html, headers={**HEADERS, **kept}, media_type="text/html")


async def asset(_services: Services, request: Request) -> Response:
    """One of the page's files. An older page's address gets today's file, which is then not kept."""
    found = _assets().get(request.path_params["name"])
    if found is None:
        raise HttpError(404, "Not Found", "the film page has no such file")
    compressed = accepts_gzip(request)
    kept = IMMUTABLE if request.path_params["digest"] == digest() else NO_CACHE
    headers = HEADERS | kept | compressed_headers(compressed)
    body = found.compressed if compressed else found.plain
    return Response(body, headers=headers, media_type=found.media_type)


@cache
def digest() -> str:
    """A text that changes whenever one of the files does."""
    found = hashlib.sha256()
    for name, one in _assets().items():
        found.update(f"{name} {len(one.plain)} ".encode() + one.plain)
    return found.hexdigest()[:16]


@cache
def _assets() -> dict[str, Asset]:
    return {name: _read(name, media_type) for name, media_type in ASSETS.items()}


@cache
def _page(page: str) -> Asset:
    """A page with the addresses of its files, all but what its request says."""
    base = f"/film/assets/{digest()}"
    html = _text(page)
    for name, value in (("assets", base), ("dicom_web", DICOM_WEB)):
        html = html.replace("{{" + name + "}}", value)
    return Asset("text/html", html.encode(), b"")


def _read(name: str, media_type: str) -> Asset:
    plain = (joined(name, _text) if name.endswith(".js") else _text(name)).encode()
    return Asset(media_type, plain, gzip.compress(plain, 9, mtime=0))


def _text(name: str) -> str:
    found = pkgutil.get_data("pacsd.web", f"film/{name}")
    if found is None:
        raise FileNotFoundError(name)
    return found.decode()
