"""The prebuilt viewer below /viewer: static files that `pacsd viewer install` has made ready."""

import os
import re
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from pacsd.web.content_coding import accepts_gzip
from pacsd.web.pages import IMMUTABLE, NO_CACHE, compressed_headers, page
from pacsd.web.problem import HttpError
from pacsd.web.services import Services

BASE = "/viewer/"
INDEX = "index.html"

MEDIA_TYPES = {                          # said here, for what the system's table knows differs from one to the next
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jsonc": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
# A page that may use SharedArrayBuffer stands alone (HTML, cross-origin isolation), and asks nobody but us.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; media-src 'self' blob:; object-src 'self' blob:; frame-src 'self' blob:; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    ),
}

_HASHED = re.compile(r"(.*\.)?[0-9a-f]{16}\.[a-z0-9]+")      # a name that changes with the content

NOT_INSTALLED = """
<h1>阅片器尚未安装 · The viewer is not installed</h1>
<p>在服务器上运行 · On the server, run</p>
<pre>pacsd viewer install --data DIR</pre>
<p>或在源码目录运行 · or, in a checkout,</p>
<pre>make viewer</pre>
<p>完成后刷新本页，无需重启。 · Then load this page again; the server need not be restarted.</p>
"""


async def enter(_services: Services, request: Request) -> Response:
    """`/` and `/viewer`, which lead to the viewer's own root."""
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse(BASE + (f"?{query}" if query else ""), 308, headers=NO_CACHE)


async def viewer(services: Services, request: Request) -> Response:
    """A file of the bundle, or its page for every path that only the page itself understands."""
    if services.viewer_dir is None:
        return page(NOT_INSTALLED, title="pacsd", status=404)
    path = request.path_params["path"]
    response = await services.threads.run(_find, services.viewer_dir, path, request)
    if response is not None:
        return response
    if "." in path.rpartition("/")[2] or path.startswith("assets/"):
        raise HttpError(404, "Not Found", "there is no such file")
    index = await services.threads.run(_find, services.viewer_dir, INDEX, request)
    return index or page(NOT_INSTALLED, title="pacsd", status=404)


def _find(folder: Path, path: str, request: Request) -> Response | None:
    """The answer of one file, its compressed twin where the client takes that; None where there is none."""
    name = path or INDEX
    found = _file(folder, name)
    if found is None or name.endswith(".gz"):
        return None
    suffix = Path(name).suffix.lower()
    headers = HEADERS | (IMMUTABLE if _HASHED.fullmatch(Path(name).name) else NO_CACHE)
    media_type = MEDIA_TYPES.get(suffix, "application/octet-stream")
    twin = _file(folder, name + ".gz")
    if twin is not None:
        headers |= compressed_headers(accepts_gzip(request))
        found = twin if accepts_gzip(request) else found
    response = FileResponse(found[0], headers=headers, media_type=media_type, stat_result=found[1])
    if _files(folder).is_not_modified(response.headers, request.headers):
        return Response(status_code=304, headers=_kept(response))
    return response


def _kept(response: Response) -> dict[str, str]:
    """The headers that go with 304 (RFC 9110 15.4.5)."""
    names = ("Cache-Control", "ETag", "Last-Modified", "Vary", *HEADERS)
    return {name: response.headers[name] for name in names if name in response.headers}


def _file(folder: Path, path: str) -> tuple[str, os.stat_result] | None:
    """A regular file below the folder; nothing outside it is ever looked at."""
    if "\0" in path:
        return None
    try:
        full, stat = _files(folder).lookup_path(path)
    except OSError:
        return None
    return (full, stat) if stat is not None and _is_file(stat) else None


def _is_file(stat: os.stat_result) -> bool:
    return stat.st_mode & 0o170000 == 0o100000


@lru_cache(maxsize=4)
def _files(folder: Path) -> StaticFiles:
    return StaticFiles(directory=folder, check_dir=False)
