"""Non-Patient Instance Service (PS3.18 12): search, retrieve and store below each of its resources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.archive.non_patient.models import RESOURCES, InformationModel
from pacsd.archive.non_patient.search import NonPatientQuery
from pacsd.web import conditional, store_response
from pacsd.web.addresses import DICOM_WEB, uid
from pacsd.web.charset import require_utf8
from pacsd.web.content_coding import accepts_gzip
from pacsd.web.media_types import DICOM, DICOM_XML, Representation, accepted, choose, negotiate, parse_accept
from pacsd.web.multipart import MultipartWriter
from pacsd.web.retrieve import PARTS_OR_ALONE, given
from pacsd.web.search_answer import OFFERS, Asked, answered, data_sets, limited, one_more, unsupported_keys
from pacsd.web.search_parameters import parse_non_patient
from pacsd.web.services import InstanceRef, Services
from pacsd.web.store import store_in
from pacsd.web.streaming import PiecesResponse
from pacsd.web.xml_model import native_model

__all__ = ["MEDIA_TYPES", "RESOURCES", "matching_keys", "retrieve", "search", "store"]


async def search(services: Services, request: Request) -> Response:
    """GET /{npi-name}?{&match*}{&includefield}{&fuzzymatching}{&offset}{&limit} (PS3.18 12.6)"""
    form = negotiate(request, OFFERS)
    require_utf8(request)
    _, models = _resource(request)
    query, warnings = parse_non_patient(request.scope["query_string"], models)
    limit = limited(query.limit, services.limits.max_results)
    asked = Asked(form, limit, services.addresses.dicom_web(request), warnings, accepts_gzip(request))
    response = await services.threads.run(_found, services, query, asked)
    response.headers["Cache-Control"] = "no-store"
    return response


def _found(services: Services, query: NonPatientQuery, asked: Asked) -> Response:
    searching = services.archive.non_patient.search
    compiled = searching.compile(replace(query, limit=one_more(asked.limit)))
    asked = replace(asked, warnings=(*asked.warnings, *unsupported_keys(compiled.unsupported)))
    with closing(data_sets(searching(compiled, services.scope()))) as results:
        return answered(services, asked, results)


async def retrieve(services: Services, request: Request) -> Response:
    """GET /{npi-name}/{uid}: the instance as a file, or all of it as JSON or XML (PS3.18 12.4, Table 12.1.3-1)."""
    name, models = _resource(request)
    one = uid(request, "instance")
    require_utf8(request)
    archive = services.archive.non_patient
    ref = await services.threads.run(archive.instance, services.scope(), models, one)
    location = f"{services.addresses.dicom_web(request)}/{name}/{one}"
    form = _metadata_form(request)
    if form is None:
        return await given(services, request, [ref], PARTS_OR_ALONE, lambda _: location)
    tag = conditional.entity_tag(form, (ref.digest, name))
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    headers = {**conditional.headers(tag), "Content-Location": location}
    return await services.threads.run(_told, archive.metadata, ref, form, headers)


async def store(services: Services, request: Request) -> Response:
    """POST /{npi-name} and /{npi-name}/{uid}: the outcomes as those of Store Instances (PS3.18 12.5)."""
    name, models = _resource(request)
    one = uid(request, "instance") if "instance" in request.path_params else None
    ingest = services.archive.non_patient.ingest.narrowed(models, one)
    return await store_in(services, request, ingest, resource=name)


MEDIA_TYPES: Mapping[Any, Sequence[Representation]] = {
    search: OFFERS,
    retrieve: (*OFFERS, *PARTS_OR_ALONE),
    store: store_response.OFFERS,
}


def matching_keys(path: str) -> Iterator[str]:
    """The keywords that a resource's instances are matched by (PS3.18 Table 12.6.1-2)."""
    keys = {row.keyword for model in RESOURCES[path.strip("/")] for row in model.rows if row.match != "-"}
    yield from sorted(keys)


def _resource(request: Request) -> tuple[str, tuple[InformationModel, ...]]:
    name = request.scope["path"].removeprefix(DICOM_WEB).strip("/").partition("/")[0]
    return name, RESOURCES[name]


def _metadata_form(request: Request) -> Representation | None:
    """JSON (the default) or XML; None where the client would rather have a file, or nothing that metadata can be."""
    offers = (*OFFERS, *PARTS_OR_ALONE)
    for text in accepted(request):
        ranges = tuple(
            replace(one, parameters={k: v for k, v in one.parameters.items() if k != "transfer-syntax"})
            for one in parse_accept(text)
        )
        form = choose(ranges, offers)
        if form is not None:
            return None if form.media_type == DICOM else form
    return None


def _told(
    metadata: Callable[[InstanceRef], list[bytes]], ref: InstanceRef, form: Representation, headers: Mapping[str, str]
) -> Response:
    chunks = metadata(ref)
    if form.media_type != DICOM_XML:
        return PiecesResponse(chunks, media_type=form.media_type, headers=dict(headers))
    writer = MultipartWriter(DICOM_XML)
    [dataset] = orjson.loads(b"".join(chunks))
    pieces = [writer.head(DICOM_XML), native_model(dataset), writer.close()]
    return PiecesResponse(pieces, media_type=writer.content_type, headers=dict(headers))
