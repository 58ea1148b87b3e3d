"""Where elements stand: in data sets of any encoding, however they lie across the window that is read through."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset as Pydicom
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from pacsd.codec import walk
from pacsd.codec.structure import UNDEFINED, MalformedDataset
from pacsd.codec.walk import BytesReader, Dataset, Located

SYNTAXES = {                             # implicit, little endian
    "1.2.840.10008.1.2": (True, True),
    "1.2.840.10008.1.2.1": (False, True),
    "1.2.840.10008.1.2.2": (False, False),
}
LETTERS = st.text("ABCDEFGH", max_size=30)


@st.composite
def data_sets(draw: st.DrawFn) -> Pydicom:
    """Short and long VRs, empty ones, sequences of defined and undefined length, values longer than a window."""
    made = Pydicom()
    for element in sorted(draw(st.sets(st.integers(0x1000, 0x1010), max_size=12))):
        tag = 0x00090000 | element
        vr = draw(st.sampled_from(("LO", "UT", "OB", "US", "SQ")))
        if vr == "SQ":
            inner = Pydicom()
            inner.add_new(0x00080060, "CS", draw(st.sampled_from(("CT", "MR"))))
            made.add_new(tag, "SQ", [inner] * draw(st.integers(0, 2)))
            made[tag].is_undefined_length = draw(st.booleans())
        elif vr == "US":
            made.add_new(tag, vr, draw(st.integers(0, 65_535)))
        else:
            text = draw(LETTERS) * draw(st.sampled_from((1, 1, 1, 9)))
            made.add_new(tag, vr, (text + " " * (len(text) % 2)).encode() if vr == "OB" else text)
    return made


def written(data_set: Pydicom, *, implicit: bool, little: bool) -> bytes:
    """The bytes of a data set."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    write_dataset(stream, data_set)
    return stream.getvalue()


def walked(data: bytes, syntax: str) -> list[Located]:
    """All its elements."""
    place = Dataset(BytesReader(data), offset_bytes=0, length_bytes=len(data), transfer_syntax_uid=syntax)
    return list(place.elements())


@settings(max_examples=60, deadline=None)
@given(data_set=data_sets(), syntax=st.sampled_from(sorted(SYNTAXES)), window=st.sampled_from((16, 40, 1 << 16)))
def test_elements_stand_where_they_were_written_whatever_the_window(
    data_set: Pydicom, syntax: str, window: int
) -> None:
    implicit, little = SYNTAXES[syntax]
    data = written(data_set, implicit=implicit, little=little)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "_WINDOW_BYTES", window)
        patch.setattr(Dataset._ensure, "__kwdefaults__", {"ahead": window})
        found = walked(data, syntax)
    assert [one.tag for one in found] == [int(one.tag) for one in data_set]
    assert [one.start for one in found] == [0, *(one.end for one in found[:-1])][: len(found)]
    for one, element in zip(found, data_set, strict=True):
        alone = Pydicom()
        alone.add(element)
        assert data[one.start : one.end] == written(alone, implicit=implicit, little=little)
        assert one.length == UNDEFINED or one.value_at + one.length == one.end
        assert implicit or one.vr == element.VR


@given(data_set=data_sets(), syntax=st.sampled_from(sorted(SYNTAXES)), cut=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_what_is_cut_off_ends_where_its_bytes_do(data_set: Pydicom, syntax: str, cut: int) -> None:
    implicit, little = SYNTAXES[syntax]
    whole = written(data_set, implicit=implicit, little=little)
    data = whole[: max(0, len(whole) - cut)]
    try:
        found = walked(data, syntax)
    except MalformedDataset:
        return
    assert [one.tag for one in found] == [int(one.tag) for one in data_set][: len(found)]
    assert all(one.end <= len(data) for one in found)
