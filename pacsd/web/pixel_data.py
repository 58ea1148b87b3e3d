"""Retrieve pixel data of studies, series and instances (PS3.18 10.4.1.1.6, Pixel Data Resources)."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web import bulk_parts
from pacsd.web.pixel_forms import PIXEL_DATA
from pacsd.web.services import Services

_PIXELS = (PIXEL_DATA, "7FE00008", "7FE00009")       # Pixel Data, Float and Double Float Pixel Data


async def every(services: Services, request: Request) -> Response:
    """The pixel data of every image of a study, series or instance."""
    return await bulk_parts.given(services, request, _paths)


def _paths(attributes: bulk_parts.Attributes) -> Iterator[str]:
    """Of the top level: an icon's pixels are none (10.4.3.3.6)."""
    return (tag for tag in _PIXELS if tag in attributes)
