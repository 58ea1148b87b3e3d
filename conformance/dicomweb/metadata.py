"""Retrieve of metadata (PS3.18 10.4.1.1.2) in JSON (Annex F) and XML (PS3.19 A.1)."""

from collections.abc import Sequence

from conformance.dicomweb import data_sets, expect, models, native_xml
from conformance.dicomweb.prepared import CHINESE_NAME, Prepared
from conformance.dicomweb.retrieve import UNKNOWN
from conformance.dicomweb.server import JSON, XML, Answer, Model, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import Instance
from conformance.judging import Failed, NotTested

METADATA = Transaction("metadata", "Retrieve metadata (WADO-RS)", "10.4")


def fetched(server: Server, path: str) -> dict[str, Model]:
    """JSON metadata by SOP Instance UID."""
    answer = expect.status(server.get(f"{path}/metadata", JSON), 200)
    return models.by_uid(expect.media_type(answer, JSON).models())


def same(sent: Sequence[Instance], came: dict[str, Model], *, private: bool = True) -> None:
    """Raise Failed unless these are the instances, each with every attribute that was stored."""
    expect.same(sorted(one.uid for one in sent), sorted(came), "SOP Instance UIDs")
    for one in sent:
        found = models.differences(models.expected(one.dataset), came[one.uid], skip_private=not private)
        if wrong := list(found):
            raise Failed(f"expected every attribute as it was stored, got {'; '.join(wrong[:5])}")


def _series(data: Prepared) -> str:
    return f"/studies/{data.ct.study}/series/{data.ct.series}"


@METADATA.required("study", "10.4.1.1.2, Table 10.4.1-2", "All attributes of all instances of a study")
def study(server: Server, data: Prepared) -> None:
    same(data.study, fetched(server, f"/studies/{data.ct.study}"))


@METADATA.required("series", "10.4.1.1.2, Table 10.4.1-2", "All attributes of all instances of a series")
def series(server: Server, data: Prepared) -> None:
    same(data.slices, fetched(server, _series(data)))


@METADATA.required("instance", "10.4.1.1.2, Table 10.4.1-2", "All attributes of an instance, private ones too")
def instance(server: Server, data: Prepared) -> None:
    for one in (data.ct, data.multiframe, data.color, data.compressed):
        same([one], fetched(server, one.path))


@METADATA.required("report", "10.4.1.1.2", "The nested content of a structured report")
def report(server: Server, data: Prepared) -> None:
    same([data.report], fetched(server, data.report.path))


@METADATA.required("character-set", "F.2, F.2.2", "Names in GB18030 come in UTF-8, by component group")
def character_set(server: Server, data: Prepared) -> None:
    (model,) = fetched(server, data.chinese.path).values()
    alphabetic, ideographic = CHINESE_NAME.split("=")
    wanted = {"Alphabetic": alphabetic, "Ideographic": ideographic}
    expect.same(wanted, models.value(model, "00100010"), "Patient's Name")


@METADATA.optional("character-set.declared", "F.2.2", "JSON declares the character set of the object, or none")
def declared(server: Server, data: Prepared) -> None:
    """Note 3 of the edition 2025e: if present, it is that of the source data set, and not that of the JSON."""
    (model,) = fetched(server, data.chinese.path).values()
    said = model.get("00080005", {}).get("Value")
    source = [data.chinese.dataset.SpecificCharacterSet]
    expect.that(said in (None, source), f"Specific Character Set {source} or none", said)


@METADATA.required("json.rules", "F.2.2", "Names of eight hexadecimal digits, in order; no group length, no group 0002")
def json_rules(server: Server, data: Prepared) -> None:
    found = fetched(server, f"/studies/{data.ct.study}")
    expect.same(len(data.study), len(found), "number of objects")
    for model in found.values():
        if broken := list(models.rule_breaks(model)):
            raise Failed(f"expected the rules of the JSON Model to hold, got {'; '.join(broken[:5])}")


@METADATA.required("json.empty", "F.2.5", "An empty attribute has neither Value, BulkDataURI nor InlineBinary")
def empty(server: Server, data: Prepared) -> None:
    (model,) = fetched(server, data.ct.path).values()
    agent = model.get("00180010")  # Contrast/Bolus Agent, stored empty
    expect.same({"vr": "LO"}, agent, "an attribute object of")


