"""Retrieve capabilities (PS3.18 8.9, Annex H): what this server does, as WADL or JSON, from the table of routes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.archive.rendered import CATEGORIES, IMAGE
from pacsd.codec.keys import KEYS
from pacsd.codec.render.parameters import NAMES
from pacsd.web import (
    bulkdata,
    frames,
    metadata,
    non_patient,
    pixel_data,
    rendered,
    retrieve,
    search,
    store,
    store_response,
    thumbnail,
    wado_uri,
)
from pacsd.web.charset import require_utf8
from pacsd.web.media_types import (
    DICOM,
    JSON,
    MULTIPART_RELATED,
    OCTET_STREAM,
    WADL,
    ZIP,
    Representation,
    accepted_ranges,
    negotiate,
)
from pacsd.web.search_parameters import OPTIONS
from pacsd.web.services import Services
from pacsd.web.worklist import payload as workitem
from pacsd.web.worklist import retrieve as retrieve_workitem
from pacsd.web.worklist import search as search_worklist

OFFERS = (Representation(WADL), Representation(JSON))
_FILES = (Representation(DICOM, multipart=True), Representation(OCTET_STREAM, multipart=True), Representation(ZIP))
_STORED_FORM = (Representation(OCTET_STREAM, multipart=True), Representation(OCTET_STREAM))
_IN_PARTS = (rendered.study, rendered.series, bulkdata.every, pixel_data.every)
_RENDERED = tuple(dict.fromkeys(one for category in (IMAGE, *CATEGORIES) for one in category.media_types))

# by module of the handler; frames and bulk data have, besides octets, the media type of their compression
MEDIA_TYPES: Mapping[str, Sequence[Representation]] = {
    search.__name__: search.OFFERS,
    metadata.__name__: metadata.OFFERS,
    retrieve.__name__: _FILES,
    frames.__name__: _STORED_FORM,
    bulkdata.__name__: _STORED_FORM,
    pixel_data.__name__: _STORED_FORM,
    store.__name__: store_response.OFFERS,
    rendered.__name__: rendered.representations(_RENDERED, single=True),
    thumbnail.__name__: tuple(map(Representation, thumbnail.MEDIA_TYPES)),
    wado_uri.__name__: (Representation(DICOM), *map(Representation, _RENDERED)),
    retrieve_workitem.__name__: workitem.OFFERS,
    search_worklist.__name__: search_worklist.OFFERS,
    __name__: OFFERS,
}

_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_LEVELS = {"studies": ("patient", "study"), "series": ("patient", "study", "series")}


class Transaction(Protocol):
    """A row of the table of routes."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def handler(self) -> Any: ...
    @property
    def name(self) -> str: ...
    @property
    def clause(self) -> str: ...


@dataclass(slots=True)
class _Resource:
    """One segment of paths, with what may be asked of it and what is below it."""

    path: str
    transactions: list[Transaction] = field(default_factory=list)
    below: dict[str, "_Resource"] = field(default_factory=dict)


async def capabilities(services: Services, request: Request) -> Response:
    """`OPTIONS /`: everything."""
    return described(services, request, "/")


def is_wanted(request: Request) -> bool:
    """Whether an OPTIONS of some other resource names a description as acceptable."""
    return any(one.essence in (WADL, JSON) and one.quality > 0 for one in accepted_ranges(request))


def described(services: Services, request: Request, path: str) -> Response:
    """A resource and what is below it. Raises HttpError 406."""
    form = negotiate(request, OFFERS)
    require_utf8(request)
    root = _tree(request.app.state.transactions, path)
    base_url = services.addresses.dicom_web(request)
    body = _wadl(root, base_url) if form.media_type == WADL else orjson.dumps(_json(root, base_url))
    return Response(body, headers={"Content-Type": form.media_type, "Vary": "Accept"})


def offers_of(one: Transaction) -> Sequence[Representation]:
    """The media types of a transaction's answers."""
    offers = MEDIA_TYPES.get(one.handler.__module__, ())         # some answer without a body
    if one.handler in _IN_PARTS:
        return [offer for offer in offers if offer.multipart]
    if one.handler in non_patient.MEDIA_TYPES:
        return non_patient.MEDIA_TYPES[one.handler]
    return (*offers, Representation(DICOM)) if one.handler is retrieve.instance else offers


