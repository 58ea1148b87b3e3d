"""The film page: a study on a phone, without an install, over DICOMweb alone.

Its files are part of the package and few: they are read once, compressed once, and served from memory. Their
addresses hold a digest of all of them, so that browsers may keep them for ever.
"""

import gzip
import hashlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import DICOM_WEB, uid
from pacsd.web.content_coding import accepts_gzip
from pacsd.web.pages import IMMUTABLE, NO_CACHE, compressed_headers
from pacsd.web.problem import HttpError
from pacsd.web.services import Services

ASSETS = {                               # in the order in which the page needs them
    "film.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "film.js": "text/javascript; charset=utf-8",
    "cache.js": "text/javascript; charset=utf-8",
    "calibration.js": "text/javascript; charset=utf-8",
    "dataset.js": "text/javascript; charset=utf-8",
    "dicomweb.js": "text/javascript; charset=utf-8",
    "gestures.js": "text/javascript; charset=utf-8",
    "measurements.js": "text/javascript; charset=utf-8",
    "pane.js": "text/javascript; charset=utf-8",
    "pixels.js": "text/javascript; charset=utf-8",
    "report.js": "text/javascript; charset=utf-8",
    "series.js": "text/javascript; charset=utf-8",
    "sheets.js": "text/javascript; charset=utf-8",
    "text.js": "text/javascript; charset=utf-8",
    "toolbar.js": "text/javascript; charset=utf-8",
    "transform.js": "text/javascript; charset=utf-8",
    "windowing.js": "text/javascript; charset=utf-8",
}
PAGE = "film.html"

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


async def film(_services: Services, request: Request) -> Response:
    """The page of one study. Whether the study is there its DICOMweb requests will tell."""
    study = uid(request, "study")
    asset = _page()
    html = asset.plain.replace(b"{{study}}", escape(study).encode())
    return Response(html, headers=HEADERS | NO_CACHE, media_type="text/html")


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
def _page() -> Asset:
    """The page with the addresses of its files, all but the study."""
    base = f"/film/assets/{digest()}"
    modules = [name for name in ASSETS if name.endswith(".js")]
    preloads = "".join(f'<link rel="modulepreload" href="{base}/{name}">\n' for name in modules)
    html = _read(PAGE, "text/html").plain.decode()
    for name, value in (("assets", base), ("modules", preloads), ("dicom_web", DICOM_WEB)):
        html = html.replace("{{" + name + "}}", value)
    return Asset("text/html", html.encode(), b"")


def _read(name: str, media_type: str) -> Asset:
    plain = pkgutil.get_data("pacsd.web", f"film/{name}")
    if plain is None:
        raise FileNotFoundError(name)
    return Asset(media_type, plain, gzip.compress(plain, 9, mtime=0))
