import io
from dataclasses import dataclass

import pydicom
import pytest

from pacsd.codec.from_json import dataset_pieces, size_of, written
from pacsd.faults import Fault, PacsdError


@dataclass(frozen=True)
class Value:
    """A bulk value of any size, which only says what it would hold."""

    size_bytes: int

    def chunks(self):
        yield b"7" * self.size_bytes


def pieces(attributes, size=0, *, encapsulated=False):
    return dataset_pieces(attributes, lambda uri: [Value(size)], encapsulated=encapsulated)


def read(made):
    return pydicom.dcmread(io.BytesIO(b"".join(written(made))), force=True)


def test_a_long_value_of_a_short_vr_is_unknown():
    found = read(pieces({"00283006": {"vr": "US", "BulkDataURI": "x"}}, 70_000))
    assert found[0x00283006].VR == "UN" or len(found[0x00283006].value) == 35_000
    made = pieces({"00283006": {"vr": "US", "BulkDataURI": "x"}}, 70_000)
    assert made[0][4:6] == b"UN" and size_of(made) == 70_012
    assert pieces({"00283006": {"vr": "US", "BulkDataURI": "x"}}, 600)[0][4:6] == b"US"


@pytest.mark.parametrize(
    ("attributes", "size", "encapsulated"),
    [
        ({"00420011": {"vr": "OB", "BulkDataURI": "x"}}, 2**32, False),
        ({"00420011": {"vr": "OB", "BulkDataURI": "x"}}, 2**32 - 1, False),
        ({"7FE00010": {"vr": "OB", "BulkDataURI": "x"}}, 2**32, True),
        ({"00081140": {"vr": "SQ", "Value": [{"00420011": {"vr": "OB", "BulkDataURI": "x"}}]}}, 2**32 - 8, False),
    ],
)
def test_what_no_length_field_can_tell_is_too_much(attributes, size, encapsulated):
    with pytest.raises(PacsdError) as raised:
        pieces(attributes, size, encapsulated=encapsulated)
    assert raised.value.fault is Fault.TOO_MUCH


def test_the_largest_value_that_can_be_told():
    assert size_of(pieces({"00420011": {"vr": "OB", "BulkDataURI": "x"}}, 2**32 - 2)) == 12 + 2**32 - 2


def test_compressed_pixels_are_never_inline():
    with pytest.raises(PacsdError) as raised:
        pieces({"7FE00010": {"vr": "OB", "InlineBinary": "AAAA"}}, encapsulated=True)
    assert raised.value.fault is Fault.MALFORMED


def test_sequences_tell_their_lengths():
    item = {"00420011": {"vr": "OB", "BulkDataURI": "x"}, "00081155": {"vr": "UI", "Value": ["1.2"]}}
    made = pieces({"00081140": {"vr": "SQ", "Value": [item, {}]}}, 3)
    content = b"".join(written(made))
    assert int.from_bytes(content[8:12], "little") == len(content) - 12 and size_of(made) == len(content)
    assert read(made).ReferencedImageSequence[0].EncapsulatedDocument == b"777\0"


def test_sequences_end_at_a_depth():
    attributes = {"00080016": {"vr": "UI"}}
    for _ in range(70):
        attributes = {"00081140": {"vr": "SQ", "Value": [attributes]}}
    with pytest.raises(PacsdError) as raised:
        pieces(attributes)
    assert raised.value.fault is Fault.TOO_MUCH
