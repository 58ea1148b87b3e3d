"""Overlays in the byte stream: what is named changes, every other byte stays."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import write_dataset

from pacsd.codec.part10 import read_meta
from pacsd.codec.splice import Overlay, spliced
from pacsd.codec.walk import BytesReader
from pacsd.faults import Fault, PacsdError

WHEN = datetime(2026, 11, 22, tzinfo=UTC)
ENCODINGS = {"1.2.840.10008.1.2": (True, True), "1.2.840.10008.1.2.1": (False, True),
             "1.2.840.10008.1.2.2": (False, False)}


def encoded(dataset: Dataset, syntax: str) -> bytes:
    out = pydicom.filebase.DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = ENCODINGS[syntax]
    write_dataset(out, dataset)
    return out.getvalue()


def splice(data: bytes, syntax: str, overlay: Overlay) -> bytes:
    reader = BytesReader(b"before" + data + b"behind")
    chunks = spliced(
        reader, offset_bytes=6, length_bytes=len(data), transfer_syntax_uid=syntax, overlay=overlay,
        modified_at=WHEN,
    )
    return b"".join(chunks)


def parsed(data: bytes, syntax: str) -> Dataset:
    implicit, little = ENCODINGS.get(syntax, (False, True))
    return pydicom.filereader.read_dataset(BytesIO(data), implicit, little)


def example(character_set: str | None = "ISO_IR 100") -> Dataset:
    dataset = Dataset()
    if character_set is not None:
        dataset.SpecificCharacterSet = character_set
    dataset.StudyDate = "20260101"
    dataset.ReferringPhysicianName = "Buc^Jérôme"
    dataset.PatientName = "Old^Name"
    dataset.PatientID = "1"
    dataset.add_new(0x00091010, "UN", b"\1\2\3\4")
    dataset.Rows = 2
    dataset.PixelData = b"\1\2\3\4"
    dataset["PixelData"].VR = "OW"
    return dataset


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_named_attributes_change_and_old_values_are_kept(syntax: str) -> None:
    data = encoded(example(), syntax)
    overlay: Overlay = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]},
        "00100021": {"vr": "LO", "Value": ["authority"]},
        "00080020": None,
    }
    result = parsed(splice(data, syntax, overlay), syntax)
    assert str(result.PatientName) == "Müller^Jörg"
    assert result.IssuerOfPatientID == "authority"
    assert "StudyDate" not in result
    assert str(result.ReferringPhysicianName) == "Buc^Jérôme"
    assert [element.tag for element in result] == sorted(element.tag for element in result)
    item = result[0x0400, 0x0561].value[0]
    assert item.AttributeModificationDateTime == "20261122000000.000000+0000"
    assert (item.ModifyingSystem, item.ReasonForTheAttributeModification) == ("PACSD", "CORRECT")
    before = item.ModifiedAttributesSequence[0]
    assert str(before.PatientName) == "Old^Name" and before.StudyDate == "20260101"
    assert "IssuerOfPatientID" not in before


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_a_second_correction_adds_an_item(syntax: str) -> None:
    once = splice(encoded(example(), syntax), syntax, {"00100020": {"vr": "LO", "Value": ["2"]}})
    twice = parsed(splice(once, syntax, {"00100020": {"vr": "LO", "Value": ["3"]}}), syntax)
    history = [i.ModifiedAttributesSequence[0].PatientID for i in twice[0x0400, 0x0561].value]
    assert (history, twice.PatientID) == (["1", "2"], "3")


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_text_outside_the_character_set_makes_everything_utf8(syntax: str) -> None:
    dataset = example()
    inner = Dataset()
    inner.CodeMeaning = "tête"
    dataset.ProcedureCodeSequence = [inner]
    result = parsed(
        splice(encoded(dataset, syntax), syntax,
               {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]}}),
        syntax,
    )
    assert result.SpecificCharacterSet == "ISO_IR 192"
    assert str(result.PatientName) == "Zhang^San=张^三"
    assert str(result.ReferringPhysicianName) == "Buc^Jérôme"
    assert result.ProcedureCodeSequence[0].CodeMeaning == "tête"
    assert result[0x0009, 0x1010].value == b"\1\2\3\4"
    assert result[0x7FE0, 0x0010].value == b"\1\2\3\4"


def test_gbk_under_a_wrong_declaration_becomes_readable() -> None:
    syntax = "1.2.840.10008.1.2.1"
    dataset = example()
    dataset.add_new(0x00081030, "LO", "胸部平扫".encode("gbk").decode("latin_1"))
    result = parsed(splice(encoded(dataset, syntax), syntax,
                           {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "张三"}]}}), syntax)
    assert result.StudyDescription == "胸部平扫"


def test_no_overlay_is_no_change() -> None:
    data = encoded(example(), "1.2.840.10008.1.2.1")
    assert splice(data, "1.2.840.10008.1.2.1", {}) == data


@pytest.mark.parametrize(
    ("overlay", "fault"),
    [
        ({"7FE00010": {"vr": "OW", "InlineBinary": ""}}, Fault.UNSUPPORTED),
        ({"00020010": None}, Fault.UNSUPPORTED),
        ({"PatientName": None}, Fault.UNSUPPORTED),
        ({"00280010": {"vr": "US", "Value": ["many"]}}, Fault.MALFORMED),
        ({"00100010": {"vr": "XX", "Value": ["a"]}}, Fault.MALFORMED),
        ({"0008002A": {"vr": "DT", "Value": ["é"]}}, Fault.MALFORMED),
    ],
)
def test_what_no_header_can_hold_is_refused(overlay: Overlay, fault: Fault) -> None:
    with pytest.raises(PacsdError) as caught:
        splice(encoded(example(), "1.2.840.10008.1.2.1"), "1.2.840.10008.1.2.1", overlay)
    assert caught.value.fault is fault


def test_real_files_keep_every_other_byte(data_folder: Path) -> None:
    seen = 0
    for path in sorted((data_folder / "dicom").rglob("*.dcm")):
        if "malformed" in path.parts:
            continue
        data = path.read_bytes()
        meta = read_meta(data[:65536])
        body = data[meta.dataset_offset :]
        result = splice(body, meta.transfer_syntax_uid, {"00100020": {"vr": "LO", "Value": ["NEW"]}})
        meta_bytes = data[: meta.dataset_offset]
        again = pydicom.dcmread(BytesIO(meta_bytes + result), force=True)
        before = pydicom.dcmread(BytesIO(data), force=True)
        assert again.PatientID == "NEW", path.name
        assert len(again[0x0400, 0x0561].value) == len(before.get("OriginalAttributesSequence") or ()) + 1
        for dataset in (again, before):
            for tag in (0x00100020, 0x04000561, 0x00100000, 0x04000000):
                dataset.pop(tag, None)
        assert again == before, path.name
        if "PixelData" in before and not meta.transfer_syntax_uid.endswith(".99"):
            assert result.endswith(data[before["PixelData"].file_tell :]), path.name
        seen += 1
    assert seen > 100


def test_a_data_set_broken_before_its_character_set_takes_no_text_of_another() -> None:
    broken = b"\4\0\x20\x12SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\x70\0\0\0" + bytes(8)
    with pytest.raises(PacsdError) as refused:
        splice(broken, "1.2.840.10008.1.2.1", {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "张"}]}})
    assert refused.value.fault is Fault.MALFORMED
