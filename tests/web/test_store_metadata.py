import base64
import io
import json

import pydicom
import pytest

from pacsd.web.services import WebLimits
from tests.web.fakes import Web

SOP = "1.2.840.10008.5.1.4.1.1.7"
BASE = {
    "00080016": {"vr": "UI", "Value": [SOP]},
    "00080018": {"vr": "UI", "Value": ["1.2.3"]},
    "0020000D": {"vr": "UI", "Value": ["1.1"]},
    "0020000E": {"vr": "UI", "Value": ["1.1.1"]},
}
NUMBERS = {
    "00280002": {"vr": "US", "Value": [1]},
    "00280010": {"vr": "US", "Value": [2]},
    "00280011": {"vr": "US", "Value": [3]},
    "00280100": {"vr": "US", "Value": [8]},
}
PIXELS = {"7FE00010": {"vr": "OB", "BulkDataURI": "http://pacs.test/dicom-web/bulk/1"}}
OCTETS = "application/octet-stream"


def part(content, kind, **headers):
    lines = [f"Content-Type: {kind}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(["--xyz", *lines, "", ""]).encode() + content + b"\r\n"


def post(web, *parts, kind="application/dicom+json", path="/studies", **headers):
    content_type = f'multipart/related; type="{kind}"; boundary=xyz'
    return web.post(path, content=b"".join(parts) + b"--xyz--", headers={"Content-Type": content_type, **headers})


def metadata(*datasets):
    return part(json.dumps(datasets).encode(), "application/dicom+json")


def kept(web):
    return [pydicom.dcmread(io.BytesIO(content)) for content in web.archive.kept]


def failure(answer):
    for tag in ("00081198", "0008119A"):
        for item in answer.json().get(tag, {"Value": []})["Value"]:
            return item["00081197"]["Value"][0]
    return None


def test_metadata_and_octets_become_a_part_10_object():
    web = Web()
    answer = post(web, metadata({**BASE, **NUMBERS, **PIXELS}), part(b"abcdef", OCTETS, Content_Location="bulk/1"))
    assert answer.status_code == 200 and "warning" not in answer.headers
    [dataset] = kept(web)
    assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert dataset.file_meta.MediaStorageSOPInstanceUID == "1.2.3" and dataset.SOPClassUID == SOP
    assert dataset.PixelData == b"abcdef" and dataset["PixelData"].VR == "OB" and dataset.Rows == 2
    assert web.archive.scratches[0].closed


def test_bulk_data_may_come_before_what_names_it_and_stand_anywhere():
    web = Web()
    item = {"00420011": {"vr": "OB", "BulkDataURI": "cid:one"}, "00081150": {"vr": "UI", "Value": ["1.2"]}}
    dataset = {**BASE, "00420012": {"vr": "LO", "Value": ["a/b"]}, "00081140": {"vr": "SQ", "Value": [{}, item]},
               "00189004": {"vr": "CS"}, "54001010": {"vr": "OW", "BulkDataURI": "/dicom-web/two"}}
    one, two = part(b"odd", "application/pdf", Content_ID="<one>"), part(b"12", OCTETS, Content_Location="two")
    assert post(web, one, metadata(dataset), two).status_code == 200
    [found] = kept(web)
    assert [len(item) for item in found.ReferencedImageSequence] == [0, 2]
    assert found.ReferencedImageSequence[1].EncapsulatedDocument == b"odd\0"
    assert found.WaveformData == b"12" and found.MIMETypeOfEncapsulatedDocument == "a/b"


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [("image/jpeg", "1.2.840.10008.1.2.4.70"), ("image/jp2", "1.2.840.10008.1.2.4.90"),
     ("image/jls; transfer-syntax=1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.81"),
     ("image/x-dicom-rle", "1.2.840.10008.1.2.5"),
     ('application/octet-stream; transfer-syntax="1.2.840.10008.1.2.4.201"', "1.2.840.10008.1.2.4.201")],
)  # fmt: skip
def test_compressed_frames_are_fragments_in_the_transfer_syntax_of_their_media_type(kind, syntax):
    web = Web()
    dataset = {**BASE, **PIXELS, "00280008": {"vr": "IS", "Value": [2]}}
    frames = [part(content, kind, Content_Location="bulk/1") for content in (b"abc", b"defg")]
    assert post(web, metadata(dataset), *frames).status_code == 200
    [found] = kept(web)
    assert found.file_meta.TransferSyntaxUID == syntax
    assert list(pydicom.encaps.generate_frames(found.PixelData, number_of_frames=2)) == [b"abc\0", b"defg"]
    assert pydicom.encaps.parse_basic_offsets(found.PixelData) == [0, 12]


