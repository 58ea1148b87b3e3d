"""Store of metadata with bulk data apart, in JSON and XML (PS3.18 10.5.1.4)."""

import json

from conformance.dicomweb import data_sets, decoding, expect, models, multipart, native_xml
from conformance.dicomweb import store_response as response
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import JSON, Answer, Model, Server
from conformance.dicomweb.store import EVERYTHING, STORE
from conformance.dicomweb.synthetic import Instance
from conformance.judging import Failed, NotSupported

BULK = "bulk/pixels"
UNCOMPRESSED = 'application/octet-stream; transfer-syntax="1.2.840.10008.1.2.1"'


def metadata_of(instance: Instance) -> Model:
    """Its attributes, with the pixels somewhere else."""
    model = models.expected(instance.dataset)
    return model | {models.PIXEL_DATA: {"vr": "OW", "BulkDataURI": BULK}}


def json_request(instance: Instance, *, bulk: bool = True) -> tuple[str, bytes]:
    """A request of one JSON part and, unless told otherwise, one part of bulk data."""
    metadata = json.dumps([metadata_of(instance)], ensure_ascii=False).encode()
    return multipart.encoded([Part(metadata, JSON), *([_pixels(instance)] if bulk else [])], root=JSON)


def xml_request(instance: Instance) -> tuple[str, bytes]:
    """A request of one XML part and one part of bulk data."""
    document = native_xml.written(metadata_of(instance))
    kind = "application/dicom+xml"
    return multipart.encoded([Part(document, kind), _pixels(instance)], root=kind)


def _pixels(instance: Instance) -> Part:
    return Part(instance.frames[0], UNCOMPRESSED, {"Content-Location": BULK})


def _offered(answer: Answer) -> Answer:
    """NotSupported where the media type is not: 415, or what older servers say of it."""
    if answer.status in (415, 501):
        raise NotSupported(f"{answer.request}: {answer.status}")
    return answer


def _came_back(server: Server, instance: Instance, *, private: bool = True) -> None:
    answer = expect.status(server.get(instance.path, EVERYTHING), 200)
    came = data_sets.of_parts(answer)[instance.uid]
    found = models.differences(
        models.expected(instance.dataset), models.expected(came), skip_private=not private
    )
    if wrong := list(found):
        raise Failed(f"expected every attribute as it was stored, got {'; '.join(wrong[:5])}")
    data_sets.same_pixels(instance, [decoding.frames(came)[0]])


@STORE.required("json", "10.5.1.4, 10.5.4", "Metadata in JSON with bulk data becomes an instance")
def as_json(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    response.stored(_offered(server.post("/studies", *json_request(instance))), [instance])
    _came_back(server, instance)


@STORE.required("xml", "10.5.1.4, 10.5.4", "Metadata in XML with bulk data becomes an instance")
def as_xml(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    response.stored(_offered(server.post("/studies", *xml_request(instance))), [instance])
    _came_back(server, instance, private=False)


@STORE.required("json.bulk-missing", "10.5.1.4", "Metadata whose bulk data does not come is not acknowledged")
def bulk_missing(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    answer = _offered(server.post("/studies", *json_request(instance, bulk=False)))
    if answer.status in (200, 202):
        expect.same([], response.of(answer).uids(response.REFERENCED), "in Referenced SOP Sequence")
    else:
        expect.status(answer, 400, 409)


@STORE.required("json.malformed", "Table 10.5.3-1", "JSON that is none: 400 or 409")
def malformed_json(server: Server, data: Prepared) -> None:
    request = multipart.encoded([Part(b'[{"00080018": ', JSON)], root=JSON)
    expect.status(_offered(server.post("/studies", *request)), 400, 409)


@STORE.required("xml.malformed", "Table 10.5.3-1", "XML that is none: 400 or 409")
def malformed_xml(server: Server, data: Prepared) -> None:
    kind = "application/dicom+xml"
    request = multipart.encoded([Part(b"<NativeDicomModel><Dicom", kind)], root=kind)
    expect.status(_offered(server.post("/studies", *request)), 400, 409)