def _tree(transactions: Sequence[Transaction], path: str) -> _Resource:
    root = _Resource("")
    for one in transactions:
        if one.path == path or one.path.startswith(path.rstrip("/") + "/"):
            node = root
            for segment in one.path.strip("/").split("/") if one.path.strip("/") else ():
                name = segment.replace(":path}", "}")
                node = node.below.setdefault(name, _Resource(name))
            node.transactions.append(one)
    return root


def _queries(one: Transaction) -> Iterator[str]:
    """The query parameters of a transaction (PS3.18 8.3.4)."""
    if one.handler.__module__ in (rendered.__name__, thumbnail.__name__):
        yield from NAMES
    if one.handler is non_patient.search:
        yield from sorted(OPTIONS)
        yield from non_patient.matching_keys(one.path)
    if one.handler.__module__ != search.__name__:
        return
    yield from sorted(OPTIONS)
    levels = _LEVELS.get(one.path.rpartition("/")[2], ("patient", "study", "series", "instance"))
    yield from sorted(key.keyword for key in KEYS if key.level in levels)


def _requests(one: Transaction) -> list[str]:
    """What may be sent with it."""
    if one.handler.__module__ != store.__name__ and one.handler is not non_patient.store:
        return []
    return [*(f'{MULTIPART_RELATED}; type="{kind}"' for kind in store.ACCEPTED), *store.ACCEPTED]


def _wadl(root: _Resource, base_url: str) -> bytes:
    body = "".join(_wadl_method(one) for one in root.transactions)
    head = f"<resource path={quoteattr('/')}>{body}</resource>" if body else ""
    below = "".join(map(_wadl_resource, root.below.values()))
    text = f"<resources base={quoteattr(base_url)}>{head}{below}</resources>"
    xml = f'<?xml version="1.0" encoding="UTF-8"?><application xmlns="{_NAMESPACE}">{text}</application>'
    return xml.encode()


def _wadl_resource(node: _Resource) -> str:
    template = node.path.startswith("{")
    param = f'<param name={quoteattr(node.path.strip("{}"))} style="template" required="true"/>' if template else ""
    methods = "".join(map(_wadl_method, node.transactions))
    below = "".join(map(_wadl_resource, node.below.values()))
    return f"<resource path={quoteattr(node.path)}>{param}{methods}{below}</resource>"


def _wadl_method(one: Transaction) -> str:
    accepts = [str(offer) for offer in offers_of(one)]
    options = "".join(f"<option value={quoteattr(kind)}/>" for kind in accepts)
    params = f'<param name="Accept" style="header">{options}</param>'
    params += "".join(f'<param name={quoteattr(name)} style="query"/>' for name in _queries(one))
    sent = "".join(f"<representation mediaType={quoteattr(kind)}/>" for kind in _requests(one))
    given = "".join(f"<representation mediaType={quoteattr(kind)}/>" for kind in accepts)
    identifier = one.name.title().replace(" ", "").replace("'", "")
    return (
        f"<method name={quoteattr(one.method)} id={quoteattr(identifier)}>"
        f"<doc title={quoteattr(f'{one.name} (PS3.18 {one.clause})')}/>"
        f"<request>{params}{sent}</request><response>{given}</response></method>"
    )


def _json(root: _Resource, base_url: str) -> dict[str, Any]:
    return {"application": {"resources": {"base": base_url, **_json_resource(root)}}}


def _json_resource(node: _Resource) -> dict[str, Any]:
    methods = [_json_method(one) for one in node.transactions]
    below = [{"path": path, **_json_resource(child)} for path, child in node.below.items()]
    return {name: found for name, found in (("method", methods), ("resource", below)) if found}


def _json_method(one: Transaction) -> dict[str, Any]:
    accepts = [str(offer) for offer in offers_of(one)]
    request: dict[str, Any] = {"Accept": accepts}
    for name, found in (("query", list(_queries(one))), ("representation", _requests(one))):
        if found:
            request[name] = found
    described = {"name": one.method, "title": one.name, "clause": f"PS3.18 {one.clause}"}
    return {**described, "request": request, "response": {"representation": accepts}}
