"""`python -m tests.bench.pages VIEWER ROOT PORT`: our pages, wired to another server's DICOMweb.

They are served by the same code as ours, so that what differs is the DICOMweb service behind them. They stand on
another origin than it, which the browser of the benchmark is told not to mind; no proxy stands between.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pacsd.web import film
from pacsd.web.addresses import DICOM_WEB, Addresses
from pacsd.web.app import create_app
from pacsd.web.pages import NO_CACHE
from pacsd.web.services import Services
from pacsd.web.viewer import HEADERS


def application(viewer: Path, root: str) -> ASGIApp:
    """The pages alone; `root` is the other server's DICOMweb base URL."""
    nobody: Any = None
    app = cast(Any, create_app(Services(nobody, nobody, Addresses(), viewer_dir=viewer)))

    async def config(_: Request) -> Response:
        ours = (viewer / "app-config.js").read_text(encoding="utf-8")
        theirs = ours.replace("`${window.location.origin}/dicom-web`", f"'{root}'")
        return Response(theirs, media_type="text/javascript", headers=HEADERS | NO_CACHE)

    async def page(request: Request) -> Response:
        response = await film.film(nobody, request)
        html = bytes(response.body).decode().replace(f'data-dicom-web="{DICOM_WEB}"', f'data-dicom-web="{root}"')
        policy = response.headers["content-security-policy"].replace("connect-src 'self'", f"connect-src {root}/")
        return Response(html, media_type="text/html", headers={"Content-Security-Policy": policy, **NO_CACHE})

    app.router.routes.insert(0, Route("/viewer/app-config.js", config))
    app.router.routes.insert(0, Route("/film/{study}", page))
    return cast(ASGIApp, app)


if __name__ == "__main__":
    uvicorn.run(
        application(Path(sys.argv[1]), sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[3]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
