"""Workitems on their way in and out: data sets as JSON or XML (PS3.18 11.1, 8.7.3)."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.codec import json_dataset
from pacsd.codec.json_dataset import Dataset
from pacsd.web import xml_dataset
from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, Representation, media_type
from pacsd.web.problem import HttpError
from pacsd.web.request_body import arriving
from pacsd.web.services import Services
from pacsd.web.xml_model import native_model

OFFERS = (Representation(DICOM_JSON), Representation(DICOM_XML), Representation(JSON))
_READERS: Mapping[str, Callable[[bytes], Dataset]] = {
    DICOM_JSON: json_dataset.dataset,
    JSON: json_dataset.dataset,
    DICOM_XML: xml_dataset.dataset,
}
_UTF8 = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}


async def received(
    services: Services, request: Request, *, required: bool = True, most: int | None = None
) -> Dataset:
    """The data set of a request, of `most` bytes if need be; empty where there is none and none is required.

    Raises HttpError 415, 413, 408, 400, PacsdError MALFORMED.
    """
    limits = services.limits
    text = b"".join([chunk async for chunk in arriving(limits, request, most or limits.max_dataset_bytes)])
    if not text and not required:
        return {}
    content_type = request.headers.get("content-type", "")
    essence, _ = media_type(content_type)
    reader = _READERS.get(essence)
    if reader is None or request.headers.get("content-encoding", "identity").lower() != "identity":
        accepted = ", ".join(_READERS)
        detail = f"send one data set, not encoded, as one of {accepted}"
        raise HttpError(415, "Unsupported Media Type", detail, headers={"Accept-Post": accepted})
    return await services.threads.run(reader, text)


def sent(dataset: Mapping[str, Any], form: Representation, headers: Mapping[str, str]) -> Response:
    """A data set as an answer."""
    whole = {**_UTF8, **dataset}
    body = native_model(whole) if form.media_type == DICOM_XML else orjson.dumps(whole)
    return Response(body, headers={"Content-Type": form.media_type, **headers})
