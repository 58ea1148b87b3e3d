"""Request identifiers: what pydicom writes in any syntax, and what nobody should."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset

from pacsd.dimse.find import Criteria
from pacsd.dimse.identifier import read_identifier
from pacsd.dimse.query import as_query
from pacsd.faults import PacsdError
from tests.dimse.wire import EXPLICIT, IMPLICIT

BIG_ENDIAN = "1.2.840.10008.1.2.2"


def written(dataset: Dataset, syntax: str) -> bytes:
    buffer = BytesIO()
    out = DicomIO(buffer)
    out.is_implicit_VR, out.is_little_endian = syntax == IMPLICIT, syntax != BIG_ENDIAN
    write_dataset(out, dataset)
    return buffer.getvalue()


def request(*, undefined: bool = False) -> Dataset:
    step = Dataset()
    step.ScheduledProcedureStepID = "S1"
    step.Modality = ""
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "SERIES"
    dataset.StudyInstanceUID = ["1.2", "1.3"]
    dataset.PatientComments = "one\\value"
    dataset.PatientID = " P1 "
    dataset.RequestAttributesSequence = [step]
    dataset["RequestAttributesSequence"].is_undefined_length = undefined
    step.is_undefined_length_sequence_item = undefined
    dataset.Rows = 512
    return dataset


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("undefined", [False, True])
def test_keys_are_read_whatever_the_syntax(syntax: str, undefined: bool) -> None:
    found = read_identifier(written(request(undefined=undefined), syntax), syntax)
    assert found.level == "SERIES" and found.uids(0x0020000D) == ("1.2", "1.3")
    assert found.keys[0x00104000].values == ("one\\value",) and found.keys[0x00280010].values == ("512",)
    assert {one.path: one.value for one in as_query(Criteria("series", found.keys)).criteria} == {
        "00100020": "P1",
        "00104000": "one\\value",
        "0020000D": "1.2\\1.3",
        "00280010": "512",
        "00400275.00400009": "S1",
    }


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=120), st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1.99"]))
def test_random_bytes_are_a_refusal_or_an_identifier(data: bytes, syntax: str) -> None:
    try:
        read_identifier(data, syntax)
    except PacsdError:
        return


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_one_wrong_byte_is_a_refusal_or_an_identifier(data: st.DataObject) -> None:
    wire = bytearray(written(request(undefined=True), EXPLICIT))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read_identifier(bytes(wire), EXPLICIT)
    except PacsdError:
        return


def test_deep_nesting_is_refused() -> None:
    inner = Dataset()
    inner.PatientID = "1"
    for _ in range(40):
        outer = Dataset()
        outer.RequestAttributesSequence = [inner]
        inner = outer
    with pytest.raises(PacsdError):
        read_identifier(written(inner, EXPLICIT), EXPLICIT)
