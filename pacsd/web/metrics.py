"""/metrics: numbers for Prometheus, in its text exposition format."""

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.services import Services

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(services: Services, request: Request) -> Response:
    """Whatever the composition root counts; this room only carries it."""
    text = await services.threads.run(services.metrics)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})