def test_frames_may_name_themselves_in_any_order():
    web = Web()
    dataset = {**BASE, **PIXELS, "00280008": {"vr": "IS", "Value": ["2"]}}
    frames = [part(b"%d" % n * 2, "image/jpeg", Content_Location=f"bulk/1/frames/{n}") for n in (2, 1)]
    assert post(web, metadata(dataset), *frames).status_code == 200
    [found] = kept(web)
    assert list(pydicom.encaps.generate_frames(found.PixelData, number_of_frames=2)) == [b"11", b"22"]


def test_a_video_is_one_part():
    web = Web()
    dataset = {**BASE, **PIXELS, "00280008": {"vr": "IS", "Value": [100]}}
    assert post(web, metadata(dataset), part(b"film", "video/mp4", Content_Location="bulk/1")).status_code == 200
    assert kept(web)[0].file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.102"


def test_octets_without_parameter_are_what_the_metadata_says():
    web = Web()
    dataset = {**BASE, **PIXELS, "00083002": {"vr": "UI", "Value": ["1.2.840.10008.1.2.4.90"]}}
    assert post(web, metadata(dataset), part(b"jp2", OCTETS, Content_Location="bulk/1")).status_code == 200
    [found] = kept(web)
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.90" and "AvailableTransferSyntaxUID" not in found


def test_text_is_utf8_and_says_so():
    web = Web()
    named = {**BASE, "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^X", "Ideographic": "王^小"}]},
             "00080005": {"vr": "CS", "Value": ["GB18030"]}}
    plain = {**BASE, "00100020": {"vr": "LO", "Value": ["17"]}}
    assert post(web, metadata(named, plain)).status_code == 200
    first, second = kept(web)
    assert first.SpecificCharacterSet == "ISO_IR 192" and str(first.PatientName) == "Wang^X=王^小"
    assert "SpecificCharacterSet" not in second


def test_values_of_every_kind():
    web = Web()
    values = {
        "00181310": {"vr": "US", "Value": [1, 2]}, "00280030": {"vr": "DS", "Value": [0.1, 1 / 3, "1.50", 2e300, 3.0]},
        "00200013": {"vr": "IS", "Value": [7.0]}, "00280009": {"vr": "AT", "Value": ["00181063"]},
        "0066002F": {"vr": "SQ"}, "00186028": {"vr": "FD", "Value": [0.1, "NaN", "-Infinity"]},
        "00091001": {"vr": "OB", "InlineBinary": base64.b64encode(b"xyz").decode()},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}, "00020010": {"vr": "UI", "Value": ["9"]},
        "00082112": {"vr": "SQ", "Value": [{"00281199": {"vr": "UV", "Value": ["18446744073709551615"]}}]},
        "00290000": {"vr": "UL", "Value": [4]}, "001041aa": {"vr": "LO", "Value": ["lower case"]},
    }  # fmt: skip
    assert post(web, metadata({**BASE, **values})).status_code == 200
    content = web.archive.kept[0]
    [found] = kept(web)
    spacing = b"0.1\\0.33333333333333\\1.50\\2e+300\\3"
    assert spacing in content and found.ImageType == ["ORIGINAL", "", "AXIAL"] and found.InstanceNumber == 7
    assert found[0x00091001].value == b"xyz\0" and found[0x00280009].value == 0x00181063
    assert found[0x00082112].value[0][0x00281199].value == 2**64 - 1
    assert (0x0029, 0) not in found and found[0x001041AA].value == "lower case" and "TransferSyntaxUID" not in found


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"00100020": {"vr": "XX", "Value": ["1"]}}, 0xC000),
        ({"00100020": {"vr": "LO", "Value": "text"}}, 0xC000),
        ({"00100020": {"vr": "LO", "Value": [{}]}}, 0xC000),
        ({"00100020": {"vr": "LO", "Value": ["a\\b"]}}, 0xC000),
        ({"00100020": []}, 0xC000),
        ({"PatientID": {"vr": "LO"}}, 0xC000),
        ({"0010002X": {"vr": "LO"}}, 0xC000),
        ({"00100010": {"vr": "PN", "Value": ["Name"]}}, 0xC000),
        ({"00280010": {"vr": "US", "Value": [70000]}}, 0xC000),
        ({"00080060": {"vr": "CS", "Value": ["王"]}}, 0xC000),
        ({"00081140": {"vr": "SQ", "Value": [1]}}, 0xC000),
        ({"00091001": {"vr": "OB", "InlineBinary": "!"}}, 0xC000),
        ({"00080018": {"vr": "UI"}}, 0xC000),
        ({"00080018": {"vr": "UI", "Value": [{"a": 1}] * 60}}, 0xC000),
        ({"7FE00010": {"vr": "OB", "BulkDataURI": "http://169.254.169.254/secret"}}, 0xC000),
        ({"7FE00010": {"vr": "OB", "BulkDataURI": 7}}, 0xC000),
        ({**PIXELS, **NUMBERS, "00280010": {"vr": "US", "Value": [9]}}, 0xA900),
    ],
)
def test_an_object_that_cannot_be_understood_fails_alone(attributes, reason):
    web = Web()
    other = {**BASE, "00080018": {"vr": "UI", "Value": ["1.2.4"]}}
    octets = part(b"abcdef", OCTETS, Content_Location="bulk/1")
    answer = post(web, metadata({**BASE, **attributes}, other), octets)
    assert answer.status_code == 202 and failure(answer) == reason
    assert [one.SOPInstanceUID for one in kept(web)] == ["1.2.4"] and web.archive.scratches[0].closed


