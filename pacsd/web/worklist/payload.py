"""Workitems on their way in and out: data sets as JSON or XML (PS3.18 11.1, 8.7.3)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.web import json_dataset, xml_dataset
from pacsd.web.json_dataset import Dataset
from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, Representation, media_type
from pacsd.web.problem import HttpError
from pacsd.web.services import Services
from pacsd.web.xml_model import native_model

OFFERS = (Representation(DICOM_JSON), Representation(DICOM_XML), Representation(JSON))
_READERS: Mapping[str, Callable[[bytes], Dataset]] = {
    DICOM_JSON: json_dataset.dataset,
    JSON: json_dataset.dataset,
    DICOM_XML: xml_dataset.dataset,
}
_UTF8 = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}


async def received(services: Services, request: Request, *, required: bool = True) -> Dataset:
    """The data set of a request; empty where there is none and none is required.

    Raises HttpError 415, 413, 408, 400, PacsdError MALFORMED.
    """
    text = await _body(request, services.limits.max_dataset_bytes, services.limits.upload_stall_s)
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


async def _body(request: Request, most: int, stall_s: float) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    chunks: list[bytes] = []
    taken = 0
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(stall_s):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise HttpError(
                408, "Request Timeout", "the upload has stalled", headers={"Connection": "close"}
            ) from error
        if chunk is None:
            return b"".join(chunks)
        taken += len(chunk)
        if taken > most:
            raise _too_large(most)
        chunks.append(chunk)


def _too_large(most: int) -> HttpError:
    detail = f"one data set may hold {most} bytes"
    return HttpError(413, "Content Too Large", detail, headers={"Connection": "close"})
