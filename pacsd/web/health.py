"""/health: is the process alive, and can it serve."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.services import Services

_NO_STORE = {"Cache-Control": "no-store"}


async def live(services: Services, request: Request) -> Response:
    """200 while the event loop turns."""
    return Response(b'{"status":"live"}', media_type="application/json", headers=_NO_STORE)


async def ready(services: Services, request: Request) -> Response:
    """200 when every part answers, else 503; both name each part and its state, nothing more."""
    parts = await services.threads.run(services.ready)
    all_ready = all(parts.values())
    body = {"status": "ready" if all_ready else "not ready", "parts": {name: bool(up) for name, up in parts.items()}}
    return Response(
        orjson.dumps(body), 200 if all_ready else 503, media_type="application/json", headers=_NO_STORE
    )