@pytest.mark.parametrize(
    "kind", ["image/png", "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.90", "image/jp2; transfer-syntax=9.9",
             "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.2"]
)  # fmt: skip
def test_pixel_data_in_what_the_web_does_not_have(kind):
    answer = post(Web(), metadata({**BASE, **PIXELS}), part(b"x", kind, Content_Location="bulk/1"))
    assert answer.status_code == 409 and failure(answer) == 0xC122


def test_as_many_parts_as_frames():
    dataset = {**BASE, **PIXELS, "00280008": {"vr": "IS", "Value": [3]}}
    frames = [part(b"x", "image/jpeg", Content_Location="bulk/1")] * 2
    answer = post(Web(), metadata(dataset), *frames)
    assert answer.status_code == 409 and failure(answer) == 0xA900 and "3 parts" in answer.headers["warning"]


def test_parts_that_nobody_names_are_told():
    answer = post(Web(), metadata(BASE), part(b"x", OCTETS, Content_Location="lost"), part(b"y", OCTETS))
    assert answer.status_code == 200 and "2 parts with bulk data belong to no object" in answer.headers["warning"]


XML = b"""<?xml version="1.0" encoding="UTF-8"?>%s
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
<DicomAttribute tag="00080016" vr="UI" keyword="SOPClassUID"><Value number="1">1.2.840.10008.5.1.4.1.1.7</Value>
</DicomAttribute>
<DicomAttribute tag="00080018" vr="UI"><Value number="1">1.2.3</Value></DicomAttribute>
<DicomAttribute tag="0020000D" vr="UI"><Value number="1">1.1</Value></DicomAttribute>
<DicomAttribute tag="0020000E" vr="UI"><Value number="1">1.1.1</Value></DicomAttribute>%s</NativeDicomModel>"""


def xml(more=b"", before=b""):
    return part(XML % (before, more), "application/dicom+xml")


