"""Data sets of DIMSE-N: agreement with pydicom both ways, and hostile bytes refused."""

import struct
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from pacsd.dimse.datasets import MAX_DATASET_BYTES, decoded, encoded
from pacsd.faults import Fault, PacsdError

IMPLICIT, EXPLICIT, DEFLATED, BIG = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
)  # fmt: skip
SYNTAXES = (IMPLICIT, EXPLICIT, DEFLATED, BIG)


def wire(dataset: Dataset, *, implicit: bool = True) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, True
    write_dataset(stream, dataset)
    return stream.getvalue()


def step() -> Dataset:
    dataset, code = Dataset(), Dataset()
    dataset.SpecificCharacterSet = "GB18030"
    dataset.PatientName = "Zhang^San=张^三"
    dataset.ProcedureStepState = "SCHEDULED"
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "110005", "DCM", "判读"
    dataset.ScheduledWorkitemCodeSequence = Sequence([code])
    dataset.InputInformationSequence = Sequence([])
    return dataset


def test_what_pydicom_writes_is_read() -> None:
    for implicit, syntax in ((True, IMPLICIT), (False, EXPLICIT)):
        found = decoded(wire(step(), implicit=implicit), syntax)
        assert found["00100010"]["Value"] == [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]
        assert found["00404018"]["Value"][0]["00080104"] == {"vr": "LO", "Value": ["判读"]}
        assert found["00404021"] == {"vr": "SQ"}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_written_reads_back(syntax: str) -> None:
    attributes = decoded(wire(step()), IMPLICIT)
    utf8 = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    assert decoded(encoded(attributes, syntax), syntax) == {**attributes, **utf8}


def test_items_name_no_character_set_of_their_own() -> None:
    dataset = step()
    dataset.ScheduledWorkitemCodeSequence[0].SpecificCharacterSet = "GB18030"
    written = decoded(encoded(decoded(wire(dataset), IMPLICIT), EXPLICIT), EXPLICIT)
    assert written["00404018"]["Value"][0].keys() == {"00080100", "00080102", "00080104"}
    assert written["00404018"]["Value"][0]["00080104"]["Value"] == ["判读"]


def test_pydicom_reads_what_is_written() -> None:
    found = read_dataset(BytesIO(encoded(decoded(wire(step()), IMPLICIT), EXPLICIT)), False, True)
    assert str(found.PatientName) == "Zhang^San=张^三" and found.SpecificCharacterSet == "ISO_IR 192"
    assert found.ScheduledWorkitemCodeSequence[0].CodeMeaning == "判读"


def test_a_declared_character_set_may_be_overridden() -> None:
    raw = struct.pack("<HHI", 0x0008, 0x1030, 4) + "判读".encode("gbk")
    assert decoded(raw, IMPLICIT, character_set="GB18030")["00081030"]["Value"] == ["判读"]


def test_a_value_longer_than_its_vr_can_tell_is_unknown_to_explicit_vr() -> None:
    many: dict[str, Any] = {"00081030": {"vr": "LO", "Value": ["x" * 60] * 2000}}
    found = read_dataset(BytesIO(encoded(many, EXPLICIT)), False, True)
    assert found[0x00081030].VR in ("UN", "LO") and decoded(encoded(many, EXPLICIT), EXPLICIT) == many


@pytest.mark.parametrize("cut", [1, 3, 7, 9, 21])
def test_a_cut_data_set_is_refused(cut: int) -> None:
    for implicit, syntax in ((True, IMPLICIT), (False, EXPLICIT)):
        with pytest.raises(PacsdError) as refused:
            decoded(wire(step(), implicit=implicit)[:-cut], syntax)
        assert refused.value.fault is Fault.MALFORMED


def element(tag: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


@pytest.mark.parametrize(
    "data",
    [
        element(0x00100020, b"P1", 0x7FFFFFFF),
        element(0x00100020, b"P1") * 2,
        element(0x00404018, b"no item", None),
        element(0x00404018, element(0xFFFEE000, b"xx", 0x7FFFFFFF)),
        element(0x00404018, element(0xFFFEE000, element(0x00404018, b"xxxxxxxx"))),
        element(0x00404018, b"", 0xFFFFFFFF),
        element(0xFFFEE00D, b""),
        element(0x00020010, b"1.2 "),
        element(0x00000002, b"1.2 "),
        b"\0",
    ],
)
def test_what_lies_is_refused(data: bytes) -> None:
    with pytest.raises(PacsdError) as refused:
        decoded(data, IMPLICIT)
    assert refused.value.fault is Fault.MALFORMED


def test_what_nests_too_deeply_is_refused() -> None:
    data = b""
    for _ in range(3000):
        data = element(0x00404018, element(0xFFFEE000, data))
    with pytest.raises(PacsdError) as refused:
        decoded(data, IMPLICIT)
    assert refused.value.fault is Fault.TOO_MUCH
    opened = (struct.pack("<HHI", 0x0040, 0x4018, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)) * 3000
    with pytest.raises(PacsdError):
        decoded(opened, IMPLICIT)


def test_what_inflates_to_too_much_is_refused() -> None:
    many = {"00081030": {"vr": "LO", "Value": ["x" * 60] * 200_000}}
    data = encoded(many, DEFLATED)
    assert len(data) < MAX_DATASET_BYTES
    with pytest.raises(PacsdError) as refused:
        decoded(data, DEFLATED)
    assert refused.value.fault is Fault.TOO_MUCH


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=120), st.sampled_from(SYNTAXES))
def test_random_bytes_are_refused_or_read(data: bytes, syntax: str) -> None:
    try:
        decoded(data, syntax)
    except PacsdError:
        return


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 400), st.integers(0, 255), st.booleans())
def test_a_changed_byte_is_refused_or_read(at: int, byte: int, implicit: bool) -> None:
    data = bytearray(wire(step(), implicit=implicit))
    data[at % len(data)] = byte
    try:
        decoded(bytes(data), IMPLICIT if implicit else EXPLICIT)
    except PacsdError:
        return


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_numbers_that_were_told_as_text_are_numbers_and_what_does_not_fit_is_no_value(syntax: str) -> None:
    told: dict[str, dict[str, Any]] = {
        "00280010": {"vr": "US", "Value": ["512"]}, "00280011": {"vr": "US", "Value": [65_536]},
        "00189087": {"vr": "FD", "Value": ["2.5", "nan"]}, "00280106": {"vr": "US", "Value": [None]},
        "00089459": {"vr": "FL", "Value": [1e300]}, "00280009": {"vr": "AT", "Value": [None]},
    }  # fmt: skip
    found = decoded(encoded(told, syntax), syntax)
    assert found["00280010"]["Value"] == [512] and found["00189087"]["Value"][0] == 2.5
    empty = [tag for tag in sorted(told) if "Value" not in found[tag]]
    assert empty == ["00089459", "00280009", "00280011", "00280106"]