@METADATA.required("json.null", "F.2.5", "An empty one of several values is null")
def null(server: Server, data: Prepared) -> None:
    (model,) = fetched(server, data.ct.path).values()
    expect.same({"vr": "SH", "Value": ["111", None, "333"]}, model.get("00102154"), "an attribute object of")


@METADATA.required("default", "8.7.7, Table 10.4.4-1", "Accept: */* gets application/dicom+json")
def default(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.ct.path}/metadata", "*/*"), 200)
    same([data.ct], models.by_uid(expect.media_type(answer, JSON).models()))


@METADATA.required("xml", "10.4.4, PS3.19 A.1", "The same in XML: one NativeDicomModel for each instance")
def xml(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.get(f"/studies/{data.ct.study}/metadata", XML), without=(406,))
    expect.media_type(answer, "multipart/related")
    same(data.study, models.by_uid([native_xml.parsed(part.body) for part in answer.parts()]), private=False)


@METADATA.required("xml.character-set", "PS3.19 A.1", "Ideographic names in XML")
def xml_character_set(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.get(f"{data.chinese.path}/metadata", XML), without=(406,))
    same([data.chinese], models.by_uid([native_xml.parsed(part.body) for part in answer.parts()]), private=False)


@METADATA.optional("xml.line-ends", "PS3.19 A.1, XML 1.0 2.11", "A carriage return survives in XML (&#13;)")
def xml_line_ends(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.get(f"{data.ct.path}/metadata", XML), without=(406,))
    model = native_xml.parsed(answer.parts()[0].body)
    expect.same(data.ct.dataset.PatientComments, models.value(model, "00104000"), "Patient Comments")


@METADATA.required("accept-parameter", "8.3.3.1, Table 10.4.1-5", "The accept query parameter chooses the media type")
def accept_parameter(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.ct.path}/metadata?accept=application/dicom%2Bjson", "*/*"), 200)
    same([data.ct], models.by_uid(expect.media_type(answer, JSON).models()))


@METADATA.required("charset-parameter", "8.3.3.2, 8.8", "charset=utf-8 is understood")
def charset_parameter(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.ct.path}/metadata?charset=utf-8"), 200)
    same([data.ct], models.by_uid(answer.models()))


@METADATA.optional("charset-invalid", "8.3.3.2, 8.8.1, 8.8.5", "A charset that does not exist: 400 or 406, or ignored")
def charset_invalid(server: Server, data: Prepared) -> None:
    """8.3.3.2 says 400, 8.8.1 that what is not valid is ignored, and 8.8.5 ends in 406."""
    answer = expect.status(server.get(f"{data.ct.path}/metadata?charset=no-such-charset"), 200, 400, 406)
    if answer.status == 200:
        same([data.ct], models.by_uid(answer.models()))


@METADATA.required("unknown", "Table 10.4.3-1", "Metadata of what does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    for path in (f"/studies/{UNKNOWN}", f"/studies/{data.ct.study}/series/{UNKNOWN}"):
        expect.status(server.get(f"{path}/metadata"), 404, 410)


@METADATA.required("not-acceptable", "Table 10.4.3-1, 8.7.8.1", "Metadata as an image: 406, or JSON")
def not_acceptable(server: Server, data: Prepared) -> None:
    expect.unacceptable(server.get(f"{data.ct.path}/metadata", "image/png"), JSON)


def bulk_uris(server: Server, instance: Instance) -> dict[str, str]:
    """Absolute Bulkdata URIs of its metadata by tag. Raises NotTested where nothing is given so."""
    (model,) = fetched(server, instance.path).values()
    path = f"{instance.path}/metadata"
    found = {tag: server.resolved(str(one["BulkDataURI"]), path) for tag, one in model.items() if "BulkDataURI" in one}
    if not found:
        raise NotTested("the metadata has no BulkDataURI")
    return found


def octets_of(answer: Answer) -> bytes:
    """The bulk data of an answer, single part or the only part of a multipart."""
    return data_sets.only(answer.parts()).body if answer.media_type == "multipart/related" else answer.body