def test_xml_with_bulk_data():
    web = Web()
    more = """<DicomAttribute tag="00100010" vr="PN"><PersonName number="1"><Alphabetic><FamilyName>Wang</FamilyName>
        <GivenName>X</GivenName></Alphabetic><Ideographic><FamilyName>王</FamilyName></Ideographic></PersonName>
        </DicomAttribute><DicomAttribute tag="00080008" vr="CS"><Value number="3">C</Value><Value number="1">A</Value>
        </DicomAttribute><DicomAttribute tag="00090001" vr="LO" privateCreator="ACME"><Value number="1">x</Value>
        </DicomAttribute><DicomAttribute tag="00081140" vr="SQ"><Item number="1"><DicomAttribute tag="00081155" vr="UI">
        <Value number="1">1.9</Value></DicomAttribute></Item></DicomAttribute>
        <DicomAttribute tag="00091102" vr="OB" privateCreator="OTHER"><InlineBinary>eHl6</InlineBinary></DicomAttribute>
        <DicomAttribute tag="7FE00010" vr="OW"><BulkData uri="bulk/1"/></DicomAttribute>"""
    octets = part(b"ab", OCTETS, Content_Location="bulk/1")
    assert post(web, xml(more.encode()), octets, kind="application/dicom+xml").status_code == 200
    [found] = kept(web)
    assert str(found.PatientName) == "Wang^X=王" and found.ImageType == ["A", "", "C"] and found.PixelData == b"ab"
    assert found.private_block(0x0009, "ACME")[0x01].value == "x"
    assert found.private_block(0x0009, "OTHER")[0x02].value == b"xyz\0"
    assert found.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.9"


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "content",
    [
        xml(b'<DicomAttribute tag="00100020" vr="LO"><Value number="1">&b;</Value></DicomAttribute>', BOMB),
        xml(b'<DicomAttribute tag="00100020" vr="LO"><Value number="1">&c;</Value></DicomAttribute>', BOMB),
        xml(b"", b'<!DOCTYPE x SYSTEM "http://169.254.169.254/x.dtd">'),
        xml(b'<DicomAttribute tag="00081140" vr="SQ"><Item number="1">' * 5000),
        xml(b'<DicomAttribute tag="00100020" vr="LO"><Value number="999999999">1</Value></DicomAttribute>'),
        xml(b'<DicomAttribute tag="00100020" vr="LO"><Value number="x">1</Value></DicomAttribute>'),
        xml(b'<DicomAttribute tag="x"/>'),
        xml(b'<DicomAttribute tag="00100020" vr="LO"><Secret/></DicomAttribute>'),
        xml(b"<Other/>"),
        part(b"<html/>", "application/dicom+xml"),
        part(b"not xml", "application/dicom+xml"),
        part(b"", "application/dicom+xml"),
    ],
)
def test_xml_that_is_hostile_or_no_native_model(content):
    web = Web()
    answer = post(web, content, kind="application/dicom+xml")
    assert answer.status_code == 409 and failure(answer) == 0xC000 and web.archive.kept == []
    assert post(web, content, xml(), kind="application/dicom+xml").status_code == 202


@pytest.mark.parametrize("text", [b"[" * 10_000, b'[{"00081140":' * 10_000, b"[", b"[1]", b"null", b"\xff\xfe"])
def test_json_that_is_hostile_or_none(text):
    web = Web()
    answer = post(web, part(text, "application/dicom+json"))
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    assert web.archive.scratches[0].closed


def test_what_cannot_be_parsed_inside_an_object_fails_alone():
    web = Web()
    text = b"[{bad}," + json.dumps(BASE).encode() + b',{"00081140":' + b'{"vr":"SQ","Value":[{"00081140":' * 70
    text += b"{}" + b"}]}" * 70 + b"}]"
    answer = post(web, part(text, "application/dicom+json"))
    assert answer.status_code == 202 and len(web.archive.kept) == 1


def test_metadata_alone_needs_no_multipart():
    web = Web()
    answer = web.post("/studies", content=json.dumps([BASE]), headers={"Content-Type": "application/dicom+json"})
    assert answer.status_code == 200 and len(web.archive.kept) == 1
    answer = web.post("/studies/1.5", content=XML % (b"", b""), headers={"Content-Type": "application/dicom+xml"})
    assert answer.status_code == 200 and web.archive.receptions[-1].study == "1.5"


def test_thousands_of_objects_in_one_request_and_no_more_than_allowed():
    web = Web(limits=WebLimits(commits_in_flight=4))
    datasets = [{**BASE, "00080018": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(3000)]
    answer = post(web, metadata(*datasets))
    assert answer.status_code == 200 and len(answer.json()["00081199"]["Value"]) == 3000


def test_a_truncated_request_stores_nothing():
    web = Web()
    whole = metadata({**BASE, **PIXELS}) + part(b"abcdef", OCTETS, Content_Location="bulk/1")
    answer = web.post(
        "/studies",
        content=whole[:-6],
        headers={"Content-Type": 'multipart/related; type="application/dicom+json"; boundary=xyz'},
    )
    assert answer.status_code == 400 and web.archive.kept == []
    assert all(scratch.closed for scratch in web.archive.scratches)
