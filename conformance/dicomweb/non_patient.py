"""The Non-Patient Instance Service (PS3.18 12), with a color palette and two hanging protocols."""

import json

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from conformance.dicomweb import data_sets, expect, models, multipart, native_xml
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import UNKNOWN
from conformance.dicomweb.search import query, results
from conformance.dicomweb.server import JSON, XML, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import part10
from conformance.judging import Failed, NotSupported

NON_PATIENT = Transaction("non-patient", "Non-patient instances", "12")
PALETTES, PROTOCOLS = "/color-palettes", "/hanging-protocols"
DICOM = "application/dicom"
_ENTRIES = 256


def palette(label: str) -> Dataset:
    """A Color Palette (PS3.3 A.58) of three tables."""
    made = _instance("1.2.840.10008.5.1.4.39.1")
    made.ContentLabel, made.ContentDescription, made.ContentCreatorName = label, "伪彩色", "Conformance^Suite"
    for color in ("Red", "Green", "Blue"):
        setattr(made, f"{color}PaletteColorLookupTableDescriptor", [_ENTRIES, 0, 8])
        setattr(made, f"{color}PaletteColorLookupTableData", bytes(range(_ENTRIES)))
    return made


def protocol(name: str, modality: str) -> Dataset:
    """A Hanging Protocol (PS3.3 A.44), as far as it is searched by."""
    made = _instance("1.2.840.10008.5.1.4.38.1")
    made.HangingProtocolName, made.HangingProtocolDescription = name, "For tests"
    made.HangingProtocolLevel, made.HangingProtocolCreator = "SITE", "Suite"
    made.HangingProtocolCreationDateTime = "20261125120000"
    definition = Dataset()
    definition.Modality, definition.Laterality = modality, ""
    made.HangingProtocolDefinitionSequence = Sequence([definition])
    made.NumberOfPriorsReferenced = 0
    made.HangingProtocolUserIdentificationCodeSequence = Sequence()
    return made


def _instance(sop_class_uid: str) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = sop_class_uid, str(generate_uid())
    return made


def kept(server: Server, resource: str, *instances: Dataset) -> None:
    """Stored. NotSupported where Store, which is optional (Table 12.2-1), or the service is not there."""
    request = multipart.encoded([Part(part10(one), DICOM) for one in instances], root=DICOM)
    expect.offered(server.post(resource, *request), 200, without=(404, 405, 501))


