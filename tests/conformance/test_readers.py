"""What the suite reads answers with: multipart, models in JSON and XML, pictures, retrieved files."""

import io

import numpy
import pytest
from PIL import Image
from pydicom.uid import RLELossless

from conformance.dicomweb import data_sets, decoding, models, multipart, native_xml, pictures, prepared, synthetic
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.server import Model
from conformance.judging import Failed

DATA = prepared.made()


def test_multipart_reads_what_it_writes() -> None:
    sent = [Part(b"a\r\n--b", "application/dicom"), Part(b"", 'text/plain; x="1"', {"Content-Location": "y"})]
    content_type, body = multipart.encoded(sent)
    came = multipart.decoded(content_type, body)
    assert [(one.body, one.content_type) for one in came] == [(one.body, one.content_type) for one in sent]
    assert came[1].headers["content-location"] == "y"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b""),
        ("multipart/related", b"--b--"),
        ("multipart/related; boundary=b", b"--b\r\n\r\nx"),
        ("multipart/related; boundary=b", b"--b\r\nx\r\n--b--"),
    ],
)
def test_multipart_that_is_none_fails(content_type: str, body: bytes) -> None:
    with pytest.raises(Failed):
        multipart.decoded(content_type, body)


def test_models_that_are_the_same_do_not_differ() -> None:
    for one in DATA.everything:
        model = models.expected(one.dataset)
        assert list(models.differences(model, model)) == []
        assert list(models.rule_breaks(dict(sorted(model.items())))) == []


@pytest.mark.parametrize(
    ("tag", "got"),
    [
        ("00100020", None),
        ("00100020", {"vr": "SH", "Value": ["x"]}),
        ("00100010", {"vr": "PN", "Value": ["text instead of groups"]}),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "Some^One"}]}),
        ("00180050", {"vr": "DS", "Value": [2.4]}),
        ("00281050", {"vr": "DS", "Value": ["40"]}),
        ("00290010", {"vr": "LO"}),
        ("00291002", {"vr": "OB", "InlineBinary": "AAAA"}),
        ("00400275", {"vr": "SQ", "Value": [{}]}),
        ("00080060", {"vr": "CS", "BulkDataURI": "x"}),
    ],
)
def test_a_difference_is_found(tag: str, got: dict[str, object] | None) -> None:
    sent = models.expected(DATA.ct.dataset)
    came: Model = {**sent, tag: got} if got is not None else {one: value for one, value in sent.items() if one != tag}
    assert [one for one in models.differences(sent, came) if tag in one]


def test_numbers_may_be_strings_and_padding_does_not_matter() -> None:
    sent: Model = {"00180050": {"vr": "DS", "Value": [2.5]}, "00080060": {"vr": "CS", "Value": ["CT"]}}
    came: Model = {"00180050": {"vr": "DS", "Value": ["2.50"]}, "00080060": {"vr": "CS", "Value": ["CT "]}}
    assert list(models.differences(sent, came)) == []


@pytest.mark.parametrize(
    "model",
    [
        {"00080060": {"vr": "CS"}, "00080020": {"vr": "DA"}},
        {"0008006a": {"vr": "CS"}},
        {"00080000": {"vr": "UL"}},
        {"00020010": {"vr": "UI"}},
        {"00080060": {"vr": "CS", "Value": ["CT"], "InlineBinary": ""}},
        {"00080060": {"Value": ["CT"]}},
        {"00400275": {"vr": "SQ", "Value": [{"bad": {"vr": "CS"}}]}},
    ],
)
def test_a_broken_rule_is_found(model: Model) -> None:
    assert list(models.rule_breaks(model))


def test_xml_reads_what_it_writes() -> None:
    for one in (DATA.ct, DATA.report, DATA.chinese):
        model = models.expected(one.dataset)
        came = native_xml.parsed(native_xml.written(model))
        assert list(models.differences(model, came, skip_private=True)) == []


@pytest.mark.parametrize("document", [b"no xml", b"<a/>", b"<!DOCTYPE a><NativeDicomModel/>", b"<NativeDicomModel>"])
def test_xml_that_is_none_fails(document: bytes) -> None:
    with pytest.raises(Failed):
        native_xml.parsed(document)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_png_samples_are_those_that_pillow_wrote(mode: str) -> None:
    noise = numpy.random.default_rng(1).integers(0, 256, (9, 13, len(Image.new(mode, (1, 1)).getbands())), numpy.uint8)
    picture = Image.fromarray(noise.squeeze(), mode) if mode == "L" else Image.fromarray(noise, mode)
    out = io.BytesIO()
    picture.save(out, "PNG")
    came = pictures.samples(out.getvalue())
    wanted = noise[:, :, :3] if noise.shape[2] >= 3 else noise[:, :, :1]
    assert numpy.array_equal(came, wanted)


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif")])
def test_pictures_are_known_by_their_bytes_and_have_a_size(kind: str, media_type: str) -> None:
    out = io.BytesIO()
    Image.new("L", (31, 17), 90).save(out, kind)
    assert pictures.media_type(out.getvalue()) == media_type
    assert pictures.size(out.getvalue()) == (31, 17)


@pytest.mark.parametrize("body", [b"", b"GIF8", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x10", b"<html>"])
def test_what_is_no_picture_fails(body: bytes) -> None:
    with pytest.raises(Failed):
        pictures.size(body)


def test_retrieved_files_are_compared_by_attributes_and_pixels() -> None:
    data_sets.same_data_set(DATA.ct, data_sets.read(DATA.ct.part10))
    data_sets.same_data_set(DATA.compressed, data_sets.read(DATA.compressed.part10))
    other = synthetic.rewritten(DATA.ct, PatientID="another")
    with pytest.raises(Failed, match="00100020"):
        data_sets.same_data_set(DATA.ct, data_sets.read(other.part10))
    spoilt = bytearray(DATA.ct.part10)
    spoilt[-3] ^= 1
    with pytest.raises(Failed, match="apart"):
        data_sets.same_data_set(DATA.ct, data_sets.read(bytes(spoilt)))


def test_frames_are_decoded_with_what_is_installed() -> None:
    coded = synthetic.recoded(DATA.multiframe, RLELossless)
    data_sets.same_pixels(DATA.multiframe, decoding.frames(coded.dataset))
    with pytest.raises(Failed):
        decoding.decoded(b"no code stream", "1.2.840.10008.1.2.4.90", DATA.ct.dataset)


def test_what_is_prepared_has_fresh_uids_and_its_own_tag() -> None:
    again = prepared.made()
    assert {one.uid for one in DATA.everything} & {one.uid for one in again.everything} == set()
    assert DATA.tag != again.tag
    assert all(one.dataset.PatientID.startswith(DATA.tag) for one in DATA.everything)


def test_xml_values_stand_at_their_numbers() -> None:
    head = b'<NativeDicomModel><DicomAttribute tag="00102154" vr="SH">'
    values = b'<Value number="3">c</Value><Value number="1">a</Value>'
    came = native_xml.parsed(head + values + b"</DicomAttribute></NativeDicomModel>")
    assert came["00102154"]["Value"] == ["a", None, "c"]
    for number in ("0", "-1", "x", "", "99999999"):
        with pytest.raises(Failed):
            native_xml.parsed(head + f'<Value number="{number}"/></DicomAttribute></NativeDicomModel>'.encode())