@NON_PATIENT.required("retrieve", "12.4, Table 12.1.3-1", "What was stored is retrieved as application/dicom")
def retrieves(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    kept(server, PALETTES, sent)
    answer = expect.status(server.get(f"{PALETTES}/{sent.SOPInstanceUID}", DICOM), 200)
    came = data_sets.read(answer.body)
    if wrong := list(models.differences(models.expected(sent), models.expected(came))):
        raise Failed(f"expected every attribute as it was stored, got {'; '.join(wrong[:5])}")


@NON_PATIENT.required("retrieve.json", "12.4, Table 12.1.3-1", "JSON is the default, and holds the instance")
def retrieves_json(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    kept(server, PALETTES, sent)
    answer = expect.status(server.get(f"{PALETTES}/{sent.SOPInstanceUID}", "*/*"), 200)
    (came,) = expect.media_type(answer, JSON, "application/json").models()
    for tag, value in (("00080018", str(sent.SOPInstanceUID)), ("00700080", str(sent.ContentLabel))):
        expect.same(value, models.value(came, tag), tag)


@NON_PATIENT.required("retrieve.xml", "12.4, Table 12.1.3-1", "It is retrieved as XML")
def retrieves_xml(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    kept(server, PALETTES, sent)
    answer = expect.status(server.get(f"{PALETTES}/{sent.SOPInstanceUID}", XML), 200)
    came = [native_xml.parsed(part.body) for part in answer.parts()]
    expect.same([str(sent.SOPInstanceUID)], [models.value(one, "00080018") for one in came], "SOP Instance UIDs")


@NON_PATIENT.required("retrieve.unknown", "Table 12.4.3-1", "An instance that does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    kept(server, PALETTES, palette(data.word("P")))
    expect.status(server.get(f"{PALETTES}/{UNKNOWN}"), 404)


@NON_PATIENT.required("retrieve.of-another-resource", "12.4.2, Table 12.4.3-1", "A palette is no hanging protocol: 404")
def of_another_resource(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    kept(server, PALETTES, sent)
    expect.status(server.get(f"{PROTOCOLS}/{sent.SOPInstanceUID}"), 404)


@NON_PATIENT.required("retrieve.not-acceptable", "Table 12.4.3-1", "No media type of pictures: 406")
def not_acceptable(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    kept(server, PALETTES, sent)
    expect.status(server.get(f"{PALETTES}/{sent.SOPInstanceUID}", "image/jpeg"), 406)


@NON_PATIENT.optional("store.one", "12.5.1.1", "An instance is stored under its own UID")
def stores_one(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    request = multipart.encoded([Part(part10(sent), DICOM)], root=DICOM)
    answer = server.post(f"{PALETTES}/{sent.SOPInstanceUID}", *request)
    expect.offered(answer, 200, without=(404, 405, 501))
    (came,) = expect.status(server.get(f"{PALETTES}/{sent.SOPInstanceUID}"), 200).models()
    expect.same(str(sent.ContentLabel), models.value(came, "00700080"), "Content Label")


@NON_PATIENT.optional("store.other-uid", "12.5.1.1, Table 12.5.3-1", "Another UID than the resource's is not stored")
def other_uid(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    kept(server, PALETTES, palette(data.word("P")))
    request = multipart.encoded([Part(part10(sent), DICOM)], root=DICOM)
    expect.refused(server.post(f"{PALETTES}/{generate_uid()}", *request))
    expect.status(server.get(f"{PALETTES}/{sent.SOPInstanceUID}"), 404)


@NON_PATIENT.optional("store.json", "12.5.1.4", "Metadata with its values inline becomes an instance")
def stores_json(server: Server, data: Prepared) -> None:
    sent = palette(data.word("P"))
    text = json.dumps([models.expected(data_sets.read(part10(sent)))], ensure_ascii=False).encode()
    answer = server.post(PALETTES, JSON, text)
    if answer.status in (415, 501):
        raise NotSupported(f"{answer.request}: {answer.status}")
    expect.offered(answer, 200, without=(404, 405))
    (came,) = expect.status(server.get(f"{PALETTES}/{sent.SOPInstanceUID}"), 200).models()
    expect.same(str(sent.ContentLabel), models.value(came, "00700080"), "Content Label")


@NON_PATIENT.optional("store.of-another-resource", "12.5.1.1", "A palette is not stored among hanging protocols")
def stores_elsewhere(server: Server, data: Prepared) -> None:
    kept(server, PALETTES, palette(data.word("P")))
    sent = palette(data.word("P"))
    request = multipart.encoded([Part(part10(sent), DICOM)], root=DICOM)
    expect.refused(server.post(PROTOCOLS, *request))
    expect.status(server.get(f"{PROTOCOLS}/{sent.SOPInstanceUID}"), 404)


@NON_PATIENT.optional("store.unsupported", "Table 12.5.3-1", "A media type that is none: 415")
def unsupported(server: Server, data: Prepared) -> None:
    kept(server, PALETTES, palette(data.word("P")))
    expect.status(server.post(PALETTES, "image/jpeg", b"\xff\xd8"), 415)


@NON_PATIENT.required("search", "12.6, PS3.4 Table X.6-1", "Palettes are found by label, with wild cards, and by UID")
def searches(server: Server, data: Prepared) -> None:
    label = data.word("P")
    sent = palette(label)
    kept(server, PALETTES, sent, palette(data.word("Q")))
    for keys in ({"ContentLabel": label}, {"ContentLabel": f"{label[:-2]}*"}, {"SOPInstanceUID": sent.SOPInstanceUID},
                 {"00700080": label, "00080016": sent.SOPClassUID}):  # fmt: skip
        came = [models.value(one, "00080018") for one in results(server.get(query(PALETTES, **keys)))]
        expect.that(str(sent.SOPInstanceUID) in came, f"{sent.SOPInstanceUID} for {keys}", came)


@NON_PATIENT.required("search.sequence", "12.6, PS3.4 Table U.6-1", "Hanging protocols by a key inside a sequence")
def searches_sequence(server: Server, data: Prepared) -> None:
    name = data.word("H")
    wanted, other = protocol(f"{name}1", "MR"), protocol(f"{name}2", "CT")
    kept(server, PROTOCOLS, wanted, other)
    keys = {"HangingProtocolName": f"{name}*", "HangingProtocolDefinitionSequence.Modality": "MR"}
    came = results(server.get(query(PROTOCOLS, **keys)))
    expect.same([str(wanted.SOPInstanceUID)], [models.value(one, "00080018") for one in came], f"for {keys}:")


@NON_PATIENT.required("search.return", "12.6, PS3.4 Table U.6-1", "Return keys of type 1 are in each result")
def returns(server: Server, data: Prepared) -> None:
    name = data.word("H")
    kept(server, PROTOCOLS, protocol(name, "CT"))
    (found,) = results(server.get(query(PROTOCOLS, HangingProtocolName=name)))
    for tag in ("00080016", "00080018", "00720002", "00720004", "00720006", "00720008", "0072000A", "00720014"):
        expect.that(models.value(found, tag) is not None, f"a value of {tag}", found.get(tag))


@NON_PATIENT.required("search.paging", "12.6, 8.3.4.4", "limit and offset give every instance once")
def pages(server: Server, data: Prepared) -> None:
    name = data.word("H")
    sent = [protocol(f"{name}{number}", "CT") for number in range(3)]
    kept(server, PROTOCOLS, *sent)
    came = [
        models.value(one, "00080018")
        for at in ("0", "1", "2")
        for one in results(server.get(query(PROTOCOLS, HangingProtocolName=f"{name}*", limit="1", offset=at)))
    ]
    expect.same(sorted(str(one.SOPInstanceUID) for one in sent), sorted(map(str, came)), "on three pages:")


@NON_PATIENT.required("search.none", "Table 12.6.3-1", "Nothing found: 200 with an empty list")
def none(server: Server, data: Prepared) -> None:
    label = data.word("P")
    kept(server, PALETTES, palette(label))
    expect.same(1, len(results(server.get(query(PALETTES, ContentLabel=label)))), "results for what is there")
    answer = server.get(query(PALETTES, ContentLabel=data.word("Z")))
    expect.status(answer, 200, 204)
    if answer.status == 200:
        expect.same([], answer.json(), "results")


@NON_PATIENT.required("search.xml", "12.6, Table 12.1.3-1", "Results in XML")
def searches_xml(server: Server, data: Prepared) -> None:
    label = data.word("P")
    kept(server, PALETTES, palette(label))
    answer = expect.status(server.get(query(PALETTES, ContentLabel=label), XML), 200)
    came = [native_xml.parsed(part.body) for part in answer.parts()]
    expect.same([label], [models.value(one, "00700080") for one in came], "Content Labels")
